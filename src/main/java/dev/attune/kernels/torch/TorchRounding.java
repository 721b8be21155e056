package dev.attune.kernels.torch;

import dev.attune.core.Philox;
import java.nio.ByteBuffer;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Rounding to bf16 at random, as the contract of {@code attune_adamw} defines it. */
final class TorchRounding {
  /** Words of a random block. */
  private static final int WORDS = 4;

  private final long seed;
  private final long stream;

  TorchRounding(long seed, long stream) {
    this.seed = seed;
    this.stream = stream;
  }

  /** The words (i32) of {@code count} elements from number {@code first} on. */
  Tensor words(long first, long count) {
    Tensor words = ints(count);
    fill(memory(words, count), first, count);
    return words;
  }

  /** The same of the rows of a table with {@code C} columns that {@code index} (i64) lists. */
  Tensor words(Tensor index, long C) {
    long rows = index.size(0);
    Tensor words = ints(rows * C);
    ByteBuffer to = memory(words, rows * C);
    ByteBuffer from = TorchMemory.view(index.data_ptr().address(), rows * Long.BYTES);
    for (long row = 0; row < rows; row++) {
      fill(to, from.getLong() * C, C);
    }
    return words.view(rows, C);
  }

  private void fill(ByteBuffer to, long first, long count) {
    int[] block = new int[WORDS];
    for (long e = first; e < first + count; e++) {
      if (e == first || e % WORDS == 0) {
        Philox.block(seed, stream, e / WORDS, block);
      }
      to.putInt(block[(int) (e % WORDS)]);
    }
  }

  private static Tensor ints(long count) {
    return torch.empty(
        new long[] {count}, new TensorOptions(ScalarType.Int), new MemoryFormatOptional());
  }

  private static ByteBuffer memory(Tensor tensor, long count) {
    return TorchMemory.view(tensor.data_ptr().address(), count * Integer.BYTES);
  }

  /** f32 values rounded to what bf16 holds by the low halves of their words. */
  static Tensor byLowHalves(Tensor value, Tensor words) {
    return rounded(value, words.bitwise_and(new Scalar(0xFFFF)));
  }

  /** The same by the high halves. */
  static Tensor byHighHalves(Tensor value, Tensor words) {
    return rounded(
        value, words.bitwise_right_shift(new Scalar(16)).bitwise_and_(new Scalar(0xFFFF)));
  }

  private static Tensor rounded(Tensor value, Tensor bits) {
    return bits.add_(value.view(ScalarType.Int))
        .bitwise_and_(new Scalar(-0x10000))
        .view(ScalarType.Float);
  }
}
