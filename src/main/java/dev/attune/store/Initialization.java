package dev.attune.store;

import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** How new adapters begin ("init_lora_weights"), with PEFT's names. */
public enum Initialization {
  /** A random, B zero. */
  TRUE(false),
  /** The same from a normal distribution with the deviation 1 / R. */
  GAUSSIAN(false),
  /**
   * A and B are the leading singular vectors and values of the weight, which loses them (Meng et
   * al., PiSSA, 2024).
   */
  PISSA(true),
  /** The same of the first columns of its QR decomposition (Büyükakyüz, OLoRA, 2024). */
  OLORA(true),
  /**
   * A zero, B the last singular vectors, which stay as they are in training (PEFT's MiCA): read,
   * but not begun or trained here.
   */
  MICA(false);

  private final boolean changesBase;

  Initialization(boolean changesBase) {
    this.changesBase = changesBase;
  }

  /** Whether the weight that is adapted loses what the adapter begins with. */
  public boolean changesBase() {
    return changesBase;
  }

  /** PEFT's name. */
  public String option() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The one that is called so. */
  public static Optional<Initialization> named(String option) {
    return Stream.of(values()).filter(one -> one.option().equals(option)).findFirst();
  }
}
