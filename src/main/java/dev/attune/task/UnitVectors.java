package dev.attune.task;

import dev.attune.folder.LinearHead;
import dev.attune.metrics.SimilarityMetrics;
import java.nio.FloatBuffer;

/** What is made of the vectors (rows, C) that a model gives for texts. */
final class UnitVectors {
  private UnitVectors() {}

  /** The unit vector (C) of a row. */
  static float[] read(ModelOutput vectors, int row) {
    float[] vector = new float[vectors.cols()];
    vectors.logits().get(row * vector.length, vector);
    SimilarityMetrics.makeUnit(vector);
    return vector;
  }

  /** The logits (rows, K) that a head gives unit vectors, in their place. */
  static ModelOutput scored(ModelOutput vectors, int rows, LinearHead head) {
    FloatBuffer logits = FloatBuffer.allocate(rows * head.classes());
    for (int row = 0; row < rows; row++) {
      logits.put(head.logits(read(vectors, row)));
    }
    return new ModelOutput() {
      @Override
      public FloatBuffer logits() {
        return logits;
      }

      @Override
      public int rows() {
        return rows;
      }

      @Override
      public int cols() {
        return head.classes();
      }

      @Override
      public double loss() {
        return vectors.loss();
      }

      @Override
      public float[] losses() {
        return vectors.losses();
      }

      @Override
      public int right() {
        return vectors.right();
      }
    };
  }
}
