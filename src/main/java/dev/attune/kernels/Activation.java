package dev.attune.kernels;

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
  SILU(5);

  private final int code;

  Activation(int code) {
    this.code = code;
  }

  public int code() {
    return code;
  }

  /** Names of Hugging Face's configs that {@link #named} knows, as a sentence lists them. */
  public static final String NAMES =
      "gelu, gelu_python, gelu_new, gelu_fast, gelu_accurate, gelu_pytorch_tanh, gelu_python_tanh,"
          + " relu, silu, swish and tanh";

  /** The activation that a Hugging Face config names; empty where there is none here. */
  public static Optional<Activation> named(String name) {
    return Optional.ofNullable(
        switch (name) {
          case "gelu", "gelu_python" -> GELU;
          case "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh" ->
              GELU_TANH;
          case "relu" -> RELU;
          case "silu", "swish" -> SILU;
          case "tanh" -> TANH;
          default -> null;
        });
  }
}
