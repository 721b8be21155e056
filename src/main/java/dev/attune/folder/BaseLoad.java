package dev.attune.folder;

import dev.attune.store.LoraConfig;
import java.util.Set;

/**
 * How a base model's weights are loaded.
 *
 * @param seed of new weights
 * @param keepsHead false draws the head's last product anew even where the folder has one that
 *     fits: it is another task's, or its outputs mean other things
 * @param lora the adapters that stand on it, which may change it; or null
 * @param replaced tensors that an adapter brings: the folder may lack them, or have others
 * @param rows of tokens that the folder's vocabulary lacks; null: none
 */
public record BaseLoad(
    long seed, boolean keepsHead, LoraConfig lora, Set<String> replaced, AddedRows rows) {

  /** A model by itself. */
  public static BaseLoad of(long seed) {
    return new BaseLoad(seed, true, null, Set.of(), null);
  }
}
