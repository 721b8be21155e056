package dev.attune.kernels;

import dev.attune.core.InputException;

/** Activation functions that kernels know. The codes cross the native border. */
public enum Activation {
  NONE(0),
  /** x Φ(x) with the exact error function: "gelu" in Hugging Face configs. */
  GELU(1),
  /** The tanh approximation: "gelu_new", "gelu_pytorch_tanh". */
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

  /** The activation that a Hugging Face config names. */
  public static Activation fromConfig(String name) {
    return switch (name) {
      case "gelu" -> GELU;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> GELU_TANH;
      case "relu" -> RELU;
      case "silu", "swish" -> SILU;
      case "tanh" -> TANH;
      default ->
          throw new InputException(
              "config.json: hidden activation '"
                  + name
                  + "' is not supported; supported are gelu, gelu_new, gelu_pytorch_tanh, relu, silu"
                  + " and tanh");
    };
  }
}
