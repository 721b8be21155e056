package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Numbers as people write them. */
class NumbersTest {
  @Test
  void digitsThatSayNothingAreLeftOut() {
    assertEquals("0.75", Numbers.text(0.75, 4));
    assertEquals("0.6667", Numbers.text(2 / 3.0, 4));
    assertEquals("30", Numbers.text(30, 4));
    assertEquals("123456", Numbers.text(123456, 4), "a count is whole");
    assertEquals("0", Numbers.text(0, 4));
    assertEquals("-1.5", Numbers.text(-1.5, 4));
  }

  @Test
  void smallAndLargeOnesHaveAnExponent() {
    assertEquals("2e-5", Numbers.text(2e-5, 4));
    assertEquals("6.67e-6", Numbers.text(2e-5 / 3, 3));
    assertEquals("1.5e10", Numbers.text(1.5e10, 4));
    assertEquals("-", Numbers.text(Double.NaN, 4));
  }
}
