package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostMirror;
import dev.attune.testkit.Storage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * The tensors of one benchmark on one backend. Values depend on a tensor's name and size alone, so
 * that every backend sees the same ones; outputs start as NaN.
 */
final class Tensors implements AutoCloseable {
  private static final byte POISON = (byte) 0xFF;

  /** Random values repeat after this many; prime, so that rows differ. */
  private static final int PERIOD = 65537;

  private record Block(Storage storage, int count, HostMirror memory) {
    ByteBuffer bytes() {
      return memory.host().duplicate().order(ByteOrder.nativeOrder());
    }

    long address() {
      return memory.address();
    }

    void push() {
      memory.push(0, memory.host().capacity());
    }

    void pull() {
      memory.pull(0, memory.host().capacity());
    }

    double get(ByteBuffer bytes, int index) {
      return switch (storage) {
        case F32 -> bytes.getFloat(index * Float.BYTES);
        case BF16 -> DType.fromBf16(bytes.getShort(index * Short.BYTES));
        case F64 -> bytes.getDouble(index * Double.BYTES);
        case I32 -> bytes.getInt(index * Integer.BYTES);
        case U8 -> bytes.get(index) & 0xFF;
      };
    }
  }

  private final Backend backend;
  private final List<HostMirror> blocks = new ArrayList<>();
  private final Map<String, Block> outputs = new LinkedHashMap<>();

  Tensors(Backend backend) {
    this.backend = backend;
  }

  /** Random values in -1..1. */
  long input(String name, DType dtype, long... sizes) {
    return uniform(name, dtype, -1, 1, sizes);
  }

  /** Random values in low..high. */
  long uniform(String name, DType dtype, double low, double high, long... sizes) {
    return draw(name, dtype, low, high, sizes).address();
  }

  /** An input that the call changes: compared like an output. */
  long updated(String name, DType dtype, double low, double high, long... sizes) {
    Block block = draw(name, dtype, low, high, sizes);
    outputs.put(name, block);
    return block.address();
  }

  /** A tensor that the call writes. */
  long output(String name, DType dtype, long... sizes) {
    return output(name, Storage.of(dtype), sizes);
  }

  /** A tensor that the call writes. */
  long output(String name, Storage storage, long... sizes) {
    Block block = block(storage, count(sizes));
    ByteBuffer bytes = block.bytes();
    byte[] poison = new byte[Math.min(bytes.remaining(), PERIOD)];
    Arrays.fill(poison, POISON);
    while (bytes.hasRemaining()) {
      bytes.put(poison, 0, Math.min(poison.length, bytes.remaining()));
    }
    block.push();
    outputs.put(name, block);
    return block.address();
  }

  long ints(int... values) {
    Block block = block(Storage.I32, values.length);
    block.bytes().asIntBuffer().put(values);
    block.push();
    return block.address();
  }

  long bytes(byte... values) {
    Block block = block(Storage.U8, values.length);
    block.bytes().put(values);
    block.push();
    return block.address();
  }

  private Block draw(String name, DType dtype, double low, double high, long... sizes) {
    int count = count(sizes);
    Block block = block(Storage.of(dtype), count);
    SplittableRandom random = new SplittableRandom(31L * name.hashCode() + count);
    float[] values = new float[Math.min(count, PERIOD)];
    short[] halves = new short[values.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (low + (high - low) * random.nextDouble());
      halves[i] = DType.toBf16(values[i]);
    }
    ByteBuffer bytes = block.bytes();
    for (int i = 0; i < count; i += PERIOD) {
      int length = Math.min(PERIOD, count - i);
      if (dtype == DType.F32) {
        bytes.asFloatBuffer().put(values, 0, length);
      } else {
        bytes.asShortBuffer().put(halves, 0, length);
      }
      bytes.position(bytes.position() + length * dtype.sizeBytes());
    }
    block.push();
    return block;
  }

  private Block block(Storage storage, int count) {
    HostMirror memory = new HostMirror(backend, (long) count * storage.sizeBytes(), true);
    blocks.add(memory);
    return new Block(storage, count, memory);
  }

  private static int count(long... sizes) {
    long count = 1;
    for (long size : sizes) {
      count = Math.multiplyExact(count, size);
    }
    return Math.toIntExact(count);
  }

  /**
   * Throws {@link AssertionError} where an output differs from the other backend's by more than
   * {@code tolerance} of its root mean square, or where nothing was written.
   */
  void checkAgainst(Tensors other, double tolerance) {
    boolean written = false;
    for (Map.Entry<String, Block> entry : outputs.entrySet()) {
      Block mine = entry.getValue();
      Block theirs = other.outputs.get(entry.getKey());
      mine.pull();
      theirs.pull();
      ByteBuffer a = mine.bytes();
      ByteBuffer b = theirs.bytes();
      double errorSquares = 0;
      double squares = 0;
      for (int i = 0; i < mine.count(); i++) {
        double value = mine.get(a, i);
        double expected = theirs.get(b, i);
        if (Double.isNaN(value) && Double.isNaN(expected)) {
          continue; // the other methods' output
        }
        if (Double.isNaN(value) || Double.isNaN(expected)) {
          throw new AssertionError(
              entry.getKey() + "[" + i + "] is " + value + ", must be " + expected);
        }
        written = true;
        errorSquares += (value - expected) * (value - expected);
        squares += expected * expected;
      }
      if (errorSquares > tolerance * tolerance * squares) {
        throw new AssertionError(
            String.format(
                Locale.ROOT,
                "%s is off by %.3g of its root mean square; %.3g is allowed",
                entry.getKey(),
                Math.sqrt(errorSquares / squares),
                tolerance));
      }
    }
    if (!written) {
      throw new AssertionError("nothing was written");
    }
  }

  @Override
  public void close() {
    blocks.forEach(HostMirror::close);
    blocks.clear();
    outputs.clear();
  }
}
