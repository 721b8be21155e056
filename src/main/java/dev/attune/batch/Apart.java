package dev.attune.batch;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Deals examples out to batches so that no batch has a sequence twice: where texts are compared,
 * what is right for one row would count as wrong for another. The number of batches and their sizes
 * are those of plain batches, and so a run has as many steps.
 */
final class Apart {
  private final EncodedDataset data;
  private final int[] texts; // (size): equal sequences have equal numbers

  Apart(EncodedDataset data) {
    this.data = data;
    this.texts = new int[data.size()];
    Map<IntBuffer, Integer> numbers = new HashMap<>();
    for (int i = 0; i < texts.length; i++) {
      int[] sequence = new int[data.length(i)];
      data.ids().copy(data.offsets().get(i), sequence, 0, sequence.length);
      IntBuffer ids = IntBuffer.wrap(sequence);
      int next = numbers.size();
      texts[i] = numbers.computeIfAbsent(ids, key -> next);
    }
  }

  /** A batch in the making. */
  private final class Bin {
    final int capacity;
    final List<Integer> examples = new ArrayList<>();
    final Set<Integer> held = new HashSet<>();

    Bin(int capacity) {
      this.capacity = capacity;
    }

    boolean isFull() {
      return examples.size() == capacity;
    }

    boolean fits(int example) {
      for (int column = 0; column < data.columns(); column++) {
        if (held.contains(texts[example * data.columns() + column])) {
          return false;
        }
      }
      return true;
    }

    void add(int example) {
      examples.add(example);
      for (int column = 0; column < data.columns(); column++) {
        held.add(texts[example * data.columns() + column]);
      }
    }

    void remove(int place) {
      int example = examples.remove(place);
      for (int column = 0; column < data.columns(); column++) {
        held.remove(texts[example * data.columns() + column]);
      }
    }
  }

  /**
   * Examples in an order of which every batch is free of equals.
   *
   * @param order of an epoch, which decides what goes where
   * @throws InputException if there is no such order
   */
  int[] arranged(int[] order, int batchSize) {
    List<Bin> bins = new ArrayList<>();
    for (int left = order.length; left > 0; left -= batchSize) {
      bins.add(new Bin(Math.min(batchSize, left)));
    }
    int first = 0; // bins before it are full
    List<Integer> waiting = new ArrayList<>();
    for (int example : order) {
      while (first < bins.size() && bins.get(first).isFull()) {
        first++;
      }
      if (!place(bins, first, example)) {
        waiting.add(example);
      }
    }
    for (int example : waiting) {
      if (!place(bins, 0, example) && !placeByMoving(bins, example)) {
        throw new InputException(
            Term.BATCH_SAMPLER.of("no-duplicates")
                + ": a text is in so many rows that with "
                + Term.BATCH_SIZE
                + " "
                + batchSize
                + " some of the "
                + bins.size()
                + " batches would have it twice. Give a smaller "
                + Term.BATCH_SIZE);
      }
    }
    int[] out = new int[order.length];
    int at = 0;
    for (Bin bin : bins) {
      for (int example : bin.examples) {
        out[at++] = example;
      }
    }
    return out;
  }

  private static boolean place(List<Bin> bins, int first, int example) {
    for (int i = first; i < bins.size(); i++) {
      Bin bin = bins.get(i);
      if (!bin.isFull() && bin.fits(example)) {
        bin.add(example);
        return true;
      }
    }
    return false;
  }

  /** Into a full batch, one of whose examples finds a place elsewhere. */
  private static boolean placeByMoving(List<Bin> bins, int example) {
    Bin[] open = bins.stream().filter(bin -> !bin.isFull()).toArray(Bin[]::new);
    for (Bin bin : bins) {
      if (!bin.isFull() || !bin.fits(example)) {
        continue;
      }
      for (int i = 0; i < bin.examples.size(); i++) {
        int other = bin.examples.get(i);
        Bin room = Arrays.stream(open).filter(b -> b.fits(other)).findFirst().orElse(null);
        if (room != null) {
          bin.remove(i);
          room.add(other);
          bin.add(example);
          return true;
        }
      }
    }
    return false;
  }
}
