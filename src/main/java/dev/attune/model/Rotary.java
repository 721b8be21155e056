package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.util.Set;
import java.util.TreeSet;

/**
 * Rotary position embedding (Su et al., 2021): how fast each pair of a head's elements turns, as in
 * Transformers' modeling_rope_utils.py.
 *
 * @param size elements of a head that rotate
 * @param frequencies (size / 2) radians per position
 */
public record Rotary(int size, float[] frequencies) {
  private static final Set<String> KEYS =
      Set.of(
          "rope_theta",
          "rope_type",
          "type",
          "partial_rotary_factor",
          "factor",
          "low_freq_factor",
          "high_freq_factor",
          "original_max_position_embeddings");

  /**
   * What a family's config says where it is silent.
   *
   * @param theta base of the frequencies
   * @param thetaKey where it stands beside the parameters: "rope_theta"
   * @param share of a head's elements that turns, or NaN where the family turns them all, whatever
   *     partial_rotary_factor says
   * @param shareKey where the share stands beside the parameters
   */
  public record Defaults(double theta, String thetaKey, double share, String shareKey) {
    /** As Llama and its relatives have it. */
    public static final Defaults LLAMA = new Defaults(10_000, "rope_theta", Double.NaN, null);
  }

  /**
   * Reads rope_parameters, or the older rope_scaling, which wins over them in Transformers too, and
   * the keys beside them.
   *
   * @param headSize D
   * @param positions the longest sequence
   */
  public static Rotary fromConfig(
      FamilyConfig config, int headSize, int positions, Defaults defaults) {
    JsonNode parameters = config.value("rope_parameters");
    JsonNode scaling = config.value("rope_scaling");
    if (scaling != null && !scaling.isEmpty()) {
      parameters = scaling;
    }
    double theta = beside(config, defaults.thetaKey, defaults.theta);
    double share =
        defaults.shareKey == null ? Double.NaN : beside(config, defaults.shareKey, defaults.share);
    JsonNode original = config.value("original_max_position_embeddings");
    int context =
        original == null ? positions : config.positive("original_max_position_embeddings", 1);
    JsonNode partial = config.value("partial_rotary_factor");
    if (!Double.isNaN(share) && partial != null) {
      share = partial.asDouble(share);
    }
    return of(parameters, headSize, theta, share, context);
  }

  private static double beside(FamilyConfig config, String key, double otherwise) {
    JsonNode value = config.value(key);
    return value == null ? otherwise : positive(key, value);
  }

  /**
   * Reads one object of parameters.
   *
   * @param parameters null: there are none
   * @param theta where they do not say
   * @param share where they do not say; NaN: all of a head turns, whatever they say
   * @param context "original_max_position_embeddings" where they do not say
   */
  public static Rotary of(
      JsonNode parameters, int headSize, double theta, double share, int context) {
    JsonNode p = parameters == null ? MissingNode.getInstance() : parameters;
    p.fieldNames()
        .forEachRemaining(
            key -> {
              if (!KEYS.contains(key) && p.hasNonNull(key)) {
                throw new InputException(
                    "config.json: '"
                        + key
                        + "': "
                        + p.get(key)
                        + " of the rope parameters is not supported; known are "
                        + String.join(", ", new TreeSet<>(KEYS)));
              }
            });
    double base = p.hasNonNull("rope_theta") ? positive("rope_theta", p.get("rope_theta")) : theta;
    double turning =
        Double.isNaN(share)
            ? 1
            : p.hasNonNull("partial_rotary_factor")
                ? positive("partial_rotary_factor", p.get("partial_rotary_factor"))
                : share;
    int size = (int) (headSize * turning);
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
      frequencies[i] = Math.pow(base, -2.0 * i / size);
    }
    String type = p.path("rope_type").asText(p.path("type").asText("default"));
    switch (type) {
      case "default" -> {}
      case "linear" -> {
        double factor = required(p, "factor");
        for (int i = 0; i < frequencies.length; i++) {
          frequencies[i] /= factor;
        }
      }
      case "llama3" -> stretch(frequencies, p, context);
      default ->
          throw new InputException(
              "config.json: rope type '"
                  + type
                  + "' is not supported; supported are default, linear and llama3");
    }
    if (Double.isNaN(share)
        && !type.equals("default")
        && p.path("partial_rotary_factor").asDouble(1) != 1) {
      throw new InputException(
          "config.json: 'partial_rotary_factor' with rope type '" + type + "' is not supported");
    }
    float[] rounded = new float[frequencies.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = (float) frequencies[i];
    }
    return new Rotary(size, rounded);
  }

  /** Llama 3.1: slow frequencies are divided by the factor, fast ones kept, the rest blended. */
  private static void stretch(double[] frequencies, JsonNode scaling, int positions) {
    double factor = required(scaling, "factor");
    double low = required(scaling, "low_freq_factor");
    double high = required(scaling, "high_freq_factor");
    double context =
        scaling.hasNonNull("original_max_position_embeddings")
            ? required(scaling, "original_max_position_embeddings")
            : positions;
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

  private static double required(JsonNode scaling, String key) {
    return positive(key, scaling.get(key));
  }

  private static double positive(String key, JsonNode value) {
    if (value == null || !value.isNumber() || !(value.doubleValue() > 0)) {
      throw new InputException(
          "config.json: '"
              + key
              + "' of the rotary positions is "
              + value
              + "; a number above 0 is needed");
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
