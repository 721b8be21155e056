package dev.attune.data.mapped;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/** A column of whole numbers that nobody changes, in memory or in a file. */
public interface Ints {
  /** How many are looked at together. */
  int PIECE = 1 << 12;

  /** How many there are. */
  int size();

  /** Number {@code index}, counted from 0. */
  int get(int index);

  /** Copies the numbers {@code from .. from+count-1} to {@code to[at ...]}. */
  default void copy(int from, int[] to, int at, int count) {
    for (int i = 0; i < count; i++) {
      to[at + i] = get(from + i);
    }
  }

  /**
   * All of them, in order; copied by pieces, since a column in a file is slow to ask one by one.
   */
  default IntStream stream() {
    return IntStream.range(0, (size() + PIECE - 1) / PIECE)
        .mapToObj(piece -> piece(piece * PIECE))
        .flatMapToInt(Arrays::stream);
  }

  private int[] piece(int from) {
    int[] piece = new int[Math.min(PIECE, size() - from)];
    copy(from, piece, 0, piece.length);
    return piece;
  }

  /** Their sum. */
  default long sum() {
    return stream().asLongStream().sum();
  }

  /** A copy in memory. */
  default int[] toArray() {
    int[] out = new int[size()];
    copy(0, out, 0, out.length);
    return out;
  }

  /** An array, which is not copied. */
  static Ints of(int... values) {
    return new Ints() {
      @Override
      public int size() {
        return values.length;
      }

      @Override
      public int get(int index) {
        return values[index];
      }

      @Override
      public void copy(int from, int[] to, int at, int count) {
        System.arraycopy(values, from, to, at, count);
      }

      @Override
      public IntStream stream() {
        return IntStream.of(values);
      }
    };
  }

  /** So many zeros. */
  static Ints zeros(int size) {
    return new Ints() {
      @Override
      public int size() {
        return size;
      }

      @Override
      public int get(int index) {
        return 0;
      }

      @Override
      public void copy(int from, int[] to, int at, int count) {
        Arrays.fill(to, at, at + count, 0);
      }
    };
  }

  /** What lies between borders that follow each other: one less than there are borders. */
  static Ints between(Ints borders) {
    return new Ints() {
      @Override
      public int size() {
        return borders.size() - 1;
      }

      @Override
      public int get(int index) {
        return borders.get(index + 1) - borders.get(index);
      }

      @Override
      public void copy(int from, int[] to, int at, int count) {
        if (count > 0) {
          borders.copy(from + 1, to, at, count);
          for (int i = at + count - 1; i > at; i--) {
            to[i] -= to[i - 1];
          }
          to[at] -= borders.get(from);
        }
      }
    };
  }

  /** What a function makes of each number of a column. */
  static Ints mapped(Ints column, IntUnaryOperator value) {
    return new Ints() {
      @Override
      public int size() {
        return column.size();
      }

      @Override
      public int get(int index) {
        return value.applyAsInt(column.get(index));
      }

      @Override
      public void copy(int from, int[] to, int at, int count) {
        column.copy(from, to, at, count);
        for (int i = at; i < at + count; i++) {
          to[i] = value.applyAsInt(to[i]);
        }
      }
    };
  }

  /** Numbers that are computed when they are asked for. */
  static Ints computed(int size, IntUnaryOperator value) {
    return new Ints() {
      @Override
      public int size() {
        return size;
      }

      @Override
      public int get(int index) {
        return value.applyAsInt(index);
      }
    };
  }
}
