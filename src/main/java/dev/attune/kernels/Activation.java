package dev.attune.kernels;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Activation functions that kernels know. The codes cross the native border. */
public enum Activation {
  NONE(0),
  /** x Φ(x) with the exact error function: "gelu" in Hugging Face configs. */
  GELU(1),
  /** The tanh approximation: "gelu_new", "gelu_pytorch_tanh" and others. */
  GELU_TANH(2),
  TANH(3),
  RELU(4),
  /** x sigmoid(x), also named swish. */
  SILU(5),
  /** x sigmoid(1.702 x). */
  QUICK_GELU(6),
  /** {@link #GELU}, at most 10. */
  GELU_10(7),
  SIGMOID(8),
  /** x tanh(log(1 + e^x)). */
  MISH(9),
  /** The normal distribution of mean 0.707107 and deviation 0.282095, up to x. */
  LAPLACE(10),
  /** x, or 0.01 x below 0. */
  LEAKY_RELU(11),
  /** {@link #RELU}, at most 6. */
  RELU6(12),
  /** The square of {@link #RELU}. */
  RELU_SQUARED(13),
  /** x relu6(x + 3) / 6. */
  HARD_SWISH(14);

  /** Activations by the names that Hugging Face's configs have for them (ACT2FN there). */
  private static final Map<String, Activation> BY_NAME = new LinkedHashMap<>();

  static {
    GELU.called("gelu", "gelu_python");
    GELU_TANH.called(
        "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh");
    QUICK_GELU.called("quick_gelu");
    GELU_10.called("gelu_10");
    RELU.called("relu");
    RELU6.called("relu6");
    RELU_SQUARED.called("relu2");
    LEAKY_RELU.called("leaky_relu");
    SILU.called("silu", "swish");
    HARD_SWISH.called("hardswish");
    MISH.called("mish");
    TANH.called("tanh");
    SIGMOID.called("sigmoid");
    LAPLACE.called("laplace");
    NONE.called("linear");
  }

  private void called(String... names) {
    for (String name : names) {
      BY_NAME.put(name, this);
    }
  }

  private final int code;

  Activation(int code) {
    this.code = code;
  }

  public int code() {
    return code;
  }

  /**
   * Whether products compute it in their epilogue ({@link dev.attune.kernels.calls.LinearCall}).
   * The others, which few models have, are passes of their own: each that is fused is a kernel more
   * of every kind of product.
   */
  public boolean isFused() {
    return code <= SILU.code;
  }

  /** The names that {@link #named} knows, as a sentence lists them. */
  public static String names() {
    return String.join(", ", BY_NAME.keySet());
  }

  /** The activation that a Hugging Face config names; empty where there is none here. */
  public static Optional<Activation> named(String name) {
    return Optional.ofNullable(BY_NAME.get(name));
  }
}
