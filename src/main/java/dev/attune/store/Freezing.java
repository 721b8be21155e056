package dev.attune.store;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Set;

/**
 * Parts of a model that keep their weights, in f32, while the rest of it is trained.
 *
 * @param embeddings whether the embeddings do
 * @param firstLayers so many layers from the embeddings on, and these
 * @param layers single layers, counted from 0
 * @param base all but the head
 */
public record Freezing(boolean embeddings, int firstLayers, Set<Integer> layers, boolean base) {
  /** All of a model is trained. */
  public static final Freezing NOTHING = new Freezing(false, 0, Set.of(), false);

  public Freezing {
    layers = Set.copyOf(layers);
    if (firstLayers < 0) {
      throw new InputException(
          Term.FREEZE_LAYERS + " is " + firstLayers + "; it must be at least 0");
    }
  }

  /** Whether a parameter there keeps its weights. */
  boolean covers(Depth depth) {
    boolean isBelow =
        depth.isOfEmbeddings()
            ? embeddings || firstLayers > 0
            : depth.isOfLayer() && (depth.layer() < firstLayers || layers.contains(depth.layer()));
    return isBelow || base && !depth.isHead();
  }

  /** Refuses layers that a model of so many does not have. */
  public void check(int layersOfModel) {
    if (firstLayers > layersOfModel) {
      throw new InputException(
          Term.FREEZE_LAYERS
              + " is "
              + firstLayers
              + "; this model has "
              + has(layersOfModel)
              + ": give 0 to "
              + layersOfModel);
    }
    int last = layers.stream().mapToInt(Integer::intValue).max().orElse(-1);
    if (last >= layersOfModel) {
      throw new InputException(
          Term.FREEZE
              + " names layer "
              + last
              + "; this model has "
              + has(layersOfModel)
              + ", of which "
              + Term.FREEZE.of("layers.0-" + (layersOfModel - 1))
              + " are all");
    }
  }

  private static String has(int layers) {
    return layers == 1 ? "1 layer (number 0)" : layers + " layers (0 to " + (layers - 1) + ")";
  }
}
