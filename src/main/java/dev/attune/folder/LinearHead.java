package dev.attune.folder;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.weights.Safetensors;
import dev.attune.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Scores of classes by a text's vector, beside the model that makes vectors: {@code
 * model_head.safetensors} with {@code coef} (K,C) and {@code intercept} (K), as scikit-learn names
 * them.
 *
 * @param weight (K,C) row by row
 * @param bias (K)
 */
public record LinearHead(float[] weight, float[] bias) {
  static final String FILE = "model_head.safetensors";

  private static final String WEIGHT = "coef";
  private static final String BIAS = "intercept";

  public LinearHead {
    Check.argument(
        bias.length > 0 && weight.length % bias.length == 0,
        "%d weights of %d classes",
        weight.length,
        bias.length);
  }

  /** K. */
  public int classes() {
    return bias.length;
  }

  /** C. */
  public int width() {
    return weight.length / bias.length;
  }

  /** The logits (K) of a vector (C). */
  public float[] logits(float[] vector) {
    Check.argument(
        vector.length == width(), "a vector of %d numbers, not %d", vector.length, width());
    float[] out = new float[classes()];
    for (int k = 0; k < out.length; k++) {
      double sum = bias[k];
      for (int c = 0; c < vector.length; c++) {
        sum += (double) weight[k * vector.length + c] * vector[c];
      }
      out[k] = (float) sum;
    }
    return out;
  }

  /**
   * Reads that of a folder.
   *
   * @throws InputException if there is none, or none of such a file's form
   */
  public static LinearHead read(Path folder) {
    Path file = folder.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          folder + " has no " + FILE + ", in which the head of a few-shot model stands");
    }
    try (Safetensors tensors = Safetensors.open(file)) {
      long[] shape = tensors.info(WEIGHT).shape();
      long[] biasShape = tensors.info(BIAS).shape();
      if (shape.length != 2 || biasShape.length != 1 || shape[0] != biasShape[0] || shape[0] < 1) {
        throw new InputException(
            String.format(
                "%s: %s has the shape %s and %s %s; (K,C) and (K) are needed",
                file, WEIGHT, Arrays.toString(shape), BIAS, Arrays.toString(biasShape)));
      }
      float[] weight = new float[Math.toIntExact(Math.multiplyExact(shape[0], shape[1]))];
      float[] bias = new float[(int) shape[0]];
      tensors.read(WEIGHT, 0, FloatBuffer.wrap(weight));
      tensors.read(BIAS, 0, FloatBuffer.wrap(bias));
      return new LinearHead(weight, bias);
    }
  }

  /** Writes it into a model's folder. */
  void write(Path folder) throws IOException {
    new SafetensorsWriter()
        .add(WEIGHT, "F32", new long[] {classes(), width()}, FloatBuffer.wrap(weight))
        .add(BIAS, "F32", new long[] {classes()}, FloatBuffer.wrap(bias))
        .write(folder.resolve(FILE));
  }
}
