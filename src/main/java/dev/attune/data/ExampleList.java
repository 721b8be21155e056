package dev.attune.data;

import dev.attune.data.mapped.Stores;
import java.util.AbstractList;
import java.util.List;
import java.util.RandomAccess;
import java.util.function.UnaryOperator;

/**
 * Examples that are not held in memory: each is read when it is asked for, on any thread. What is
 * chosen or made of them is such a list again.
 */
public abstract class ExampleList extends AbstractList<Example> implements RandomAccess {
  /**
   * What the examples are of: the same for the same content, whoever reads it and when; null: not
   * known.
   */
  abstract String contentKey();

  /** Where what is found out about the examples is kept; null: nowhere. */
  abstract Stores stores();

  /** About how many bytes an example takes. */
  abstract int sizeBytes(int index);

  /** Some of a list's examples: those that are held in memory are held as they were. */
  static List<Example> chosen(List<Example> of, int[] indices) {
    if (!(of instanceof ExampleList list)) {
      Example[] out = new Example[indices.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = of.get(indices[i]);
      }
      return List.of(out);
    }
    return new ExampleList() {
      @Override
      public Example get(int index) {
        return list.get(indices[index]);
      }

      @Override
      public int size() {
        return indices.length;
      }

      @Override
      String contentKey() {
        return list.contentKey() == null
            ? null
            : ContentKey.of(list.contentKey()).with(indices).text();
      }

      @Override
      Stores stores() {
        return list.stores();
      }

      @Override
      int sizeBytes(int index) {
        return list.sizeBytes(indices[index]);
      }
    };
  }

  /** The first examples of a list. */
  static List<Example> first(List<Example> of, int count) {
    if (!(of instanceof ExampleList list)) {
      return of.subList(0, count);
    }
    return new ExampleList() {
      @Override
      public Example get(int index) {
        return list.get(index);
      }

      @Override
      public int size() {
        return count;
      }

      @Override
      String contentKey() {
        return list.contentKey() == null
            ? null
            : ContentKey.of(list.contentKey()).with("first " + count).text();
      }

      @Override
      Stores stores() {
        return list.stores();
      }

      @Override
      int sizeBytes(int index) {
        return list.sizeBytes(index);
      }
    };
  }

  /**
   * Every example of a list changed.
   *
   * @param change a pure function, which throws nothing for these examples
   * @param said what it does, in full: the same words for the same change
   */
  static List<Example> changed(List<Example> of, UnaryOperator<Example> change, String said) {
    if (!(of instanceof ExampleList list)) {
      return of.stream().map(change).toList();
    }
    return new ExampleList() {
      @Override
      public Example get(int index) {
        return change.apply(list.get(index));
      }

      @Override
      public int size() {
        return list.size();
      }

      @Override
      String contentKey() {
        return list.contentKey() == null
            ? null
            : ContentKey.of(list.contentKey()).with(said).text();
      }

      @Override
      Stores stores() {
        return list.stores();
      }

      @Override
      int sizeBytes(int index) {
        return list.sizeBytes(index);
      }
    };
  }
}
