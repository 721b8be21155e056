package dev.attune.model.mistral;

import static dev.attune.model.EncoderConfig.requiredInt;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.model.decoder.ConfigReader;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.llama.Llama;

/** Mistral (Jiang et al., 2023): Llama with a sliding window. */
public final class Mistral {
  private Mistral() {}

  /** Reads config.json of a model of type "mistral". */
  public static DecoderModel.Family family(JsonNode json) {
    int[] windows = ConfigReader.windows(json, requiredInt(json, "num_hidden_layers"));
    return Llama.family(json, new Llama.Switches("Mistral", false, false, false, windows));
  }
}
