package dev.attune.kernels.cpu;

import dev.attune.core.InputException;
import java.util.Locale;

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

  static Isa ofCode(int code) {
    return values()[code + 1];
  }

  /** The level named by the environment variable ATTUNE_ISA, or the best one. */
  static Isa fromEnvironment() {
    String name = System.getenv("ATTUNE_ISA");
    if (name == null || name.isEmpty()) {
      return BEST;
    }
    for (Isa isa : values()) {
      if (isa.label.equals(name.toLowerCase(Locale.ROOT))) {
        return isa;
      }
    }
    throw new InputException(
        "ATTUNE_ISA is '"
            + name
            + "'; allowed are portable, avx2, avx512, avx512_bf16, amx and"
            + " best");
  }
}
