package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** The choice of tokens: which are possible, how often each is drawn, and that a seed decides. */
class SamplerTest {
  private static final int DRAWS = 20_000;

  /** Probabilities 0.4, 0.3, 0.2, 0.08, 0.02, in an order that is not theirs. */
  private static final double[] PROBABILITIES = {0.08, 0.4, 0.02, 0.3, 0.2};

  private static float[] logits(double[] probabilities) {
    float[] logits = new float[probabilities.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) (Math.log(probabilities[i]) + 3); // a constant changes nothing
    }
    return logits;
  }

  private static Sampling sampling(double temperature, int topK, double topP, double minP) {
    return new Sampling(temperature, topK, topP, minP, 1, 42);
  }

  private static double[] frequencies(Sampling sampling, float[] logits) {
    double[] counts = new double[logits.length];
    Sampler sampler = new Sampler(sampling, LogitRules.NONE, new int[0], new int[0], 3);
    for (int place = 0; place < DRAWS; place++) {
      counts[sampler.next(FloatBuffer.wrap(logits), logits.length, place)]++;
    }
    for (int i = 0; i < counts.length; i++) {
      counts[i] /= DRAWS;
    }
    return counts;
  }

  private static void assertFrequencies(double[] expected, Sampling sampling) {
    double[] actual = frequencies(sampling, logits(PROBABILITIES));
    double sum = 0;
    for (double p : expected) {
      sum += p;
    }
    for (int i = 0; i < expected.length; i++) {
      double p = expected[i] / sum;
      // Four standard errors of a share.
      double tolerance = 4 * Math.sqrt(p * (1 - p) / DRAWS);
      assertEquals(p, actual[i], tolerance, "token " + i + " with " + sampling);
    }
  }

  @Test
  void drawsByProbability() {
    assertFrequencies(PROBABILITIES, sampling(1, 0, 1, 0));
  }

  @Test
  void temperatureSharpens() {
    double[] squared = new double[PROBABILITIES.length];
    for (int i = 0; i < squared.length; i++) {
      squared[i] = PROBABILITIES[i] * PROBABILITIES[i];
    }
    assertFrequencies(squared, sampling(0.5, 0, 1, 0));
  }

  @Test
  void topKKeepsTheMostProbable() {
    assertFrequencies(new double[] {0, 0.4, 0, 0.3, 0}, sampling(1, 2, 1, 0));
    assertFrequencies(PROBABILITIES, sampling(1, 99, 1, 0));
  }

  /** The token that reaches P is part of the nucleus. */
  @Test
  void topPKeepsTheNucleus() {
    assertFrequencies(new double[] {0, 0.4, 0, 0, 0}, sampling(1, 0, 0.39, 0));
    assertFrequencies(new double[] {0, 0.4, 0, 0.3, 0}, sampling(1, 0, 0.41, 0));
    assertFrequencies(new double[] {0, 0.4, 0, 0.3, 0.2}, sampling(1, 0, 0.75, 0));
    assertFrequencies(new double[] {0.08, 0.4, 0, 0.3, 0.2}, sampling(1, 0, 0.95, 0));
  }

  @Test
  void minPIsRelativeToTheMostProbable() {
    assertFrequencies(new double[] {0, 0.4, 0, 0.3, 0.2}, sampling(1, 0, 1, 0.3));
  }

  /** Beside a sort of everything, on vocabularies with ties and long tails. */
  @Test
  void theNucleusIsThatOfASort() {
    Random random = new Random(5);
    for (int round = 0; round < 50; round++) {
      int V = 1 + random.nextInt(3000);
      float[] logits = new float[V];
      for (int id = 0; id < V; id++) {
        logits[id] = round % 3 == 0 ? random.nextInt(5) : (float) (4 * random.nextGaussian());
      }
      double topP = 0.05 + 0.9 * random.nextDouble();
      TreeSet<Integer> expected = nucleus(logits, topP);
      Sampler sampler =
          new Sampler(sampling(1, 0, topP, 0), LogitRules.NONE, new int[0], new int[0], round);
      for (int place = 0; place < 200; place++) {
        int token = sampler.next(FloatBuffer.wrap(logits), V, place);
        assertTrue(expected.contains(token), "round " + round + ": token " + token);
      }
    }
  }

  private static TreeSet<Integer> nucleus(float[] logits, double topP) {
    Integer[] order = new Integer[logits.length];
    double mass = 0;
    for (int id = 0; id < logits.length; id++) {
      order[id] = id;
      mass += Math.exp(logits[id]);
    }
    java.util.Arrays.sort(order, (a, b) -> Float.compare(logits[b], logits[a]));
    TreeSet<Integer> kept = new TreeSet<>();
    double reached = 0;
    for (int i = 0; i < order.length && reached < topP * mass * (1 + 1e-6); i++) {
      kept.add(order[i]);
      reached += Math.exp(logits[order[i]]);
    }
    return kept;
  }

  @Test
  void greedyTakesTheFirstOfEquals() {
    Sampler sampler = new Sampler(Sampling.greedy(), LogitRules.NONE, new int[0], new int[0], 0);
    assertEquals(1, sampler.next(FloatBuffer.wrap(new float[] {1, 5, 5, 2}), 4, 0));
  }

  /** CTRL's rule: positive logits are divided, negative ones multiplied. */
  /** What logits are divided by has 32 bits. */
  @Test
  void aTemperatureThatIsNoneIsThatOfTheMostProbable() {
    for (double temperature : new double[] {1e-320, 1e-46, 1e-45, 1e-30}) {
      Sampler sampler =
          new Sampler(sampling(temperature, 0, 1, 0), LogitRules.NONE, new int[0], new int[0], 3);
      FloatBuffer logits = FloatBuffer.wrap(logits(PROBABILITIES));
      assertEquals(1, sampler.next(logits, PROBABILITIES.length, 0), "at " + temperature);
    }
  }

  @Test
  void repetitionIsPenalized() {
    Sampler sampler =
        new Sampler(new Sampling(0, 0, 1, 0, 2, 0), LogitRules.NONE, new int[] {1}, new int[0], 0);
    float[] logits = {4, 6, 3.5f, -1};
    assertEquals(0, sampler.next(FloatBuffer.wrap(logits), 4, 0)); // 6 counts as 3
    assertEquals(2, sampler.next(FloatBuffer.wrap(logits), 4, 1)); // and now 4 as 2
    float[] negative = {-3, -5, -2, -3.5f};
    assertEquals(3, sampler.next(FloatBuffer.wrap(negative), 4, 2)); // -2 counts as -4, -3 as -6
  }

  @Test
  void aSeedDecides() {
    float[] logits = logits(PROBABILITIES);
    StringBuilder first = new StringBuilder();
    StringBuilder second = new StringBuilder();
    StringBuilder other = new StringBuilder();
    for (int place = 0; place < 50; place++) {
      Sampling sampling = sampling(1, 0, 1, 0);
      first.append(
          new Sampler(sampling, LogitRules.NONE, new int[0], new int[0], 1)
              .next(FloatBuffer.wrap(logits), 5, place));
      second.append(
          new Sampler(sampling, LogitRules.NONE, new int[0], new int[0], 1)
              .next(FloatBuffer.wrap(logits), 5, place));
      other.append(
          new Sampler(sampling, LogitRules.NONE, new int[0], new int[0], 2)
              .next(FloatBuffer.wrap(logits), 5, place));
    }
    assertEquals(first.toString(), second.toString());
    assertTrue(!first.toString().equals(other.toString()), "two streams drew the same");
  }

  @Test
  void badOptionsAreRefused() {
    assertThrows(InputException.class, () -> sampling(-1, 0, 1, 0));
    assertThrows(InputException.class, () -> sampling(1, -1, 1, 0));
    assertThrows(InputException.class, () -> sampling(1, 0, 0, 0));
    assertThrows(InputException.class, () -> sampling(1, 0, 1.5, 0));
    assertThrows(InputException.class, () -> sampling(1, 0, 1, 2));
    assertThrows(InputException.class, () -> new Sampling(1, 0, 1, 0, -1, 0));
    assertThrows(InputException.class, () -> new Sampling(1, 0, 1, 0, 1e-320, 0));
    assertThrows(InputException.class, () -> new Sampling(1, 0, 1, 0, 1e308, 0));
  }
}
