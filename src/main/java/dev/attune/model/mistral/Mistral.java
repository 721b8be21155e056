package dev.attune.model.mistral;

import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.llama.Llama;
import java.util.Arrays;

/** Mistral (Jiang et al., 2023), as in Transformers' modeling_mistral.py: Llama with a window. */
public final class Mistral {
  private static final Llama.Defaults ABSENT = new Llama.Defaults(32_000, 14_336, 131_072, 8, 0);

  private Mistral() {}

  /** Reads config.json of a model of type "mistral". */
  public static Family family(FamilyConfig config) {
    config
        .only("attention_bias", false)
        .only("mlp_bias", false)
        .ignore("Transformers' Mistral has one kind of layer and does not read it", "layer_types");
    int[] windows = new int[Llama.layers(config)];
    // Said to be null there is no window; not said, there is one.
    if (!config.isNull("sliding_window")) {
      Arrays.fill(windows, config.reach("sliding_window", 4096));
    }
    return Llama.family(config, ABSENT, attention -> attention, false, windows);
  }
}
