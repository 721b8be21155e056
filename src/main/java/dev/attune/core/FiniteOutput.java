package dev.attune.core;

import java.nio.FloatBuffer;

/** What a model gives, looked at before anything is made of it. */
public final class FiniteOutput {
  private FiniteOutput() {}

  /**
   * The same values.
   *
   * @param count of them that mean something, from the first on
   * @throws InputException if one of those is infinite or NaN: whatever was made of it would be
   *     made up
   */
  public static FloatBuffer checked(FloatBuffer values, long count) {
    int bad = NotFinite.first(values, 0, Math.toIntExact(count));
    if (bad >= 0) {
      throw new InputException(
          "the model gives "
              + values.get(bad)
              + " where a number is wanted: its weights are so large that what is computed with"
              + " them is beyond 3.4e38. It cannot be used as it is; look at how it was trained,"
              + " or fetch its files again");
    }
    return values;
  }
}
