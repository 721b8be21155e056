package dev.attune.folder;

import dev.attune.model.Model;
import dev.attune.ops.Projection;
import dev.attune.store.Layout;
import dev.attune.store.Segment;
import dev.attune.weights.TensorInfo;
import dev.attune.weights.WeightSource;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * Rows of a vocabulary that a folder lacks: of tokens that are new. A new row is the mean of those
 * of the tokens that its word was made of, in the word embedding as in a last product of its own
 * and in its bias, so that the word begins where it was.
 *
 * @param oldRows that the folder has
 * @param pieces of each new token, which is row {@code firstId + i}: ids below {@code oldRows}
 * @param firstId of the new tokens, at most {@code oldRows}
 * @param rows that the model has
 */
public record AddedRows(int oldRows, int[][] pieces, int firstId, int rows) {
  /** Whether a tensor has a row for each token, and the folder's is to get more. */
  boolean grow(TensorInfo info, Segment segment, Model model) {
    long[] old = info.shape();
    long[] wanted = segment.shape();
    return names(model).contains(segment.name())
        && segment.layout() == Layout.PLAIN
        && old.length == wanted.length
        && old[0] == oldRows
        && wanted[0] == rows
        && Arrays.equals(old, 1, old.length, wanted, 1, wanted.length);
  }

  /** The tensors with a row for each token. Others may have as many rows by chance. */
  private static Set<String> names(Model model) {
    Set<String> names = new HashSet<>(Set.of(model.wordEmbedding() + ".weight"));
    Projection last = model.vocabulary();
    if (last != null) {
      names.add(last.weight().name());
      if (last.bias() != null) {
        names.add(last.bias().name());
      }
    }
    return names;
  }

  /** A tensor of the folder with the new rows. */
  FloatBuffer read(WeightSource source, String name, Segment segment) {
    int width = Math.toIntExact(segment.count() / rows);
    FloatBuffer folder = FloatBuffer.allocate(oldRows * width);
    source.read(name, folder);
    float[] values = Arrays.copyOf(folder.array(), rows * width);
    for (int i = 0; i < pieces.length; i++) {
      for (int c = 0; c < width; c++) {
        double sum = 0;
        for (int piece : pieces[i]) {
          sum += folder.get(piece * width + c);
        }
        values[(firstId + i) * width + c] = (float) (sum / pieces[i].length);
      }
    }
    return FloatBuffer.wrap(values);
  }
}
