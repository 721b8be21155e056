package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Masking;
import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
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
import java.nio.FloatBuffer;
import java.util.List;
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
public final class MaskedLm extends MaskedTask implements VocabularyTask {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final double RANDOM = 0.1;

  private MaskedLm(MaskingOptions asked, String modelType, long seed) {
    super(
        asked,
        asked.shares(
            modelType.equals("modernbert") ? 0.3 : 0.15, asked.wholeWords() ? 1 : 0.8, RANDOM),
        seed);
  }

  /**
   * Masking with BERT's shares.
   *
   * @param seed of the masks of training
   */
  public MaskedLm(long seed) {
    this(MaskingOptions.NONE, "", seed);
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
      return MaskingOptions.TERMS;
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
      MaskingOptions.of(options, SavedSettings.NONE).check();
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      String seed = options.get(Term.SEED);
      return new MaskedLm(
          MaskingOptions.of(options, SavedSettings.NONE),
          "",
          seed == null ? 0 : Long.parseLong(seed.strip()));
    }

    /** What was learned is what evaluation measures, unless it is to measure something else. */
    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new MaskedLm(MaskingOptions.of(options, new SavedSettings(settings)), "", 0);
    }
  }
}
