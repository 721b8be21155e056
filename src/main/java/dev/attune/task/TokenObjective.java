package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A loss of tokens on a language model, for whoever makes the examples himself. */
public final class TokenObjective {
  /**
   * What was found of a batch.
   *
   * @param loss the sum over all targets
   * @param logprobs of each example's targets (T), NaN where there is none
   */
  public record Found(double loss, List<float[]> logprobs) {}

  private final TokenLoss loss;
  private final List<TokenRow> rows;

  /**
   * @throws InputException if a row lacks what the loss reads
   */
  public TokenObjective(TokenLoss loss, List<TokenRow> rows) {
    this.loss = loss;
    this.rows = rows;
    for (int i = 0; i < rows.size(); i++) {
      loss.check(rows.get(i), i);
    }
  }

  /**
   * The rows as a dataset, one sequence each.
   *
   * @param vocabulary V
   * @param maxLength tokens that a row may have
   * @throws InputException if a token is none of the vocabulary, or a row is too long
   */
  public EncodedDataset data(int vocabulary, int maxLength) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    for (int i = 0; i < rows.size(); i++) {
      TokenRow row = rows.get(i);
      Check.input(
          row.tokens().length <= maxLength,
          "example %d has %d tokens; the model has %d positions",
          i,
          row.tokens().length,
          maxLength);
      int[] labels = row.targets().clone();
      for (int t = 0; t < labels.length; t++) {
        checkId("token", i, t, row.tokens()[t], 0, vocabulary);
        checkId("target", i, t, labels[t], TokenRow.NONE, vocabulary);
        labels[t] = labels[t] == TokenRow.NONE ? EncodedDataset.IGNORED : labels[t];
      }
      builder.add(row.tokens(), null, labels);
    }
    return builder.build();
  }

  private static void checkId(String what, int row, int at, int id, int least, int vocabulary) {
    Check.input(
        id >= least && id < vocabulary,
        "%s %d of example %d is %d; the vocabulary has ids 0 to %d%s",
        what,
        at,
        row,
        id,
        vocabulary - 1,
        least < 0 ? ", and -1 asks for nothing" : "");
  }

  /**
   * Computes the losses of a staged batch of those rows and, in training, leaves the gradient of
   * their sum in the model's output. Waits for the device.
   *
   * @param hidden of the model's forward
   */
  public Found apply(Tape tape, Model model, Tensor hidden, Staging staging) {
    Batch batch = staging.batch();
    int M = staging.learnedRowCount();
    if (loss.readsLogprobs()) {
      VocabularyLoss.weighted(
          tape, model, hidden, staging, losses -> weights(batch, losses, losses.length));
    } else {
      VocabularyLoss.weighted(tape, model, hidden, staging, weights(batch, new float[M], M));
    }
    return found(batch, staging.losses(M));
  }

  private float[] weights(Batch batch, float[] losses, int count) {
    float[] weights = new float[count];
    int at = 0;
    for (int b = 0; b < batch.sequences(); b++) {
      TokenRow row = rows.get(batch.exampleIndex()[b]);
      for (int t = 0; t < row.tokens().length; t++) {
        if (row.targets()[t] != TokenRow.NONE) {
          weights[at] = (float) loss.weight(row, t, -losses[at]);
          at++;
        }
      }
    }
    return weights;
  }

  private Found found(Batch batch, float[] losses) {
    double sum = 0;
    List<float[]> logprobs = new ArrayList<>();
    int at = 0;
    for (int b = 0; b < batch.sequences(); b++) {
      TokenRow row = rows.get(batch.exampleIndex()[b]);
      float[] ofRow = new float[row.tokens().length];
      Arrays.fill(ofRow, Float.NaN);
      for (int t = 0; t < ofRow.length; t++) {
        if (row.targets()[t] != TokenRow.NONE) {
          ofRow[t] = -losses[at++];
          sum += loss.loss(row, t, ofRow[t]);
        }
      }
      logprobs.add(ofRow);
    }
    return new Found(sum, logprobs);
  }
}
