package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.task.TokenLoss.Kind;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Losses of tokens and what they count. */
class TokenLossTest {
  private static final double STEP = 1e-5;

  private static TokenRow row(float weight, float logprob, float advantage) {
    return new TokenRow(
        new int[] {1},
        new int[] {2},
        new float[] {weight},
        new float[] {logprob},
        new float[] {advantage});
  }

  @ParameterizedTest
  @EnumSource
  void whatATargetCountsIsTheDerivativeOfTheLoss(Kind kind) {
    TokenLoss loss = new TokenLoss(kind, kind == Kind.PPO ? 0.2 : 0);
    Random random = new Random(8);
    int clipped = 0;
    for (int i = 0; i < 300; i++) {
      float sampled = -5 * random.nextFloat();
      TokenRow row = row((float) random.nextGaussian(), sampled, (float) random.nextGaussian());
      double now = sampled + 0.6 * random.nextGaussian();
      double ratio = Math.exp(now - sampled);
      if (Math.abs(Math.abs(ratio - 1) - 0.2) < 1e-3) {
        continue; // it bends there
      }
      double difference =
          (loss.loss(row, 0, now - STEP) - loss.loss(row, 0, now + STEP)) / (2 * STEP);
      assertEquals(difference, loss.weight(row, 0, now), 1e-6, kind + " " + i);
      clipped += loss.weight(row, 0, now) == 0 ? 1 : 0;
    }
    assertTrue(kind == Kind.PPO ? clipped > 50 : clipped == 0, clipped + " of 300 count nothing");
  }

  @Test
  void whereNothingHasChangedAllPolicyLossesAreTheAdvantage() {
    for (Kind kind : List.of(Kind.IMPORTANCE_SAMPLING, Kind.PPO)) {
      TokenLoss loss = new TokenLoss(kind, 0.2);
      assertEquals(-1.5, loss.loss(row(0, -2, 1.5f), 0, -2), 1e-12);
      assertEquals(1.5, loss.weight(row(0, -2, 1.5f), 0, -2), 1e-12);
    }
  }

  @Test
  void whatALossLacksIsNamed() {
    TokenRow bare = new TokenRow(new int[] {1}, new int[] {2}, null, null, null);
    TokenRow weighted = new TokenRow(new int[] {1}, new int[] {2}, new float[] {1}, null, null);
    refused("weights", () -> new TokenLoss(Kind.CROSS_ENTROPY, 0).check(bare, 3));
    refused("example 3", () -> new TokenLoss(Kind.CROSS_ENTROPY, 0).check(bare, 3));
    refused("logprobs", () -> new TokenLoss(Kind.PPO, 0.2).check(weighted, 0));
    refused("clip is 1.0", () -> new TokenLoss(Kind.PPO, 1));
    refused("2 targets", () -> new TokenRow(new int[] {1}, new int[] {2, 3}, null, null, null));
    refused(
        "weights[0] is NaN",
        () -> new TokenRow(new int[] {1}, new int[] {2}, new float[] {Float.NaN}, null, null));
    refused("no tokens", () -> new TokenRow(new int[0], new int[0], null, null, null));
  }

  private static void refused(String part, Runnable call) {
    String message = assertThrows(InputException.class, call::run).getMessage();
    assertTrue(message.contains(part), "no '" + part + "' in: " + message);
  }
}
