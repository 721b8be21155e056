package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.SplitSummary;
import dev.attune.data.TokenLengths;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.PreferenceMetrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.PreferenceLoss.Cost;
import dev.attune.text.ChatMessage;
import dev.attune.text.TextTokenizer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Which of two answers to a prompt is better (direct preference optimization, Rafailov et al.,
 * 2023): a language model learns to find the better one more probable, and the other less, than it
 * did before training. What it found then is computed once, before the first step, and stands
 * beside the data; so no second model is held, and a run that goes on compares with the same
 * numbers.
 *
 * <p>An example is two sequences: the prompt with the better answer, the prompt with the other.
 * Answers are tokenised, and cut, as {@link CausalLm} does it; what it leaves is a language model
 * like that one's.
 */
public final class Dpo implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final double BETA = 0.1;

  private final PreferenceLoss loss;
  private final double beta;

  private Dpo(PreferenceLoss loss, double beta) {
    this.loss = loss;
    this.beta = beta;
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.LANGUAGE_MODEL;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return new PreferencePairs(tokenizer, maxLength);
  }

  @Override
  public List<String> notes() {
    return List.of("loss: " + loss.option() + ", beta " + beta);
  }

  @Override
  public boolean comparesWithStart() {
    return true;
  }

  @Override
  public boolean readsBack() {
    return true;
  }

  @Override
  public List<String> stepMetrics() {
    return PreferenceMetrics.NAMES;
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    Batch batch = staging.batch();
    Pairs pairs = new Pairs(batch, labelSmoothing);
    VocabularyLoss.weighted(tape, model, output, staging, pairs::weights);
    staging.putLosses(pairs.values);
    return batch.examples();
  }

  /** The pairs of a batch. */
  private final class Pairs {
    private final Batch batch;
    private final double smoothing;

    /** Losses (P), then each of the step's metrics (P). */
    private final float[] values;

    Pairs(Batch batch, double smoothing) {
      Check.state(batch.references() != null, "preferences without what they are compared with");
      this.batch = batch;
      this.smoothing = smoothing;
      this.values = new float[(1 + PreferenceMetrics.NAMES.size()) * batch.examples()];
    }

    /** See {@link VocabularyLoss.Weighing}. */
    float[] weights(float[] losses) {
      int P = batch.examples();
      double[] logprobs = SequenceLogprobs.of(batch, losses);
      double[] weights = new double[logprobs.length];
      for (int p = 0; p < P; p++) {
        double chosen = logprobs[p] - batch.references()[p];
        double rejected = logprobs[P + p] - batch.references()[P + p];
        Cost cost =
            loss.of(
                chosen,
                rejected,
                SequenceLogprobs.learned(batch, p),
                SequenceLogprobs.learned(batch, P + p),
                beta,
                smoothing);
        values[p] = (float) cost.loss();
        double[] metrics = PreferenceMetrics.of(beta * chosen, beta * rejected);
        for (int i = 0; i < metrics.length; i++) {
          values[(1 + i) * P + p] = (float) metrics[i];
        }
        // A row's loss is what its log-probability lacks.
        weights[p] = -cost.dchosen();
        weights[P + p] = -cost.drejected();
      }
      return SequenceLogprobs.spread(batch, weights, losses.length);
    }
  }

  @Override
  public boolean smoothsLabels() {
    return loss == PreferenceLoss.SIGMOID;
  }

  @Override
  public List<String> metricNames() {
    return PreferenceMetrics.NAMES;
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    PreferenceMetrics metrics = new PreferenceMetrics();
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        int P = batch.examples();
        float[] values = output.lossesAnd(PreferenceMetrics.NAMES.size());
        for (int p = 0; p < P; p++) {
          double[] ofPair = new double[PreferenceMetrics.NAMES.size()];
          for (int i = 0; i < ofPair.length; i++) {
            ofPair[i] = values[(1 + i) * P + p];
          }
          metrics.add(ofPair);
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    throw new UnsupportedOperationException("a language model generates texts");
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    settings.put("preference_loss", loss.option());
    settings.put("dpo_beta", beta);
  }

  @Override
  public boolean isEmpty(Example example) {
    return false;
  }

  @Override
  public String described() {
    return name();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    found.examples(
        Severity.FATAL,
        "no_preference",
        example -> example.rejected() == null,
        n -> many(n, "row has", "rows have") + " no answer with a worse one: chosen and rejected");
    found.examples(
        Severity.FATAL,
        "no_answer",
        example ->
            example.rejected() != null
                && (isEmptyAnswer(example) || isEmptyAnswer(example.rejected())),
        n ->
            many(n, "row has", "rows have")
                + " an answer that is empty, or turns that do not end on the assistant's");
    found.examples(
        Severity.FATAL,
        "equal_answers",
        example -> example.rejected() != null && answer(example).equals(answer(example.rejected())),
        n -> many(n, "row has", "rows have") + " two equal answers: neither is the better one");
    found.examples(
        Severity.WARNING,
        "no_gap",
        example ->
            example.rejected() != null
                && (CausalLm.runsTogether(example) || CausalLm.runsTogether(example.rejected())),
        n ->
            many(n, "row has", "rows have")
                + " an answer that continues the last word of the prompt: they are joined as they"
                + " are, so begin answers with a space or end prompts with a line break");
  }

  /** What an answer says, of either kind. */
  private static Object answer(Example example) {
    return example.messages() == null ? example.completion() : example.messages();
  }

  private static boolean isEmptyAnswer(Example example) {
    if (example.messages() == null) {
      return example.completion() == null || example.completion().isBlank();
    }
    ChatMessage last = example.messages().get(example.messages().size() - 1);
    return !last.isAssistant() || last.saysNothing();
  }

  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    found.rows(
        Severity.FATAL,
        "no_room",
        i -> tokens.supervised().get(i) == 0,
        n ->
            many(n, "row has", "rows have")
                + " a prompt that leaves an answer no token within max length "
                + found.maxLength()
                + ": give a larger "
                + Term.MAX_LENGTH
                + ", or leave the "
                + (n == 1 ? "row" : "rows")
                + " out");
    CausalLm.ends(found, tokens.texts());
  }

  @Override
  public String unit() {
    return "pair";
  }

  @Override
  public String describe(SplitSummary summary) {
    return many(summary.lengths().size() / 2, "pair")
        + " of answers; "
        + many(summary.supervised(), "token")
        + " of them are compared";
  }

  @Override
  public void describe(SplitSummary summary, ObjectNode split) {
    split.put("supervised_tokens", summary.supervised());
    split.put("sequences", summary.lengths().size());
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "dpo";
    }

    @Override
    public List<Term> options() {
      return List.of(Term.LOSS, Term.DPO_BETA);
    }

    @Override
    public String peftType() {
      return CausalLm.TYPE.peftType();
    }

    @Override
    public String pipeline() {
      return CausalLm.TYPE.pipeline();
    }

    @Override
    public String classSuffix() {
      return CausalLm.TYPE.classSuffix();
    }

    @Override
    public boolean hasClass(String architecture) {
      return CausalLm.TYPE.hasClass(architecture);
    }

    @Override
    public TaskType leaves() {
      return CausalLm.TYPE;
    }

    @Override
    public boolean generates() {
      return true;
    }

    @Override
    public boolean readsPreferences() {
      return true;
    }

    @Override
    public boolean hasOwnHead() {
      return false;
    }

    @Override
    public boolean hasLabels() {
      return false;
    }

    /**
     * As TRL has them: rates far below those of other training, and no dropout, under which a model
     * would not be compared with itself. Adapters learn at ten times the rate of a whole model.
     */
    @Override
    public Optional<String> usual(Term option, TaskOptions given) {
      String rank = given.get(Term.LORA_R);
      boolean ofAdapters = rank != null && !rank.equals("0");
      return switch (option) {
        case LEARNING_RATE -> Optional.of(ofAdapters ? "1e-5" : "1e-6");
        case DROPOUT -> Optional.of("0");
        default -> Optional.empty();
      };
    }

    @Override
    public void check(TaskOptions options) {
      Dpo asked = of(options);
      double smoothing = options.number(Term.LABEL_SMOOTHING, 0);
      if (!(smoothing < 0.5)) {
        throw new InputException(
            Term.LABEL_SMOOTHING
                + " is "
                + smoothing
                + "; of preferences it is the share that is taken to be the wrong way round, and"
                + " must be below 0.5");
      }
      if (smoothing != 0 && asked.loss != PreferenceLoss.SIGMOID) {
        throw new InputException(
            Term.LABEL_SMOOTHING
                + " has no meaning for "
                + Term.LOSS.of(asked.loss.option())
                + ", of which there is no smoothed form; leave it out, or give "
                + Term.LOSS.of(PreferenceLoss.SIGMOID.option()));
      }
    }

    private static Dpo of(TaskOptions options) {
      String loss = options.get(Term.LOSS);
      double beta = options.number(Term.DPO_BETA, BETA);
      if (!(beta > 0 && beta <= 1000)) {
        throw new InputException(
            Term.DPO_BETA + " is " + beta + "; it must be above 0 and at most 1000");
      }
      return new Dpo(loss == null ? PreferenceLoss.SIGMOID : PreferenceLoss.named(loss), beta);
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      return of(options);
    }

    /** Its models are those of another type. */
    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return CausalLm.TYPE.open(labels, settings, options);
    }
  }
}
