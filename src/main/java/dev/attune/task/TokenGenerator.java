package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.core.Count;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostWindow;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.function.IntFunction;

/**
 * A masked language model that writes tokens in the place of those that were masked, each as likely
 * as the model has it: ELECTRA's generator. Its weights stay as they are.
 */
final class TokenGenerator {
  private static final double WORDS = 4294967296.0; // values of a random word

  /** How far below the highest logit no token is ever drawn: less than a random word can tell. */
  private static final double LEAST = 40;

  private final ModelFolder folder;

  private TokenGenerator(ModelFolder folder) {
    this.folder = folder;
  }

  /**
   * The model of a folder.
   *
   * @throws InputException if there is none, or an adapter
   */
  static TokenGenerator in(String path) {
    ModelFolder folder = ModelFolder.open(Path.of(path), null);
    if (folder.isAdapter()) {
      throw new InputException(
          Term.GENERATOR.of(path) + " is an adapter; merge it with its base first");
    }
    return new TokenGenerator(folder);
  }

  /**
   * Refuses a generator whose tokens are not the tokenizer's, or whose texts are shorter.
   *
   * @param maxLength tokens of a sequence at most
   */
  void check(TextTokenizer tokenizer, int maxLength) {
    int most = Families.statedLength(folder.config());
    if (most < maxLength) {
      throw new InputException(
          named()
              + " reads "
              + Count.many(most, "token")
              + " at most, and sequences have up to "
              + maxLength
              + "; give "
              + Term.MAX_LENGTH.of(most));
    }
    try (TextTokenizer own = folder.openTokenizer()) {
      String other = tokenizer.vocabulary().difference(own.vocabulary());
      if (other != null) {
        throw new InputException(
            named()
                + " has another vocabulary than "
                + tokenizer.folder()
                + ": "
                + other
                + "; a generator writes what the model reads, so both need the same tokens");
      }
    }
  }

  private String named() {
    return Term.GENERATOR.of(folder.path());
  }

  /**
   * The model with its weights.
   *
   * @param reader reads what it writes
   */
  Model open(Backend backend, Model reader, int vocabulary) {
    Model model =
        Families.create(backend, folder.config(), HeadKind.MASKED_LANGUAGE_MODEL, 1, null);
    try {
      ModelWeights.Loaded loaded = ModelWeights.load(folder.base(), model, 0);
      if (!loaded.created().isEmpty()) {
        throw new InputException(
            named()
                + " holds no head for masked tokens (missing: "
                + String.join(", ", loaded.created())
                + "); train one with: "
                + Term.TRAINING.of(folder.path())
                + ", with "
                + Term.TASK.of(MaskedLm.TYPE.name()));
      }
      if (model.outputs() > vocabulary) {
        throw new InputException(
            named()
                + " has a vocabulary of "
                + model.outputs()
                + ", the model that reads what it writes one of "
                + vocabulary);
      }
      if (model.positionOffset() != reader.positionOffset() || !model.batchRotaries().isEmpty()) {
        throw new InputException(
            named() + " counts positions otherwise than the model that reads what it writes");
      }
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /**
   * Puts tokens in the place of the masked ones of a batch.
   *
   * @param model which {@link #open} gave
   * @param tape on which nothing is under way
   */
  static void replace(Batch batch, Model model, Tape tape, Staging staging) {
    Tensor logits =
        MaskedLm.logits(tape, model, staging.stage(batch, model.batchRotaries()), staging);
    HostWindow window = new HostWindow(tape.backend());
    long rowBytes = logits.sizeBytes() / logits.rows();
    batch.replaceLearned(
        sampled(
            row -> window.read(logits.address() + row * rowBytes, rowBytes).asFloatBuffer(),
            (int) logits.cols(),
            batch));
  }

  /**
   * A token for each row that has a label, in their order.
   *
   * @param logits (cols) of each of these rows
   */
  static int[] sampled(IntFunction<FloatBuffer> logits, int cols, Batch batch) {
    int[] tokens = new int[batch.supervisedTargets()];
    double[] weights = new double[cols];
    int at = 0;
    for (int row = 0; row < batch.rows(); row++) {
      if (batch.labels()[row] != EncodedDataset.IGNORED) {
        FloatBuffer ofRow = FiniteOutput.checked(logits.apply(at), cols);
        tokens[at++] = drawn(ofRow, weights, batch.draws()[row]);
      }
    }
    return tokens;
  }

  /** The token where the sum of the probabilities passes a random number. */
  private static int drawn(FloatBuffer logits, double[] weights, int word) {
    float highest = Float.NEGATIVE_INFINITY;
    for (int k = 0; k < weights.length; k++) {
      highest = Math.max(highest, logits.get(k));
    }
    double sum = 0;
    int last = 0;
    for (int k = 0; k < weights.length; k++) {
      double below = (double) logits.get(k) - highest;
      weights[k] = below < -LEAST ? 0 : StrictMath.exp(below); // the same on every machine
      sum += weights[k];
      last = weights[k] > 0 ? k : last;
    }
    double left = (word & 0xFFFFFFFFL) / WORDS * sum;
    for (int k = 0; k < last; k++) {
      left -= weights[k];
      if (left < 0) {
        return k;
      }
    }
    return last;
  }
}
