package dev.attune.model.qwen;

import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.model.decoder.ConfigReader;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.llama.Llama;

/** Qwen2 (Yang et al., 2024) and Qwen3 (Yang et al., 2025), dense models. */
public final class Qwen {
  private Qwen() {}

  /** Reads config.json of a model of type "qwen2": Llama with biases on query, key and value. */
  public static DecoderModel.Family family2(JsonNode json) {
    return Llama.family(json, new Llama.Switches("Qwen2", true, false, false, windows(json)));
  }

  /** Reads config.json of a model of type "qwen3": Llama with normalized heads. */
  public static DecoderModel.Family family3(JsonNode json) {
    boolean bias = json.path("attention_bias").asBoolean(false);
    return Llama.family(json, new Llama.Switches("Qwen3", bias, bias, true, windows(json)));
  }

  private static int[] windows(JsonNode json) {
    return ConfigReader.mixedWindows(json, requiredInt(json, "num_hidden_layers"));
  }
}
