package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntFunction;

/**
 * Rotary position embedding (Su et al., 2021): how fast each pair of a head's elements turns, as in
 * Transformers' modeling_rope_utils.py.
 *
 * @param size elements of a head that rotate
 * @param frequencies (size / 2) radians per position
 * @param scale of sines and cosines, and so of queries and keys ("attention factor"); 1: none
 * @param longer what turns texts otherwise that are longer than some length; null: all turn alike
 */
public record Rotary(int size, float[] frequencies, float scale, Longer longer) {
  /**
   * Texts of many tokens, which turn at frequencies of their own from their first position on.
   *
   * @param than the longest text that they are not for
   * @param frequencies (size / 2) radians per position, of a text of so many tokens
   */
  public record Longer(int than, IntFunction<float[]> frequencies) {}

  /** Where keys stand: under the new name or the old one. */
  private static final String OF_PARAMETERS = " of rope_parameters (or rope_scaling)";

  /** With "finetuned", which YaRN's own folders note: Transformers computes the same without. */
  private static final Set<String> KEYS =
      Set.of(
          "rope_theta",
          "rope_type",
          "type",
          "partial_rotary_factor",
          "factor",
          "low_freq_factor",
          "high_freq_factor",
          "attention_factor",
          "beta_fast",
          "beta_slow",
          "mscale",
          "mscale_all_dim",
          "truncate",
          "short_factor",
          "long_factor",
          "original_max_position_embeddings",
          "finetuned");

  /**
   * What a family's config says where it is silent.
   *
   * @param theta base of the frequencies
   * @param thetaKey where it stands beside the parameters: "rope_theta"
   * @param share of a head's elements that turns, or NaN where the family turns them all, whatever
   *     partial_rotary_factor says (but under rope_type proportional)
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
    JsonNode parameters = config.object("rope_parameters");
    JsonNode scaling = config.object("rope_scaling");
    if (scaling != null && !scaling.isEmpty()) {
      parameters = scaling;
    }
    double theta = beside(config, defaults.thetaKey, defaults.theta);
    double share =
        defaults.shareKey == null ? Double.NaN : beside(config, defaults.shareKey, defaults.share);
    JsonNode original = config.value("original_max_position_embeddings");
    Context context =
        new Context(
            positions,
            original == null
                ? OptionalInt.empty()
                : OptionalInt.of(config.reach("original_max_position_embeddings", 1)));
    return of(parameters, headSize, theta, new Share(share, config.value(Share.KEY)), context);
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
   * @param positions the longest sequence
   */
  public static Rotary of(JsonNode parameters, int headSize, double theta, int positions) {
    Context context = new Context(positions, OptionalInt.empty());
    return of(parameters, headSize, theta, new Share(Double.NaN, null), context);
  }

  private static Rotary of(
      JsonNode parameters, int headSize, double theta, Share share, Context context) {
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
                        + OF_PARAMETERS
                        + " is not supported; known are "
                        + String.join(", ", new TreeSet<>(KEYS)));
              }
            });
    String type = p.path("rope_type").asText(p.path("type").asText("default"));
    double base = p.hasNonNull("rope_theta") ? positive("rope_theta", p.get("rope_theta")) : theta;
    boolean isProportional = type.equals("proportional");
    int size = share.turnsAll() || isProportional ? headSize : (int) (headSize * share.of(p));
    if (size < 2 || size % 2 != 0 || size > headSize) {
      throw new InputException(
          "config.json: "
              + size
              + " of "
              + headSize
              + " elements of a head ('head_dim', or 'hidden_size' / 'num_attention_heads') would"
              + " rotate; an even number"
              + " is needed");
    }
    double[] frequencies = new double[size / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = Math.pow(base, -2.0 * i / size);
    }
    float scale = 1;
    Longer longer = null;
    switch (type) {
      case "default" -> {}
      case "dynamic" -> longer = new Longer(context.most, stretching(p, base, size, context.most));
      case "linear" -> {
        double factor = required(p, "factor");
        for (int i = 0; i < frequencies.length; i++) {
          frequencies[i] /= factor;
        }
      }
      case "proportional" -> halt(frequencies, p, share.of(p));
      case "llama3" -> stretch(frequencies, p, context.original(p));
      case "yarn" -> {
        double factor = factor(p, context);
        interpolate(frequencies, p, base, factor, context.original(p));
        scale = (float) yarnScale(p, factor);
      }
      case "longrope" -> {
        float[] slowed = rounded(divided(frequencies, p, "long_factor"));
        longer = new Longer(context.original(p), length -> slowed);
        frequencies = divided(frequencies, p, "short_factor");
        scale = (float) longScale(p, factor(p, context), context.original(p));
      }
      default ->
          throw new InputException(
              "config.json: 'rope_type' '"
                  + type
                  + "'"
                  + OF_PARAMETERS
                  + " is not supported; supported are default, linear, proportional, dynamic, llama3,"
                  + " yarn and longrope");
    }
    if (share.turnsAll() && !type.equals("default") && !isProportional && share.of(p) != 1) {
      throw new InputException(
          "config.json: 'partial_rotary_factor' is "
              + share.of(p)
              + ", which is not supported with rope_type '"
              + type
              + "'"
              + OF_PARAMETERS
              + "; 1 is, for every element of this family's heads turns");
    }
    return new Rotary(size, rounded(frequencies), scale, longer);
  }

  private static float[] rounded(double[] frequencies) {
    float[] rounded = new float[frequencies.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = (float) frequencies[i];
    }
    return rounded;
  }

  /**
   * How much of a head turns.
   *
   * @param otherwise where nothing says so; NaN: the family turns all
   * @param beside what stands beside the parameters, or null
   */
  private record Share(double otherwise, JsonNode beside) {
    static final String KEY = "partial_rotary_factor";

    boolean turnsAll() {
      return Double.isNaN(otherwise);
    }

    /** What the parameters say, or what stands beside them. */
    double of(JsonNode parameters) {
      JsonNode stated = parameters.hasNonNull(KEY) ? parameters.get(KEY) : beside;
      return stated != null ? positive(KEY, stated) : turnsAll() ? 1 : otherwise;
    }
  }

  /**
   * How long texts may be.
   *
   * @param most now ("max_position_embeddings")
   * @param before where config.json states it beside the parameters
   */
  private record Context(int most, OptionalInt before) {
    /** What it was in pretraining; what stands beside the parameters counts first. */
    int original(JsonNode parameters) {
      if (before.isPresent()) {
        return before.getAsInt();
      }
      String key = "original_max_position_embeddings";
      return parameters.hasNonNull(key) ? positiveInteger(key, parameters.get(key)) : most;
    }
  }

  /** The last pairs of a head stand still, the others turn as they do in whole heads. */
  private static void halt(double[] frequencies, JsonNode p, double share) {
    if (share > 1) {
      throw new InputException(
          "config.json: 'partial_rotary_factor' is " + share + "; a number up to 1 is needed");
    }
    double factor = p.hasNonNull("factor") ? required(p, "factor") : 1;
    int turning = (int) (share * frequencies.length);
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = i < turning ? frequencies[i] / factor : 0;
    }
  }

  private static double factor(JsonNode parameters, Context context) {
    return parameters.hasNonNull("factor")
        ? required(parameters, "factor")
        : (double) context.most / context.original(parameters);
  }

  /**
   * YaRN (Peng et al., 2023): elements that turn seldom within the original context are slowed by
   * the factor, those that turn often are kept, the rest blended.
   */
  private static void interpolate(
      double[] frequencies, JsonNode p, double base, double factor, int original) {
    int size = 2 * frequencies.length;
    double low = elementTurning(number(p, "beta_fast", 32), size, base, original);
    double high = elementTurning(number(p, "beta_slow", 1), size, base, original);
    if (flag(p, "truncate", true)) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, size - 1);
    if (low == high) {
      high += 0.001;
    }
    for (int i = 0; i < frequencies.length; i++) {
      double slowed = Math.max(0, Math.min(1, (i - low) / (high - low)));
      frequencies[i] = frequencies[i] / factor * slowed + frequencies[i] * (1 - slowed);
    }
  }

  /** Which element turns so many times within the original context. */
  private static double elementTurning(double times, int size, double base, int original) {
    return size * Math.log(original / (times * 2 * Math.PI)) / (2 * Math.log(base));
  }

  private static double yarnScale(JsonNode p, double factor) {
    if (p.hasNonNull("attention_factor")) {
      return required(p, "attention_factor");
    }
    double scale = number(p, "mscale", 0);
    double all = number(p, "mscale_all_dim", 0);
    return scale != 0 && all != 0
        ? logarithmic(factor, scale) / logarithmic(factor, all)
        : logarithmic(factor, 1);
  }

  private static double logarithmic(double factor, double scale) {
    return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  }

  /** LongRoPE (Ding et al., 2024). */
  private static double longScale(JsonNode p, double factor, int original) {
    if (p.hasNonNull("attention_factor")) {
      return required(p, "attention_factor");
    }
    return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  }

  private static double[] divided(double[] frequencies, JsonNode p, String key) {
    JsonNode factors = p.path(key);
    if (factors.size() != frequencies.length) {
      throw new InputException(
          "config.json: '"
              + key
              + "'"
              + OF_PARAMETERS
              + " has "
              + factors.size()
              + " numbers; "
              + frequencies.length
              + " are needed, one for each pair of elements that rotate");
    }
    double[] divided = new double[frequencies.length];
    for (int i = 0; i < divided.length; i++) {
      divided[i] = frequencies[i] / positive(key, factors.get(i));
    }
    return divided;
  }

  /**
   * "Dynamic NTK": the base grows with the length of the text beyond what the model was made for.
   */
  private static IntFunction<float[]> stretching(JsonNode p, double base, int size, int most) {
    double factor = required(p, "factor");
    if (size == 2) {
      throw new InputException(
          "config.json: one pair of elements of a head would rotate; rope_type 'dynamic'"
              + OF_PARAMETERS
              + " needs two");
    }
    return length -> {
      // Step by step in f32, as in the reference.
      float grown = (float) (factor * length) / most - (float) (factor - 1);
      double stretched = (float) (base * (float) Math.pow(grown, (double) size / (size - 2)));
      float[] frequencies = new float[size / 2];
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = (float) Math.pow(stretched, -2.0 * i / size);
      }
      return frequencies;
    };
  }

  /** A number that may be absent; 0 counts as absent, as in the reference. */
  private static double number(JsonNode p, String key, double ifAbsent) {
    boolean isAbsent = !p.hasNonNull(key) || p.get(key).isNumber() && p.get(key).doubleValue() == 0;
    return isAbsent ? ifAbsent : required(p, key);
  }

  private static boolean flag(JsonNode p, String key, boolean ifAbsent) {
    if (!p.hasNonNull(key)) {
      return ifAbsent;
    }
    if (!p.get(key).isBoolean()) {
      throw new InputException(
          "config.json: '"
              + key
              + "'"
              + OF_PARAMETERS
              + " is "
              + p.get(key)
              + "; true or false is"
              + " needed");
    }
    return p.get(key).booleanValue();
  }

  /** Llama 3.1: slow frequencies are divided by the factor, fast ones kept, the rest blended. */
  private static void stretch(double[] frequencies, JsonNode scaling, int context) {
    double factor = required(scaling, "factor");
    double low = required(scaling, "low_freq_factor");
    double high = required(scaling, "high_freq_factor");
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

  private static double required(JsonNode parameters, String key) {
    return positive(key, parameters.get(key));
  }

  private static double positive(String key, JsonNode value) {
    if (value == null
        || !value.isNumber()
        || !(value.doubleValue() > 0)
        || Double.isInfinite(value.doubleValue())) {
      throw new InputException(
          "config.json: '"
              + key
              + "' of the rotary positions is "
              + value
              + "; a number above 0 is needed");
    }
    return value.doubleValue();
  }

  private static int positiveInteger(String key, JsonNode value) {
    if (!value.isInt() || value.intValue() < 1) {
      throw new InputException(
          "config.json: '"
              + key
              + "'"
              + OF_PARAMETERS
              + " is "
              + value
              + "; a positive integer is needed");
    }
    return value.intValue();
  }

  /** Whether texts turn at frequencies that depend on how long they are. */
  boolean dependsOnLength() {
    return longer != null;
  }

  /**
   * Writes rows of a table: (count, size / 2, 2), cosine and sine.
   *
   * @param length tokens of the text whose positions they are
   */
  public void fill(int length, int firstPosition, int count, FloatBuffer rows) {
    boolean isLong = longer != null && length > longer.than;
    float[] turning = isLong ? longer.frequencies.apply(length) : frequencies;
    for (int position = firstPosition; position < firstPosition + count; position++) {
      for (float frequency : turning) {
        double angle = position * frequency; // rounded to f32, as in the reference
        rows.put((float) Math.cos(angle) * scale).put((float) Math.sin(angle) * scale);
      }
    }
  }
}
