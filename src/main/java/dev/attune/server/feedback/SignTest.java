package dev.attune.server.feedback;

/** The sign test on rows that two versions judge differently, which is McNemar's exact one. */
final class SignTest {
  private SignTest() {}

  /**
   * How probable it is that of all differing rows at least so many fall to one side, where either
   * side is as likely; one-sided.
   *
   * @param side rows that fall to the side that is tested
   * @param other rows that fall to the other
   */
  static double atLeast(int side, int other) {
    int n = side + other;
    double logChoose = 0; // of n over k
    double sum = 0;
    for (int k = 0; k <= other; k++) { // as many as have at least n - other = side on the side
      sum += Math.exp(logChoose - n * Math.log(2));
      logChoose += Math.log((double) (n - k) / (k + 1));
    }
    return Math.min(1, sum);
  }
}
