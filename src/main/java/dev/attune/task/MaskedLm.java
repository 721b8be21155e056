package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Masking;
import dev.attune.batch.RowEncoder;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.LengthFindings;
import dev.attune.data.SplitSummary;
import dev.attune.data.TokenLengths;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SavedSettings;
import dev.attune.model.HeadKind;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.ops.Cast;
import dev.attune.ops.GatherRows;
import dev.attune.ops.Linear;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.BiConsumer;

/**
 * Tokens that were masked: {@code BertForMaskedLM}. A text is learned whole, in sequences of the
 * maximum length; see {@link MaskedTexts}. Which tokens are masked is decided as batches are
 * packed, anew in every epoch, and for evaluations always alike; see {@link Masking}.
 *
 * <p>The shares are those of BERT: 15 % of the tokens, of which 80 % become the mask token and 10 %
 * any token. ModernBERT was pretrained with 30 %. Where words are masked as a whole, all of them
 * become mask tokens, as in Transformers' data collator.
 */
public final class MaskedLm implements VocabularyTask {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final String PROBABILITY = "mlm_probability";
  private static final String MASK_SHARE = "mask_replace_prob";
  private static final String RANDOM_SHARE = "random_replace_prob";
  private static final String WHOLE_WORDS = "whole_word_mask";

  /** Of those that are not said the values depend on the model. */
  private record Asked(
      Double probability, Double maskShare, Double randomShare, boolean wholeWords) {
    Masking.Shares shares(String modelType) {
      double mask = maskShare != null ? maskShare : wholeWords ? 1 : 0.8;
      double any = randomShare != null ? randomShare : Math.min(0.1, 1 - mask);
      double chosen =
          probability != null ? probability : modelType.equals("modernbert") ? 0.3 : 0.15;
      check(Term.MLM_PROBABILITY, chosen, chosen > 0);
      check(Term.MASK_REPLACE_PROB, mask, true);
      check(Term.RANDOM_REPLACE_PROB, any, true);
      if (mask + any > 1 + 1e-9) {
        throw new InputException(
            Term.MASK_REPLACE_PROB
                + " and "
                + Term.RANDOM_REPLACE_PROB
                + " are "
                + mask
                + " and "
                + any
                + "; together they may be 1 at most");
      }
      return new Masking.Shares(chosen, mask, any);
    }

    private static void check(Term option, double value, boolean positive) {
      if (!(value >= 0 && value <= 1 && positive)) {
        throw new InputException(
            option
                + " is "
                + value
                + "; it must be "
                + (option == Term.MLM_PROBABILITY ? "above 0" : "at least 0")
                + " and at most 1");
      }
    }
  }

  private final Asked asked;
  private final Masking.Shares shares;
  private final long seed;

  private MaskedLm(Asked asked, String modelType, long seed) {
    this.asked = asked;
    this.shares = asked.shares(modelType);
    this.seed = seed;
  }

  /**
   * Masking with BERT's shares.
   *
   * @param seed of the masks of training
   */
  public MaskedLm(long seed) {
    this(new Asked(null, null, null, false), "", seed);
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.MASKED_LANGUAGE_MODEL;
  }

  @Override
  public Task on(ModelFolder folder) {
    return new MaskedLm(asked, folder.config().path("model_type").asText(), seed);
  }

  @Override
  public List<String> notes() {
    return List.of(
        String.format(
            Locale.ROOT,
            "%s are masked anew in every epoch: %s of them, of which %s become the mask token and"
                + " %s any other",
            asked.wholeWords() ? "whole words" : "tokens",
            percent(shares.probability()),
            percent(shares.maskShare()),
            percent(shares.randomShare())));
  }

  private static String percent(double share) {
    String digits = String.format(Locale.ROOT, "%.2f", 100 * share);
    return digits.replaceFirst("\\.?0+$", "") + " %";
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    OptionalInt mask = tokenizer.vocabulary().maskId();
    if (mask.isEmpty()) {
      throw withoutMask(tokenizer);
    }
    int id = mask.getAsInt();
    int vocabulary = tokenizer.vocabulary().size();
    return new MaskedTexts(
        tokenizer,
        maxLength,
        asked.wholeWords(),
        inner ->
            purpose == Purpose.TRAINING
                ? Masking.training(shares, id, vocabulary, seed, inner)
                : Masking.evaluation(shares, id, vocabulary, inner));
  }

  /** What to say of a tokenizer without mask token. */
  public static InputException withoutMask(TextTokenizer tokenizer) {
    return new InputException(
        tokenizer.folder()
            + ": the tokenizer has no mask token (mask_token of tokenizer_config.json); a masked"
            + " language model needs one");
  }

  /**
   * Runs a model for the logits of the rows that a staged batch has labels for, in their order.
   *
   * @return (M,V) f32; on a device M may be larger than those rows are many
   */
  public static Tensor logits(Tape tape, Model model, Inputs inputs, Staging staging) {
    tape.begin(false);
    Tensor hidden = model.forward(tape, inputs);
    Tensor rows = GatherRows.apply(tape, hidden, staging.learnedRows(), staging.learnedRowCount());
    Tensor last = Cast.apply(tape, model.beforeVocabulary(tape, rows), DType.F32);
    return Linear.apply(tape, last, model.vocabulary());
  }

  /** The probabilities of all tokens, of a row of {@link #logits} on the host. */
  public static double[] probabilities(FloatBuffer logits, int row, int cols) {
    return Logits.softmax(logits, row, cols);
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    throw new UnsupportedOperationException("a masked language model fills masks");
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    settings.put(PROBABILITY, shares.probability());
    settings.put(MASK_SHARE, shares.maskShare());
    settings.put(RANDOM_SHARE, shares.randomShare());
    settings.put(WHOLE_WORDS, asked.wholeWords());
  }

  @Override
  public boolean isEmpty(Example example) {
    return example.text() != null && example.text().isBlank();
  }

  @Override
  public String described() {
    return name();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    found.examples(
        Severity.FATAL,
        "empty_text",
        example -> example.text() == null || isEmpty(example),
        n -> many(n, "row has", "rows have") + " no text");
    found.examples(
        Severity.FATAL,
        "two_texts",
        example -> example.textPair() != null,
        n ->
            many(n, "row has", "rows have")
                + " two texts, of which one can be learned; name it: "
                + Term.COLUMNS.of("text=NAME"));
  }

  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    found.rows(
        Severity.WARNING,
        "unsupervised_rows",
        i -> tokens.supervised().get(i) == 0,
        n -> many(n, "row is", "rows are") + " left out: no token that could be masked");
    if (tokens.texts() != null) {
      LengthFindings.partBorders(found, tokens.texts());
    }
  }

  @Override
  public String unit() {
    return "sequence";
  }

  @Override
  public String describe(SplitSummary summary) {
    return String.format(
        Locale.ROOT,
        "%,d sequences; %,d of %,d tokens may be masked",
        summary.lengths().size(),
        summary.supervised(),
        summary.tokens());
  }

  @Override
  public void describe(SplitSummary summary, ObjectNode split) {
    split.put("maskable_tokens", summary.supervised());
    split.put("sequences", summary.lengths().size());
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "masked-lm";
    }

    @Override
    public List<String> aliases() {
      return List.of("mlm", "fill-mask");
    }

    @Override
    public List<Term> options() {
      return List.of(
          Term.MLM_PROBABILITY,
          Term.MASK_REPLACE_PROB,
          Term.RANDOM_REPLACE_PROB,
          Term.WHOLE_WORD_MASK);
    }

    @Override
    public String peftType() {
      return null;
    }

    @Override
    public String pipeline() {
      return "fill-mask";
    }

    @Override
    public boolean streams() {
      return true;
    }

    @Override
    public String classSuffix() {
      return "ForMaskedLM";
    }

    @Override
    public boolean fillsMasks() {
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

    @Override
    public void check(TaskOptions options) {
      Asked given = asked(options, new SavedSettings(MissingNode.getInstance()));
      boolean hasBoth = given.maskShare() != null && given.randomShare() != null;
      for (Asked each :
          hasBoth
              ? List.of(given)
              : List.of(
                  // What is not given here may be saved with the model.
                  new Asked(given.probability(), given.maskShare(), 0.0, false),
                  new Asked(given.probability(), 0.0, given.randomShare(), false))) {
        each.shares("");
      }
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      String seed = options.get(Term.SEED);
      Asked asked = asked(options, new SavedSettings(MissingNode.getInstance()));
      return new MaskedLm(asked, "", seed == null ? 0 : Long.parseLong(seed.strip()));
    }

    /** What was learned is what evaluation measures, unless it is to measure something else. */
    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new MaskedLm(asked(options, new SavedSettings(settings)), "", 0);
    }

    private static Asked asked(TaskOptions options, SavedSettings saved) {
      return new Asked(
          share(options, Term.MLM_PROBABILITY, saved, PROBABILITY),
          share(options, Term.MASK_REPLACE_PROB, saved, MASK_SHARE),
          share(options, Term.RANDOM_REPLACE_PROB, saved, RANDOM_SHARE),
          options.get(Term.WHOLE_WORD_MASK) == null
              ? saved.flag(WHOLE_WORDS, false)
              : options.flag(Term.WHOLE_WORD_MASK));
    }

    /** Null where neither says one. */
    private static Double share(
        TaskOptions options, Term option, SavedSettings saved, String name) {
      double value = options.number(option, saved.share(name, Double.NaN));
      return Double.isNaN(value) ? null : Double.valueOf(value);
    }
  }
}
