package dev.attune.hub;

import java.nio.file.Path;
import java.util.function.Consumer;

public final class Hub {
  private Hub() {}

  public static Path resolve(String model, Consumer<String> note) {
    return Path.of(model);
  }
}
