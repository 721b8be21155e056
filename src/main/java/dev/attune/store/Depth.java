package dev.attune.store;

/**
 * Where in a model a parameter stands: parts of it can be kept as they are ({@link Freezing}), or
 * learn more slowly the deeper they lie.
 *
 * @param level 0: of the embeddings; l + 1: of layer l; layers + 1: of what stands on the layers
 * @param layers L: how many sets of layers' weights there are; layers may share one
 * @param isHead whether it is outside the base model
 */
public record Depth(int level, int layers, boolean isHead) {
  /** Of parameters that stand in no model. */
  static final Depth NOWHERE = new Depth(1, 0, false);

  /** Of the embeddings of so many layers. */
  public static Depth ofEmbeddings(int layers) {
    return new Depth(0, layers, false);
  }

  /** Of a layer, counted from 0. */
  public static Depth ofLayer(int layer, int layers) {
    return new Depth(layer + 1, layers, false);
  }

  /** Of what stands on the layers. */
  public static Depth above(int layers, boolean isHead) {
    return new Depth(layers + 1, layers, isHead);
  }

  /** Whether it is of the embeddings. */
  public boolean isOfEmbeddings() {
    return level == 0;
  }

  /** Whether it is of a layer, which {@link #layer} then tells. */
  boolean isOfLayer() {
    return level > 0 && level <= layers;
  }

  int layer() {
    return level - 1;
  }

  /** Levels between it and what stands on the layers: 1 of the last layer, L + 1 of embeddings. */
  public int belowTop() {
    return layers + 1 - level;
  }
}
