package dev.attune.server.training;

import dev.attune.server.AttuneServer;
import java.nio.file.Path;

/** A server in a process of its own, to be killed. */
final class TrainingChild {
  private TrainingChild() {}

  /**
   * Serves until it is killed.
   *
   * @param arguments the folder that {@link TrainingTrial#makeBase} has filled
   */
  public static void main(String[] arguments) throws InterruptedException {
    AttuneServer server = AttuneServer.start(TrainingTrial.config(Path.of(arguments[0])));
    System.out.println(server.address());
    Thread.sleep(Long.MAX_VALUE);
  }
}
