package dev.attune.model.qwen;

import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.llama.Llama;

/**
 * Qwen2 (Yang et al., 2024) and Qwen3 (Yang et al., 2025), dense models, as in Transformers'
 * modeling_qwen2.py and modeling_qwen3.py.
 */
public final class Qwen {
  private Qwen() {}

  /** Reads config.json of a model of type "qwen2": Llama with biases on query, key and value. */
  public static Family family2(FamilyConfig config) {
    config.only("use_mrope", false).only("attention_bias", true).only("mlp_bias", false);
    Llama.Defaults absent = new Llama.Defaults(151_936, 22_016, 32_768, 32, 0);
    return Llama.family(
        config, absent, attention -> attention.biases(true, false), false, windows(config));
  }

  /** Reads config.json of a model of type "qwen3": Llama with normalized heads. */
  public static Family family3(FamilyConfig config) {
    config.only("mlp_bias", false);
    boolean bias = config.flag("attention_bias", false);
    Llama.Defaults absent = new Llama.Defaults(151_936, 22_016, 32_768, 32, 128);
    return Llama.family(
        config,
        absent,
        attention -> attention.biases(bias, bias).normalizedHeads(),
        false,
        windows(config));
  }

  /** Layers with a window as layer_types says, or from max_window_layers on. */
  private static int[] windows(FamilyConfig config) {
    int layers = Llama.layers(config);
    boolean[] sliding = config.slidingLayers(layers);
    int firstSliding =
        config.integer("max_window_layers", 28, Integer.MIN_VALUE, Integer.MAX_VALUE);
    int window = config.orNull("sliding_window").reach("sliding_window", 4096);
    int[] windows = new int[layers];
    if (!config.flag("use_sliding_window", false) || config.isNull("sliding_window")) {
      return windows;
    }
    for (int layer = 0; layer < layers; layer++) {
      boolean limited = sliding == null ? layer >= firstSliding : sliding[layer];
      windows[layer] = limited ? window : 0;
    }
    return windows;
  }
}
