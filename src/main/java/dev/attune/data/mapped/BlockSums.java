package dev.attune.data.mapped;

import dev.attune.core.Chunk;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.zip.CRC32C;

/** CRC-32C of each block of a file, in order. */
final class BlockSums {
  /** Bytes of each block but the last. */
  static final int BLOCK_BYTES = Chunk.BYTES;

  private int[] sums;
  private int count;

  /** Of nothing yet. */
  BlockSums() {
    this.sums = new int[16];
  }

  private BlockSums(int[] sums) {
    this.sums = sums;
    this.count = sums.length;
  }

  /** Those that {@link #bytes} were made of. */
  static BlockSums of(byte[] bytes) {
    int[] sums = new int[bytes.length / Integer.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(sums);
    return new BlockSums(sums);
  }

  /** Adds the next block: a whole one, unless it is the last. */
  void add(ByteBuffer block) {
    if (count == sums.length) {
      sums = Arrays.copyOf(sums, 2 * count);
    }
    sums[count++] = of(block);
  }

  private static int of(ByteBuffer block) {
    CRC32C crc = new CRC32C();
    crc.update(block.duplicate());
    return (int) crc.getValue();
  }

  /** How many blocks there are. */
  int size() {
    return count;
  }

  /** Whether a block has the bytes that it had. */
  boolean isSound(int block, ByteBuffer bytes) {
    return sums[block] == of(bytes);
  }

  /** To be written. */
  byte[] bytes() {
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(count, Integer.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(sums, 0, count);
    return bytes.array();
  }

  /** CRC-32C of all sums. */
  long checksum() {
    CRC32C crc = new CRC32C();
    crc.update(bytes());
    return crc.getValue();
  }
}
