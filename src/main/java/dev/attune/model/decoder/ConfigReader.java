package dev.attune.model.decoder;

import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.util.Arrays;

/** What the families' config.json files say in the same words. */
public final class ConfigReader {
  private ConfigReader() {}

  /** D: head_dim, or an even share of the width. */
  public static int headSize(JsonNode json) {
    if (json.hasNonNull("head_dim")) {
      return requiredInt(json, "head_dim");
    }
    int width = requiredInt(json, "hidden_size");
    int heads = requiredInt(json, "num_attention_heads");
    if (width % heads != 0) {
      throw new InputException(
          "config.json: the width " + width + " is not a multiple of the " + heads + " heads");
    }
    return width / heads;
  }

  /** Hkv: as many as there are heads where nothing is said. */
  public static int keyValueHeads(JsonNode json) {
    return requiredInt(
        json,
        json.hasNonNull("num_key_value_heads") ? "num_key_value_heads" : "num_attention_heads");
  }

  /** No layer with a window. */
  public static int[] unlimited(int layers) {
    return new int[layers];
  }

  /** Every layer with the same window, if there is one. */
  public static int[] windows(JsonNode json, int layers) {
    int[] windows = new int[layers];
    if (json.hasNonNull("sliding_window")) {
      Arrays.fill(windows, requiredInt(json, "sliding_window"));
    }
    return windows;
  }

  /** Layers with a window as layer_types says, or from max_window_layers on. */
  public static int[] mixedWindows(JsonNode json, int layers) {
    int[] windows = new int[layers];
    if (!json.path("use_sliding_window").asBoolean(false) || !json.hasNonNull("sliding_window")) {
      return windows;
    }
    int window = requiredInt(json, "sliding_window");
    JsonNode types = json.path("layer_types");
    int firstWithWindow = json.path("max_window_layers").asInt(layers);
    for (int layer = 0; layer < layers; layer++) {
      boolean limited =
          types.isArray()
              ? types.path(layer).asText().equals("sliding_attention")
              : layer >= firstWithWindow;
      windows[layer] = limited ? window : 0;
    }
    return windows;
  }
}
