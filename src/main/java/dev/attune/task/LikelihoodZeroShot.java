package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * By how likely a language model finds the label after the text and the beginning of a sentence
 * that says it: the mean log-likelihood of the label's tokens, so that long labels are not worse
 * off, calibrated by what it is after texts that say nothing (contextual calibration, Zhao et al.
 * 2021). What the template has behind the label is left out.
 */
final class LikelihoodZeroShot extends ZeroShot {
  private static final String TEMPLATE = "This example is {}.";

  /** Those of the paper. */
  private static final List<String> CONTENT_FREE = List.of("N/A", "", "[MASK]");

  private final CausalLm learned = new CausalLm(false);
  private final double[] bias; // (K) log-probabilities after texts that say nothing; null: not yet

  LikelihoodZeroShot(ZeroShotLabels asked) {
    this(asked, null);
    checkCompared(asked);
    asked.refuse(asked.temperature() != null, Term.TEMPERATURE, "a choice by likelihood");
  }

  private LikelihoodZeroShot(ZeroShotLabels asked, double[] bias) {
    super(asked);
    this.bias = bias;
  }

  private String template() {
    return asked.template() == null ? TEMPLATE : asked.template();
  }

  @Override
  String method() {
    return "by the likelihood of the label in \""
        + template()
        + "\" after the text, the mean over its tokens, calibrated by texts without content";
  }

  @Override
  public ZeroShot each() {
    throw noneByItself();
  }

  @Override
  public TaskType type() {
    return Type.LANGUAGE_MODEL;
  }

  @Override
  public HeadKind head() {
    return HeadKind.LANGUAGE_MODEL;
  }

  @Override
  public boolean readsLosses() {
    return true;
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    return learned.loss(tape, model, output, staging, labelSmoothing);
  }

  /**
   * A text with a label behind it.
   *
   * @param given tokens before those of the label
   */
  private record Continued(TokenIds tokens, int given) {
    boolean[] learned() {
      boolean[] learned = new boolean[tokens.ids().length];
      Arrays.fill(learned, given, learned.length, true);
      return learned;
    }
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return new LabelledPairs<Continued>(
        labels().size(),
        text -> {
          List<Continued> out = new ArrayList<>();
          for (int k = 0; k < labels().size(); k++) {
            out.add(continued(tokenizer, maxLength, text, asked.words(k)));
          }
          return out;
        },
        Continued::tokens,
        (builder, row) ->
            builder.addNextTokens(row.tokens().ids(), row.learned(), 0, row.tokens().ids().length),
        () -> EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false));
  }

  /** The text is cut from its end where it is too long: what asks for the label stays. */
  private Continued continued(TextTokenizer tokenizer, int maxLength, String text, String label) {
    String before = template().substring(0, template().indexOf(ZeroShotLabels.PLACE));
    String stripped = before.stripTrailing();
    // A space belongs to the token that follows it.
    String gap = stripped.length() < before.length() ? " " : "";
    String left = text;
    int dropped = 0;
    while (true) {
      String prompt = (left.isEmpty() ? "" : left + "\n") + stripped;
      int[] given = unended(tokenizer, prompt);
      int[] whole = unended(tokenizer, prompt + gap + label);
      int shared = Arrays.mismatch(given, whole);
      int first = Math.max(1, shared < 0 ? given.length : shared);
      if (whole.length <= maxLength) {
        if (first >= whole.length) {
          throw new InputException(
              "the label \"" + label + "\" has no tokens of its own behind '" + stripped + "'");
        }
        return new Continued(new TokenIds(whole, null, null, dropped), first);
      }
      Encoding tokens = tokenizer.encode(left, null);
      int kept = tokens.length() - (whole.length - maxLength) - tokenizer.specialTokens(false);
      if (kept < 1) {
        throw new InputException(
            Term.MAX_LENGTH
                + " is "
                + maxLength
                + ", which leaves no room for a text beside the label \""
                + label
                + '"');
      }
      int end = left.offsetByCodePoints(0, tokens.offsetEnd(kept - 1));
      dropped += whole.length - maxLength;
      left = left.substring(0, end);
    }
  }

  /** Without the end of sequence that some tokenizers put behind every text. */
  private static int[] unended(TextTokenizer tokenizer, String text) {
    int[] ids = tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids();
    boolean ends =
        ids.length > 1
            && tokenizer.vocabulary().eosId().isPresent()
            && ids[ids.length - 1] == tokenizer.vocabulary().eosId().getAsInt();
    return ends ? Arrays.copyOf(ids, ids.length - 1) : ids;
  }

  @Override
  public Dataset firstRows() {
    List<Example> rows = new ArrayList<>();
    for (String text : CONTENT_FREE) {
      rows.add(Example.of(rows.size() + 1, text, null));
    }
    return new Dataset(Path.of("content-free"), rows);
  }

  @Override
  public Calibration fitting(EncodedDataset data) {
    double[] mean = new double[labels().size()];
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (double[] scores : uncalibrated(batch, output)) {
          double[] shares = Logits.softmax(scores);
          for (int k = 0; k < mean.length; k++) {
            mean[k] += shares[k] / CONTENT_FREE.size();
          }
        }
      }

      @Override
      public Task calibrated() {
        return new LikelihoodZeroShot(asked, Arrays.stream(mean).map(Math::log).toArray());
      }
    };
  }

  @Override
  double[][] scores(Batch batch, ModelOutput output) {
    double[][] scores = uncalibrated(batch, output);
    for (double[] row : scores) {
      for (int k = 0; k < row.length; k++) {
        row[k] -= bias[k];
      }
    }
    return scores;
  }

  /** Mean log-likelihoods of the labels' tokens (examples, K). */
  private double[][] uncalibrated(Batch batch, ModelOutput output) {
    float[] losses = output.losses();
    double[][] scores = new double[batch.examples()][labels().size()];
    int at = 0;
    for (int s = 0; s < batch.sequences(); s++) {
      double sum = 0;
      int count = 0;
      for (int row = batch.cuSeqlens()[s]; row < batch.cuSeqlens()[s + 1]; row++) {
        if (batch.labels()[row] != EncodedDataset.IGNORED) {
          sum += losses[at++];
          count++;
        }
      }
      scores[s % scores.length][s / scores.length] = -sum / count;
    }
    return scores;
  }
}
