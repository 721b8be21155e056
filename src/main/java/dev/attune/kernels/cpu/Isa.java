package dev.attune.kernels.cpu;

import dev.attune.core.InputException;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeCalls;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Instruction-set levels of the CPU kernels. The codes cross the native border. */
public enum Isa {
  /** The best level that the machine can run. */
  BEST(-1, "best"),
  /** Whatever the compiler's baseline is. */
  PORTABLE(0, "portable"),
  /** x86-64-v3: AVX2 and FMA. */
  V3(1, "avx2"),
  /** x86-64-v4: AVX-512. */
  V4(2, "avx512"),
  /** x86-64-v4 with bf16 dot products. */
  V4_BF16(3, "avx512_bf16"),
  /** x86-64-v4 with matrix tiles of bf16. */
  AMX(4, "amx"),
  /** The same on emulated tiles: in the library of the tests alone, and never the best. */
  AMX_EMULATED(5, "amx_emulated");

  private final int code;
  private final String label;

  Isa(int code, String label) {
    this.code = code;
    this.label = label;
  }

  int code() {
    return code;
  }

  /** The name used in messages and in ATTUNE_ISA. */
  public String label() {
    return label;
  }

  /** Whether products, of bf16 and of f32 in parts, are done on matrix tiles. */
  boolean hasTiles() {
    return this == AMX || this == AMX_EMULATED;
  }

  static Isa ofCode(int code) {
    return values()[code + 1];
  }

  /** Whether this machine and build can run it; the best one always can. */
  public boolean isAvailable() {
    KernelLibrary.cpu(); // the natives come with it
    return this == BEST || NativeCalls.hasIsa(code) != 0;
  }

  /** The level of a label, in any case. */
  public static Optional<Isa> named(String label) {
    return Stream.of(values())
        .filter(isa -> isa.label.equals(label.toLowerCase(Locale.ROOT)))
        .findFirst();
  }

  /** All labels that may be asked for, for a message. */
  public static String labels() {
    return Stream.of(values())
        .filter(isa -> isa != AMX_EMULATED)
        .map(Isa::label)
        .collect(Collectors.joining(", "));
  }

  /** The levels of this machine, the highest last. */
  static List<Isa> ofThisMachine() {
    return Stream.of(values())
        .filter(isa -> isa != BEST && isa != AMX_EMULATED && isa.isAvailable())
        .toList();
  }

  /** The level that the environment variable ATTUNE_ISA names, if any. */
  public static Optional<Isa> fromEnvironment() {
    String name = System.getenv("ATTUNE_ISA");
    if (name == null || name.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        named(name)
            .orElseThrow(
                () -> new InputException("ATTUNE_ISA is '" + name + "'; allowed are " + labels())));
  }
}
