package dev.attune.kernels.torch;

import dev.attune.core.Philox;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Dropout masks from {@link Philox}, as the contract of the ops defines them. A mask is a bool
 * tensor that is true where an element is dropped; Java writes it eight elements at a time,
 * straight into the tensor's memory.
 */
final class TorchDropout {
  /** Elements of one random block. */
  static final int LANES = 8;

  private final long seed;
  private final long stream;
  private final int threshold;

  TorchDropout(float p, long seed, long stream) {
    this.threshold = Philox.dropoutThreshold(p);
    this.seed = seed;
    this.stream = stream;
  }

  boolean isOff() {
    return threshold == 0;
  }

  /** {@code value}, rows of a tensor from row {@code row} on, or a new tensor with its mask. */
  Tensor apply(Tensor value, long row, long rows, long C) {
    return isOff() ? value : applyMask(value, elements(row * C, rows, C));
  }

  /** A new tensor: kept elements scaled, dropped ones 0. */
  Tensor applyMask(Tensor value, Tensor dropped) {
    return value
        .mul(TorchTensors.scalar(1 / (1 - threshold / 65536.0)))
        .masked_fill_(dropped, TorchTensors.scalar(0));
  }

  /**
   * The mask of a dense range of elements, at most 2^31.
   *
   * @param first a multiple of {@link #LANES}
   */
  Tensor elements(long first, long... sizes) {
    long count = 1;
    for (long size : sizes) {
      count *= size;
    }
    long padded = (count + LANES - 1) / LANES * LANES;
    Tensor mask = bytes(padded);
    fill(hostView(mask.data_ptr().address(), padded), 0, (int) padded, first / LANES);
    return mask.narrow(0, 0, count).view(sizes);
  }

  /**
   * The mask of attention probabilities: heads x rows x keys. Head {@code h}, row {@code i} of the
   * packed batch and key {@code j} of its sequence use lane j % 8 of block (j / 8, i * H + h).
   */
  Tensor attention(long firstHead, long heads, long firstRow, long rows, long keys, long H) {
    long padded = (keys + LANES - 1) / LANES * LANES;
    Tensor mask = bytes(heads * rows * padded);
    ByteBuffer view = hostView(mask.data_ptr().address(), heads * rows * padded);
    int at = 0;
    for (long h = firstHead; h < firstHead + heads; h++) {
      for (long i = firstRow; i < firstRow + rows; i++) {
        fill(view, at, (int) padded, (i * H + h) << 32);
        at += (int) padded;
      }
    }
    return mask.view(heads, rows, padded).narrow(2, 0, keys);
  }

  /** Writes {@code length} bytes, one per element, from random block {@code block}. */
  private void fill(ByteBuffer view, int at, int length, long block) {
    int[] words = new int[4];
    for (int i = 0; i < length; i += LANES) {
      Philox.block(seed, stream, block++, words);
      long flags = 0;
      for (int w = 0; w < 4; w++) {
        long low = ((words[w] & 0xFFFF) - threshold) >>> 31;
        long high = ((words[w] >>> 16) - threshold) >>> 31;
        flags |= (low | high << 8) << (16 * w);
      }
      view.putLong(at + i, flags);
    }
  }

  private static Tensor bytes(long count) {
    return torch.empty(
        new long[] {count}, new TensorOptions(ScalarType.Bool), new MemoryFormatOptional());
  }

  /** Little-endian on any machine: byte e of a block is its element e. */
  private static ByteBuffer hostView(long address, long length) {
    return new NativePointer(address, length).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }
}
