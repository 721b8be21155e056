package dev.attune.model.decoder;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.nio.FloatBuffer;

/**
 * Rotary position embedding (Su et al., 2021): how fast each pair of a head's elements turns, as in
 * Transformers' modeling_rope_utils.py.
 *
 * @param size elements of a head that rotate
 * @param frequencies (size / 2) radians per position
 */
public record Rotary(int size, float[] frequencies) {
  /**
   * Reads rope_theta, rope_scaling and partial_rotary_factor, or the newer rope_parameters.
   *
   * @param headSize D
   */
  public static Rotary fromConfig(JsonNode config, int headSize) {
    JsonNode scaling = config.path("rope_parameters");
    if (!scaling.isObject()) {
      scaling = config.path("rope_scaling");
    }
    double theta =
        number(scaling, config, "rope_theta", number(config, config, "rotary_emb_base", 10000));
    double share =
        number(scaling, config, "partial_rotary_factor", number(config, config, "rotary_pct", 1));
    int size = (int) (headSize * share);
    if (size < 2 || size % 2 != 0 || size > headSize) {
      throw new InputException(
          "config.json: "
              + size
              + " of "
              + headSize
              + " elements of a head would rotate; an even number is needed");
    }
    double[] frequencies = new double[size / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = Math.pow(theta, -2.0 * i / size);
    }
    String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
    switch (type) {
      case "default" -> {}
      case "linear" -> {
        double factor = required(scaling, "factor");
        for (int i = 0; i < frequencies.length; i++) {
          frequencies[i] /= factor;
        }
      }
      case "llama3" -> stretch(frequencies, scaling);
      default ->
          throw new InputException(
              "config.json: rope type '"
                  + type
                  + "' is not supported; supported are default, linear and llama3");
    }
    float[] rounded = new float[frequencies.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = (float) frequencies[i];
    }
    return new Rotary(size, rounded);
  }

  /** Llama 3.1: slow frequencies are divided by the factor, fast ones kept, the rest blended. */
  private static void stretch(double[] frequencies, JsonNode scaling) {
    double factor = required(scaling, "factor");
    double low = required(scaling, "low_freq_factor");
    double high = required(scaling, "high_freq_factor");
    double context = required(scaling, "original_max_position_embeddings");
    for (int i = 0; i < frequencies.length; i++) {
      double wavelength = 2 * Math.PI / frequencies[i];
      if (wavelength > context / low) {
        frequencies[i] /= factor;
      } else if (wavelength >= context / high) {
        double smooth = (context / wavelength - low) / (high - low);
        frequencies[i] = (1 - smooth) * frequencies[i] / factor + smooth * frequencies[i];
      }
    }
  }

  private static double number(JsonNode first, JsonNode second, String key, double otherwise) {
    JsonNode value = first.hasNonNull(key) ? first.get(key) : second.get(key);
    return value == null || value.isNull() ? otherwise : value.asDouble(otherwise);
  }

  private static double required(JsonNode scaling, String key) {
    JsonNode value = scaling.get(key);
    if (value == null || !value.isNumber() || !(value.doubleValue() > 0)) {
      throw new InputException(
          "config.json: '" + key + "' of the rope scaling is " + value + "; a number is needed");
    }
    return value.doubleValue();
  }

  /** Fills the table's rows from {@code firstPosition} on: (rows, size / 2, 2), cosine and sine. */
  public void fill(int firstPosition, FloatBuffer rows) {
    for (int position = firstPosition; rows.hasRemaining(); position++) {
      for (float frequency : frequencies) {
        double angle = position * frequency; // rounded to f32, as in the reference
        rows.put((float) Math.cos(angle)).put((float) Math.sin(angle));
      }
    }
  }
}
