package dev.attune.model;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import java.util.List;

/**
 * What a transformer is made of: the switches of one block and of what stands before and behind the
 * stack. A family reads them from its config.json and names them; what it does not name is off.
 *
 * <p>Factors on embeddings, scores or logits belong here too: that on attention's scores is {@link
 * Attention#scale}, unless a layer has its own.
 */
public final class TransformerConfig {
  /** Of the heads together, at most. */
  private static final int MOST_WIDTH = 1 << 24;

  /** Weights at most: a trillion. */
  private static final long MOST_WEIGHTS = 1L << 40;

  /**
   * Attention of every layer.
   *
   * @param heads H
   * @param keyValueHeads Hkv
   * @param headSize D
   * @param isCausal whether a row sees only itself and the rows before it
   * @param bias of query, key and value
   * @param outBias of the product after
   * @param normalizesHeads whether query and key heads are normalized (Dehghani et al., 2023)
   * @param dropout on probabilities
   * @param outDropout on what is added to the stream
   */
  public record Attention(
      int heads,
      int keyValueHeads,
      int headSize,
      boolean isCausal,
      boolean bias,
      boolean outBias,
      boolean normalizesHeads,
      float dropout,
      float outDropout) {
    public Attention {
      if (heads % keyValueHeads != 0) {
        throw new InputException(
            "config.json: 'num_attention_heads' is "
                + heads
                + ", which is not a multiple of 'num_key_value_heads', "
                + keyValueHeads);
      }
      if ((long) heads * headSize > MOST_WIDTH) {
        throw new InputException(
            "config.json: 'num_attention_heads' is "
                + heads
                + " and 'head_dim' "
                + headSize
                + "; together they may be at most "
                + MOST_WIDTH
                + " wide");
      }
    }

    /** Every row sees its whole sequence. */
    public static Attention bidirectional(int heads, int headSize) {
      return new Attention(heads, heads, headSize, false, false, false, false, 0f, 0f);
    }

    /** Every row sees itself and the rows before it. */
    public static Attention causal(int heads, int headSize) {
      return new Attention(heads, heads, headSize, true, false, false, false, 0f, 0f);
    }

    /** With fewer key and value heads than query heads (Ainslie et al., 2023). */
    public Attention keyValueHeads(int count) {
      return new Attention(
          heads, count, headSize, isCausal, bias, outBias, normalizesHeads, dropout, outDropout);
    }

    /** With biases on query, key and value, and on the product after. */
    public Attention biases(boolean queryKeyValue, boolean out) {
      return new Attention(
          heads,
          keyValueHeads,
          headSize,
          isCausal,
          queryKeyValue,
          out,
          normalizesHeads,
          dropout,
          outDropout);
    }

    /** With normalized query and key heads. */
    public Attention normalizedHeads() {
      return new Attention(
          heads, keyValueHeads, headSize, isCausal, bias, outBias, true, dropout, outDropout);
    }

    /** With dropout on probabilities, and on what is added to the stream. */
    public Attention dropouts(float probabilities, float out) {
      return new Attention(
          heads,
          keyValueHeads,
          headSize,
          isCausal,
          bias,
          outBias,
          normalizesHeads,
          probabilities,
          out);
    }

    /** Of the scores. */
    public float scale() {
      return (float) (1 / Math.sqrt(headSize));
    }
  }

  /**
   * The feed-forward part of every layer.
   *
   * @param width F
   * @param isGated whether a gate multiplies the hidden values (Shazeer, 2020)
   * @param bias of all its products
   * @param outDropout on what is added to the stream
   */
  public record FeedForward(
      int width, Activation activation, boolean isGated, boolean bias, float outDropout) {
    /** {@code act(x up) down}. */
    public static FeedForward plain(int width, Activation activation) {
      return new FeedForward(width, activation, false, false, 0f);
    }

    /** {@code (act(x gate) .* (x up)) down}. */
    public static FeedForward gated(int width, Activation activation) {
      return new FeedForward(width, activation, true, false, 0f);
    }

    /** With biases. */
    public FeedForward bias(boolean has) {
      return new FeedForward(width, activation, isGated, has, outDropout);
    }

    /** With dropout on what is added to the stream. */
    public FeedForward dropout(float probability) {
      return new FeedForward(width, activation, isGated, bias, probability);
    }
  }

  /** Where the norms of a layer stand. */
  public enum Place {
    /** Before each sub-layer, and behind the last layer: the stream itself is never normalized. */
    BEFORE,
    /** On the stream after each sub-layer (Vaswani et al., 2017). */
    AFTER,
    /** Before each sub-layer, and on what it adds to the stream. */
    BOTH
  }

  /**
   * The norms.
   *
   * @param isRms root mean square norm instead of layer norm
   * @param bias whether layer norms have one
   * @param eps added to the variance or the mean square
   */
  public record Norms(Place place, boolean isRms, boolean bias, float eps) {
    /** Layer norms (Ba et al., 2016), with biases. */
    public static Norms layerNorm(Place place, float eps) {
      return new Norms(place, false, true, eps);
    }

    /** Root mean square norms (Zhang and Sennrich, 2019). */
    public static Norms rms(Place place, float eps) {
      return new Norms(place, true, false, eps);
    }

    /** With biases, or without. */
    public Norms bias(boolean has) {
      return new Norms(place, isRms, has, eps);
    }

    /** Whether sub-layers have a normalized input of their own. */
    public boolean before() {
      return place != Place.AFTER;
    }

    /** Whether what sub-layers give is normalized. */
    public boolean after() {
      return place != Place.BEFORE;
    }
  }

  /**
   * What differs from layer to layer.
   *
   * @param label stands in the names of its tensors; layers of one label share their parameters
   * @param window how many rows a row sees, itself included; 0: all. Bidirectional attention sees
   *     as many to either side
   * @param rotary how query and key heads turn; null: they do not
   * @param skipsFirstNorm whether attention reads the stream as it is, though norms stand before
   * @param scoreScale factor of the scores; null: that of the heads' size
   */
  public record Layer(
      String label, int window, Rotary rotary, boolean skipsFirstNorm, Float scoreScale) {
    /** Sees all, turns nothing. */
    public static Layer named(Object label) {
      return new Layer(label.toString(), 0, null, false, null);
    }

    /** With a limit to what it sees. */
    public Layer window(int rows) {
      return new Layer(label, rows, rotary, skipsFirstNorm, scoreScale);
    }

    /** With rotary positions. */
    public Layer rotary(Rotary positions) {
      return new Layer(label, window, positions, skipsFirstNorm, scoreScale);
    }

    /** Without the norm before attention. */
    public Layer withoutFirstNorm() {
      return new Layer(label, window, rotary, true, scoreScale);
    }

    /** With a factor of its own on the scores. */
    public Layer scoreScale(double factor) {
      return new Layer(label, window, rotary, skipsFirstNorm, (float) factor);
    }
  }

  private int vocabularySize;
  private int width;
  private int maxLength;
  private Embeddings embeddings;
  private Attention attention;
  private FeedForward feedForward;
  private Norms norms;
  private List<Layer> layers = List.of();
  private RelativePositions relative;
  private DisentangledPositions disentangled;
  private boolean parallel;
  private boolean tied;
  private float initializerRange = 0.02f;

  private TransformerConfig() {}

  /**
   * Begins a config.
   *
   * @param vocabularySize V
   * @param width C
   * @param maxLength of a sequence
   */
  public static Builder of(int vocabularySize, int width, int maxLength) {
    TransformerConfig config = new TransformerConfig();
    config.vocabularySize = vocabularySize;
    config.width = width;
    config.maxLength = maxLength;
    config.embeddings = Embeddings.ofWidth(width);
    return new Builder(config);
  }

  /** Names the parts; {@link #build} checks that they fit. */
  public static final class Builder {
    private final TransformerConfig config;

    private Builder(TransformerConfig config) {
      this.config = config;
    }

    public Builder embeddings(Embeddings embeddings) {
      config.embeddings = embeddings;
      return this;
    }

    public Builder attention(Attention attention) {
      config.attention = attention;
      return this;
    }

    public Builder feedForward(FeedForward feedForward) {
      config.feedForward = feedForward;
      return this;
    }

    public Builder norms(Norms norms) {
      config.norms = norms;
      return this;
    }

    /** In the order in which they run. */
    public Builder layers(List<Layer> layers) {
      config.layers = List.copyOf(layers);
      return this;
    }

    /** Scores depend on distances. */
    public Builder relative(RelativePositions relative) {
      config.relative = relative;
      return this;
    }

    /** Queries and keys meet rows by distance. */
    public Builder disentangled(DisentangledPositions disentangled) {
      config.disentangled = disentangled;
      return this;
    }

    /** Attention and feed-forward read the same stream (Wang and Komatsuzaki, GPT-J, 2021). */
    public Builder parallel(boolean parallel) {
      config.parallel = parallel;
      return this;
    }

    /** The last product of a language model shares the word embedding. */
    public Builder tied(boolean tied) {
      config.tied = tied;
      return this;
    }

    /** Standard deviation of new weights. */
    public Builder initializerRange(float range) {
      config.initializerRange = range;
      return this;
    }

    /**
     * @throws InputException if what config.json asks for does not fit together
     */
    public TransformerConfig build() {
      TransformerConfig c = config;
      Check.state(
          c.attention != null && c.feedForward != null && c.norms != null && !c.layers.isEmpty(),
          "a transformer needs attention, a feed-forward part, norms and layers");
      Check.state(
          c.embeddings.isProjected() || c.embeddings.width() == c.width,
          "embeddings of another width need a product");
      Check.state(
          !c.parallel || (c.norms.place() == Place.BEFORE && !c.norms.isRms()),
          "parallel branches read layer norms before them");
      Check.state(
          (c.relative == null && c.disentangled == null) || !c.attention.isCausal(),
          "causal attention over a cache knows no distances");
      Check.state(
          c.relative == null || c.disentangled == null,
          "scores get numbers by distance, or meet rows by distance");
      if (c.maxLength < 1) {
        throw new InputException(
            "config.json: a table of "
                + c.embeddings.positions()
                + " positions ('max_position_embeddings') that begins at "
                + c.embeddings.positionOffset()
                + " leaves room for no token");
      }
      if (c.matrices() > MOST_WEIGHTS) {
        throw new InputException(
            String.format(
                "config.json: a vocabulary of %d, a width of %d, %d heads of %d, a feed-forward width"
                    + " of %d and %d layers make %d weights; at most %d are supported",
                c.vocabularySize,
                c.width,
                c.attention.heads(),
                c.attention.headSize(),
                c.feedForward.width(),
                c.layers.size(),
                c.matrices(),
                MOST_WEIGHTS));
      }
      return c;
    }
  }

  /** Numbers in the matrices, of which those of layers that share them count once each. */
  private long matrices() {
    long perLayer =
        2L * width * attention.headSize() * (attention.heads() + (long) attention.keyValueHeads())
            + (feedForward.isGated() ? 3L : 2L) * width * feedForward.width();
    long rows = (long) vocabularySize + embeddings.positions() + embeddings.types();
    return distinctLayers() * perLayer + rows * embeddings.width();
  }

  /** V. */
  public int vocabularySize() {
    return vocabularySize;
  }

  /** C. */
  public int width() {
    return width;
  }

  /** The longest sequence, as config.json says. */
  public int maxLength() {
    return maxLength;
  }

  /** What positions longer sequences have. */
  Beyond beyond() {
    if (embeddings.positions() > 0 || relative != null) {
      return Beyond.NOTHING;
    }
    if (disentangled != null) {
      return Beyond.DISTANCES;
    }
    return layers.stream().allMatch(layer -> layer.rotary() != null)
        ? Beyond.ROTARY
        : Beyond.NOTHING;
  }

  public Embeddings embeddings() {
    return embeddings;
  }

  public Attention attention() {
    return attention;
  }

  public FeedForward feedForward() {
    return feedForward;
  }

  public Norms norms() {
    return norms;
  }

  /** L: layers of weights of their own. */
  public int distinctLayers() {
    return (int) layers().stream().map(Layer::label).distinct().count();
  }

  /** In the order in which they run. */
  public List<Layer> layers() {
    return layers;
  }

  /** How scores depend on distances; null: they do not. */
  public RelativePositions relative() {
    return relative;
  }

  /** How queries and keys meet rows by distance; null: they do not. */
  public DisentangledPositions disentangled() {
    return disentangled;
  }

  /** Factor of a layer's scores. */
  float scoreScale(Layer layer) {
    if (layer.scoreScale() != null) {
      return layer.scoreScale();
    }
    return disentangled == null
        ? attention.scale()
        : (float) (1 / Math.sqrt((double) attention.headSize() * disentangled.terms()));
  }

  /** Whether attention and feed-forward read the same stream. */
  boolean isParallel() {
    return parallel;
  }

  /** Whether the last product of a language model shares the word embedding. */
  boolean isTied() {
    return tied;
  }

  /** Standard deviation of new weights. */
  public float initializerRange() {
    return initializerRange;
  }
}
