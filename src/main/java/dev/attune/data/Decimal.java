package dev.attune.data;

import dev.attune.core.DecimalText;

/** Decimal numbers as texts. */
final class Decimal {
  private Decimal() {}

  /** The number, or null for anything that is not a finite decimal number. */
  static Float parse(String text) {
    float value = text == null ? Float.NaN : DecimalText.single(text);
    return Float.isFinite(value) ? value : null;
  }
}
