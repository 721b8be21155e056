package dev.attune.model;

import dev.attune.ops.Projection;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;
import java.util.Optional;

/** A transformer with a head. Closing it frees its parameters. */
public interface Model extends AutoCloseable {
  HeadKind head();

  /** K: of the head; V of a language model, and 0 without a head. */
  int outputs();

  /** C. */
  int width();

  /** The longest sequence its positions allow, special tokens included. */
  int maxLength();

  /** The longest sequence that config.json speaks of. */
  int statedLength();

  /** What positions longer sequences have than config.json speaks of. */
  Beyond beyond();

  /**
   * Makes longer sequences possible, where they have positions: {@link #beyond}.
   *
   * @return whether sequences of this length can be read now
   */
  boolean reach(int length);

  /** What is added to a token's place in its sequence to find its row of the position table. */
  int positionOffset();

  /**
   * Rotary positions that depend on how long a text is: each batch brings a table of each, a row
   * for each of its rows ({@link Inputs#rotaryTables}), and its positions are the numbers of the
   * rows. Empty: the model has what it needs.
   */
  List<Rotary> batchRotaries();

  Parameters parameters();

  /** Prefix of the body's tensor names, absent in folders that hold a body alone: "bert.". */
  String bodyPrefix();

  /** Standard deviation of new weights (initializer_range). */
  float initializerRange();

  /** Whether a tensor belongs to the head, which a pretrained folder may lack. */
  boolean isHead(String tensorName);

  /** The class name that Transformers loads this with. */
  String architecture();

  /**
   * Runs the model.
   *
   * @return what {@link HeadKind} says: logits or vectors f32, or of a language model the last
   *     hidden states (N,C), whose product with {@link #vocabulary}, behind {@link
   *     #beforeVocabulary}, is never held whole
   */
  Tensor forward(Tape tape, Inputs inputs);

  /**
   * The part of {@link #forward} that treats every row alike, whosever head follows: all layers
   * that each row of the output depends on through all rows, but for the last where the head reads
   * few of them.
   *
   * @return what {@link #upper} goes on from: (N,C) each
   */
  Tensor[] lower(Tape tape, Inputs inputs);

  /** The rest of {@link #forward}. */
  Tensor upper(Tape tape, Tensor[] lower, Inputs inputs);

  /** Whether {@link #lower} can run for the batches of several jobs at a time. */
  boolean canShareLayers();

  /** The name of a tensor or a module in the class of Transformers: {@link #architecture}. */
  default String savedName(String name) {
    return name;
  }

  /** Another name under which folders hold a tensor, or the same: one that two modules share. */
  default String sharedName(String tensorName) {
    return tensorName;
  }

  /** How a folder of the model calls a tensor, where that is not its name here and in adapters. */
  default String storedName(String tensorName) {
    return tensorName;
  }

  /** Where a folder of the program that made the model first has a tensor; empty: as here. */
  default Optional<Names.Share> originalShare(String tensorName) {
    return Optional.empty();
  }

  /**
   * What a language model's last product reads of last hidden states: these themselves, or what the
   * head of a masked one makes of them.
   *
   * @param rows (M,C)
   * @return (M,C), or (M,E) where embeddings are narrower
   */
  default Tensor beforeVocabulary(Tape tape, Tensor rows) {
    return rows;
  }

  /** A masked language model beside this one, which writes what it reads; null: there is none. */
  default Model generator() {
    return null;
  }

  /** The last product of a language model, by a weight (V,C) or (V,E); null for other heads. */
  default Projection vocabulary() {
    return null;
  }

  /**
   * Whether a language model's last product has a weight of its own though its config says that it
   * shares the word embedding.
   */
  default boolean partsVocabulary() {
    return false;
  }

  /** Name of the word embedding's module. */
  String wordEmbedding();

  @Override
  void close();
}
