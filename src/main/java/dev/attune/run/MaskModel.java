package dev.attune.run;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.Check;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.model.Beyond;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.MaskedLm;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A masked language model, opened to fill masks on any number of threads, as Transformers'
 * fill-mask pipeline does: every mask by itself, the others staying masks.
 */
public final class MaskModel implements AutoCloseable {
  private static final int MAX_TOKENS = 2048;
  private static final int MAX_SEQUENCES = 128;
  private static final int SHOWN = 40; // characters

  /** The masks of BERT's family and of RoBERTa's: either is taken for the model's own. */
  private static final List<String> USUAL_MASKS = List.of("[MASK]", "<mask>");

  /** Tokens that are shown where nobody says how many. */
  public static final int TOP_K = 5;

  /**
   * What is wanted.
   *
   * @param topK tokens for each mask, the most probable first
   * @param targets tokens that are scored alone, each a token or a text whose first token counts;
   *     empty: the whole vocabulary
   */
  public record Wanted(int topK, List<String> targets) {
    /** The most probable tokens. */
    public static final Wanted PLAIN = new Wanted(TOP_K, List.of());

    public Wanted {
      targets = List.copyOf(targets);
      Check.input(topK >= 1, "%s is %d; it must be at least 1", RunOption.TOP_K, topK);
    }
  }

  /**
   * A token for a mask.
   *
   * @param score its probability among all tokens
   * @param token its id
   * @param word its text
   * @param sequence the text with it
   */
  public record Fill(double score, int token, String word, String sequence) {}

  private record Text(Encoding encoding, int[] masks) {}

  private final SharedModel<TrainedModel> shared;
  private final TextTokenizer tokenizer;
  private final String mask;
  private final int maskId;

  private MaskModel(SharedModel<TrainedModel> shared) {
    this.shared = shared;
    this.tokenizer = shared.model().tokenizer();
    this.mask = tokenizer.vocabulary().maskToken();
    this.maskId =
        tokenizer.vocabulary().maskId().orElseThrow(() -> MaskedLm.withoutMask(tokenizer));
  }

  /**
   * Opens the model in a folder.
   *
   * @throws InputException if it is none
   */
  public static MaskModel open(Path folder, OpenOptions options, Compute compute) {
    SharedModel<TrainedModel> shared =
        SharedModel.open(
            compute,
            (backend, precision) -> TrainedModel.open(folder, options, backend, precision),
            TrainedModel::close);
    try {
      String task = shared.model().task().name();
      Check.input(
          shared.model().task().type() == MaskedLm.TYPE,
          "%s is no masked language model, but one for %s; %s, with %s, makes one of it",
          folder,
          task,
          Term.TRAINING.of(folder),
          Term.TASK.of(MaskedLm.TYPE.name()));
      return new MaskModel(shared);
    } catch (RuntimeException e) {
      shared.close();
      throw e;
    }
  }

  /** How the model spells a mask. */
  public String maskToken() {
    return mask;
  }

  /**
   * Fills the masks of texts.
   *
   * @param notes hears which targets are no tokens
   * @return of each text, of each of its masks, as many as are wanted
   * @throws InputException naming the text that has no mask, or is too long, or the target that has
   *     no token
   * @throws IllegalStateException after {@link #close} was called
   */
  public List<List<List<Fill>>> fill(List<String> texts, Wanted wanted, Consumer<String> notes) {
    return shared.use(lane -> fill(lane, texts, wanted, notes));
  }

  private List<List<List<Fill>>> fill(
      Lane lane, List<String> texts, Wanted wanted, Consumer<String> notes) {
    int[] targets = targets(wanted.targets(), notes);
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, tokenizer.usesTypeIds());
    List<Text> read = new ArrayList<>();
    for (String text : texts) {
      Text encoded = encoded(text);
      int[] labels = new int[encoded.encoding().length()];
      Arrays.fill(labels, EncodedDataset.IGNORED);
      for (int at : encoded.masks()) {
        labels[at] = maskId;
      }
      int[] typeIds = tokenizer.usesTypeIds() ? encoded.encoding().typeIds() : null;
      builder.add(encoded.encoding().ids(), typeIds, labels);
      read.add(encoded);
    }
    EncodedDataset data = builder.build();
    Data.checkVocabulary(data, shared.model().vocabularySize());
    return filled(lane, data, read, wanted, targets);
  }

  private List<List<List<Fill>>> filled(
      Lane lane, EncodedDataset data, List<Text> texts, Wanted wanted, int[] targets) {
    TrainedModel trained = shared.model();
    List<List<List<Fill>>> out = new ArrayList<>();
    Tape tape = lane.tape();
    try (BatchStream batches =
        BatchStream.evaluationBatches(
            data, MAX_TOKENS, MAX_SEQUENCES, trained.model().positionOffset())) {
      while (batches.hasNext()) {
        InterruptedCallException.check("filling masks");
        Batch batch = batches.next();
        Tensor logits =
            MaskedLm.logits(
                tape,
                trained.model(),
                lane.staging().stage(batch, trained.model().batchRotaries()),
                lane.staging());
        FloatBuffer values =
            lane.window().read(logits.address(), logits.sizeBytes()).asFloatBuffer();
        int cols = (int) logits.cols();
        FiniteOutput.checked(values, (long) masks(batch, texts) * cols);
        int row = 0;
        for (int b = 0; b < batch.sequences(); b++) {
          Text text = texts.get(batch.exampleIndex()[b]);
          List<List<Fill>> ofText = new ArrayList<>();
          for (int mask : text.masks()) {
            double[] probabilities = MaskedLm.probabilities(values, row++, cols);
            ofText.add(best(text, mask, probabilities, wanted.topK(), targets));
          }
          out.add(ofText);
        }
      }
    }
    return out;
  }

  private static int masks(Batch batch, List<Text> texts) {
    int count = 0;
    for (int b = 0; b < batch.sequences(); b++) {
      count += texts.get(batch.exampleIndex()[b]).masks().length;
    }
    return count;
  }

  private Text encoded(String text) {
    String spelled = text;
    for (String usual : USUAL_MASKS) {
      spelled = spelled.replace(usual, mask);
    }
    Encoding encoding = tokenizer.encode(spelled, null);
    int[] ids = encoding.ids();
    int[] masks = new int[ids.length];
    int count = 0;
    for (int t = 0; t < ids.length; t++) {
      if (ids[t] == maskId) {
        masks[count++] = t;
      }
    }
    Check.input(
        count > 0, "there is no mask in '%s'; write %s where a word is to be found", text, mask);
    int most = shared.model().maxLength();
    Check.input(
        ids.length <= most,
        "a text has %d tokens, and %d are taken at most; shorten it%s: '%s…'",
        ids.length,
        most,
        shared.model().model().beyond() == Beyond.NOTHING
            ? ""
            : ", or give " + RunOption.MAX_LENGTH + ", for the model can take more",
        beginning(text));
    return new Text(encoding, Arrays.copyOf(masks, count));
  }

  /** As much of a text as a message shows, in whole characters. */
  private static String beginning(String text) {
    int characters = text.codePointCount(0, text.length());
    return text.substring(0, text.offsetByCodePoints(0, Math.min(SHOWN, characters)));
  }

  /** The ids of targets, each once; null: all. */
  private int[] targets(List<String> words, Consumer<String> notes) {
    if (words.isEmpty()) {
      return null;
    }
    Set<Integer> ids = new LinkedHashSet<>();
    for (String word : words) {
      int id = tokenizer.vocabulary().tokenId(word).orElse(-1);
      if (id < 0) {
        int[] pieces = tokenizer.encodePlain(word);
        Check.input(pieces.length > 0, "the target '%s' has no tokens", word);
        Check.input(
            tokenizer.vocabulary().unknownId().stream()
                .noneMatch(unknown -> Arrays.stream(pieces).anyMatch(piece -> piece == unknown)),
            "the model's vocabulary has no token for the target '%s', which it reads as '%s'; leave"
                + " it out",
            word,
            tokenizer.decode(pieces, false));
        id = pieces[0];
        notes.accept(
            "the target '"
                + word
                + "' is no token; its first one stands for it: '"
                + tokenizer.decode(new int[] {id}, false)
                + "'");
      }
      int known = shared.model().vocabularySize();
      Check.input(
          id < known,
          "the target '%s' is token %d, and the model knows tokens 0 to %d alone; leave it out",
          word,
          id,
          known - 1);
      ids.add(id);
    }
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }

  private List<Fill> best(Text text, int mask, double[] probabilities, int topK, int[] targets) {
    int[] candidates = targets;
    if (candidates == null) {
      candidates = new int[probabilities.length];
      Arrays.setAll(candidates, id -> id);
    }
    int[] ids =
        Arrays.stream(candidates)
            .boxed()
            .sorted((a, b) -> Double.compare(probabilities[b], probabilities[a]))
            .limit(topK)
            .mapToInt(Integer::intValue)
            .toArray();
    List<Fill> fills = new ArrayList<>();
    for (int id : ids) {
      int[] tokens = text.encoding().ids().clone();
      tokens[mask] = id;
      // Where other masks stand, decoding without special tokens would lose them.
      String sequence = tokenizer.decodeClean(tokens, text.masks().length == 1);
      String token = tokenizer.decodeClean(new int[] {id}, false);
      fills.add(new Fill(probabilities[id], id, token, sequence));
    }
    return fills;
  }

  @Override
  public void close() {
    shared.close();
  }
}
