package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.PairLossKind;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ops.InBatchNegatives;
import dev.attune.ops.L2Normalize;
import dev.attune.ops.PairLoss;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A loss on vectors of texts that belong together, as sentence-transformers defines it.
 *
 * @param kind which
 * @param scale of cosines before a softmax
 * @param margin of triplets
 * @param byCosine whether triplets are compared by cosine; else by Euclidean distance
 * @param dims what part of the vectors is learned: as many of their first numbers, the most first;
 *     empty: the whole vectors (the loss called matryoshka where there are several)
 * @param shares weights of the losses of each: one, or of a symmetric loss two equal ones
 */
record EmbeddingLoss(
    Kind kind, float scale, float margin, boolean byCosine, List<Integer> dims, float[] shares) {
  private static final float SCALE = 20;
  private static final float MARGIN = 5;

  /** The losses. */
  enum Kind {
    MULTIPLE_NEGATIVES_RANKING,
    MULTIPLE_NEGATIVES_SYMMETRIC_RANKING,
    COSENT,
    COSINE_SIMILARITY,
    TRIPLET;

    /** {@code multiple-negatives-ranking}. */
    String option() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** What sentence-transformers recommends for data of a form. */
    static Kind recommended(TextGroups.Form form) {
      return form.scored() ? COSENT : MULTIPLE_NEGATIVES_RANKING;
    }

    boolean isRanking() {
      return this == MULTIPLE_NEGATIVES_RANKING || this == MULTIPLE_NEGATIVES_SYMMETRIC_RANKING;
    }

    /** Whether rows of this form can be learned with it. */
    boolean fits(TextGroups.Form form) {
      return switch (this) {
        case MULTIPLE_NEGATIVES_RANKING, MULTIPLE_NEGATIVES_SYMMETRIC_RANKING -> !form.scored();
        case COSENT, COSINE_SIMILARITY -> form.scored();
        case TRIPLET -> !form.scored() && form.columns() == 3;
      };
    }

    /** Whether rows of this form are compared with each other alone, so that one has no loss. */
    boolean comparesRows(TextGroups.Form form) {
      return this == COSENT || isRanking() && form.columns() == 2;
    }

    /** Losses of an example whose mean is its loss. */
    int parts() {
      return this == MULTIPLE_NEGATIVES_SYMMETRIC_RANKING ? 2 : 1;
    }

    private String needs() {
      return switch (this) {
        case MULTIPLE_NEGATIVES_RANKING, MULTIPLE_NEGATIVES_SYMMETRIC_RANKING ->
            "pairs or triplets without a score";
        case COSENT, COSINE_SIMILARITY -> "pairs with a score";
        case TRIPLET -> "triplets: an anchor, a positive and one negative a row";
      };
    }
  }

  /** What options ask for, to learn rows of a form. */
  static EmbeddingLoss of(TaskOptions options, TextGroups.Form form) {
    String named = options.get(Term.LOSS);
    Kind kind = named == null ? Kind.recommended(form) : named(named);
    if (!kind.fits(form)) {
      throw new InputException(
          Term.LOSS.of(kind.option())
              + " needs "
              + kind.needs()
              + "; the rows of the training data are "
              + form);
    }
    return of(options, kind);
  }

  /** Refuses what no rows could make right. */
  static void check(TaskOptions options) {
    String named = options.get(Term.LOSS);
    // Those of unnamed losses, whichever the rows recommend, are alike.
    of(options, named == null ? Kind.MULTIPLE_NEGATIVES_RANKING : named(named));
  }

  private static EmbeddingLoss of(TaskOptions options, Kind kind) {
    refuse(options, Term.LOSS_SCALE, kind.isRanking() || kind == Kind.COSENT, kind);
    refuse(options, Term.MINI_BATCH_SIZE, kind.isRanking() || kind == Kind.COSENT, kind);
    refuse(options, Term.LOSS_MARGIN, kind == Kind.TRIPLET, kind);
    refuse(options, Term.TRIPLET_DISTANCE, kind == Kind.TRIPLET, kind);
    float scale = options.single(Term.LOSS_SCALE, SCALE);
    if (!(scale > 0)) {
      throw new InputException(Term.LOSS_SCALE + " is " + scale + "; it must be above 0");
    }
    String distance = options.get(Term.TRIPLET_DISTANCE);
    if (distance != null && !List.of("euclidean", "cosine").contains(distance)) {
      throw new InputException(
          Term.TRIPLET_DISTANCE + " is '" + distance + "'; allowed are euclidean and cosine");
    }
    List<Integer> dims = dims(options.get(Term.MATRYOSHKA_DIMS));
    return new EmbeddingLoss(
        kind,
        scale,
        options.single(Term.LOSS_MARGIN, MARGIN),
        "cosine".equals(distance),
        dims,
        shares(weights(options.get(Term.MATRYOSHKA_WEIGHTS), dims.size()), kind.parts()));
  }

  private static float[] shares(float[] weights, int parts) {
    float[] shares = new float[weights.length * parts];
    for (int i = 0; i < shares.length; i++) {
      shares[i] = weights[i / parts] / parts;
    }
    return shares;
  }

  private static void refuse(TaskOptions options, Term option, boolean allowed, Kind kind) {
    if (!allowed && options.get(option) != null) {
      throw new InputException(option + " has no meaning for " + Term.LOSS.of(kind.option()));
    }
  }

  static Kind named(String option) {
    for (Kind kind : Kind.values()) {
      if (kind.option().equals(option)) {
        return kind;
      }
    }
    throw new InputException(
        Term.LOSS
            + " is '"
            + option
            + "'; allowed are "
            + Arrays.stream(Kind.values()).map(Kind::option).collect(Collectors.joining(", ")));
  }

  private static List<Integer> dims(String list) {
    if (list == null) {
      return List.of();
    }
    try {
      List<Integer> dims =
          Arrays.stream(list.split(",", -1)).map(String::strip).map(Integer::valueOf).toList();
      if (dims.stream().allMatch(d -> d > 0) && dims.stream().distinct().count() == dims.size()) {
        return dims;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new InputException(
        Term.MATRYOSHKA_DIMS
            + " is '"
            + list
            + "'; a list of different lengths of vectors is needed, such as 384,256,128");
  }

  private static float[] weights(String list, int count) {
    float[] weights = new float[Math.max(1, count)];
    Arrays.fill(weights, 1f);
    if (list == null) {
      return weights;
    }
    String[] parts = list.split(",", -1);
    if (parts.length == count) {
      for (int i = 0; i < count; i++) {
        weights[i] = DecimalText.single(parts[i]);
      }
      if (IntStream.range(0, count).allMatch(i -> weights[i] > 0 && weights[i] < 1e6f)) {
        return weights;
      }
    }
    throw new InputException(
        Term.MATRYOSHKA_WEIGHTS
            + " is '"
            + list
            + "'; as many numbers above 0 are needed as "
            + Term.MATRYOSHKA_DIMS
            + " has, which are "
            + count);
  }

  /** What a model folder says of it: see {@link #describe}. */
  static EmbeddingLoss read(JsonNode settings, TextGroups.Form unstated) {
    JsonNode json = settings.path("loss");
    Map<Term, String> stated = new LinkedHashMap<>();
    stated.put(Term.LOSS, json.path("name").asText(null));
    stated.put(Term.LOSS_SCALE, json.path("scale").asText(null));
    stated.put(Term.LOSS_MARGIN, json.path("margin").asText(null));
    stated.put(Term.TRIPLET_DISTANCE, json.path("distance").asText(null));
    stated.put(Term.MATRYOSHKA_DIMS, json.path("matryoshka_dims").asText(null));
    stated.put(Term.MATRYOSHKA_WEIGHTS, json.path("matryoshka_weights").asText(null));
    String name = stated.get(Term.LOSS);
    if (name == null) {
      return of(TaskOptions.NONE, unstated);
    }
    Kind kind = named(name);
    return of(
        stated::get,
        new TextGroups.Form(
            kind == Kind.TRIPLET ? 3 : 2, kind == Kind.COSENT || kind == Kind.COSINE_SIMILARITY));
  }

  /** States itself in attune.json. */
  void describe(ObjectNode settings) {
    ObjectNode json = settings.putObject("loss").put("name", kind.option());
    if (kind.isRanking() || kind == Kind.COSENT) {
      json.put("scale", scale);
    }
    if (kind == Kind.TRIPLET) {
      json.put("margin", margin).put("distance", byCosine ? "cosine" : "euclidean");
    }
    if (!dims.isEmpty()) {
      json.put(
          "matryoshka_dims", dims.stream().map(String::valueOf).collect(Collectors.joining(",")));
      json.put(
          "matryoshka_weights",
          IntStream.range(0, dims.size())
              .mapToObj(i -> Float.toString(shares[i * kind.parts()] * kind.parts()))
              .collect(Collectors.joining(",")));
    }
  }

  /** In words. */
  String inWords() {
    return kind.option()
        + (dims.isEmpty()
            ? ""
            : ", of vectors cut to "
                + dims.stream().map(String::valueOf).collect(Collectors.joining(", ")));
  }

  /**
   * Leaves the losses of a batch, one an example, in the staging's room and, in training, the
   * gradient of their sum in the vectors.
   *
   * @param vectors (columns B, C) f32, column by column
   * @param normalizes whether the model makes unit vectors of them
   * @return B
   */
  int apply(Tape tape, Tensor vectors, Staging staging, boolean normalizes) {
    int B = staging.examples();
    int parts = kind.parts();
    boolean isSum = shares.length > 1 || shares[0] != 1f;
    long losses = isSum ? tape.allocate((long) shares.length * B * Float.BYTES) : staging.losses();
    for (int i = 0; i < shares.length; i += parts) {
      long D = dims.isEmpty() ? vectors.cols() : dims.get(i / parts);
      long at = losses + (long) i * B * Float.BYTES;
      term(tape, vectors, D, staging, at, normalizes, shares[i]);
    }
    if (isSum) {
      addUp(tape, staging, losses, B);
    }
    return B;
  }

  private void term(
      Tape tape,
      Tensor vectors,
      long D,
      Staging staging,
      long losses,
      boolean normalizes,
      float weight) {
    if (kind.isRanking()) {
      // Each side carries the root of the scale.
      Tensor scaled = L2Normalize.apply(tape, vectors, D, (float) Math.sqrt(scale));
      boolean symmetric = kind == Kind.MULTIPLE_NEGATIVES_SYMMETRIC_RANKING;
      InBatchNegatives.apply(
          tape,
          scaled,
          staging.examples(),
          staging.numbersOfSequences(),
          losses,
          symmetric,
          weight);
      return;
    }
    boolean units = normalizes || !dims.isEmpty() || kind != Kind.TRIPLET || byCosine;
    Tensor compared = units ? L2Normalize.apply(tape, vectors, D, 1f) : vectors;
    PairLossKind of =
        switch (kind) {
          case COSENT -> PairLossKind.RANKING;
          case COSINE_SIMILARITY -> PairLossKind.SQUARED_ERROR;
          default -> byCosine ? PairLossKind.TRIPLET_DOT : PairLossKind.TRIPLET_EUCLIDEAN;
        };
    long targets = of.needsTargets() ? staging.numbers() : 0;
    PairLoss.apply(
        tape, compared, targets, losses, of, kind == Kind.COSENT ? scale : margin, weight);
  }

  /** The sums of the losses of each example, each by its share: a product with one row. */
  private void addUp(Tape tape, Staging staging, long losses, int B) {
    tape.run(
        new LinearCall.BackwardWeight(
            staging.losses(),
            0,
            staging.constants(shares),
            losses,
            shares.length,
            B,
            1,
            false,
            DType.F32));
    tape.free(losses);
  }
}
