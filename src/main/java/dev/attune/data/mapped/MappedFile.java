package dev.attune.data.mapped;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Supplier;

/**
 * A file of any size, mapped for reading. Segments of 1 GiB begin at each multiple of that and go
 * on behind it, since a mapping may be of almost 2 GiB: what begins in one and is shorter than 1
 * GiB lies in it whole.
 */
final class MappedFile {
  static final int SEGMENT_BITS = 30;
  private static final long SEGMENT = 1L << SEGMENT_BITS;

  private final Path file;
  private final MappedByteBuffer[] segments;
  private final long sizeBytes;
  private BlockSums sums; // null: nothing is compared
  private boolean[] isSound; // of the blocks; two threads that compare one do no harm
  private Supplier<String> onDamage;

  MappedFile(Path file) throws IOException {
    this.file = file;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      sizeBytes = channel.size();
      segments = new MappedByteBuffer[(int) ((sizeBytes + SEGMENT - 1) >>> SEGMENT_BITS)];
      for (int i = 0; i < segments.length; i++) {
        long from = i * SEGMENT;
        long length = Math.min(Integer.MAX_VALUE, sizeBytes - from);
        segments[i] = channel.map(FileChannel.MapMode.READ_ONLY, from, length);
        segments[i].order(ByteOrder.LITTLE_ENDIAN);
      }
    }
  }

  long sizeBytes() {
    return sizeBytes;
  }

  /**
   * Says what the bytes were: each block is compared before it is first read.
   *
   * @param onDamage asked once a block has other bytes: what comes of it, in a sentence or two
   * @throws StoreException if the file has another size
   */
  void expect(long wantedBytes, BlockSums wanted, Supplier<String> onDamage) {
    long blocks = (wantedBytes + BlockSums.BLOCK_BYTES - 1) / BlockSums.BLOCK_BYTES;
    if (sizeBytes != wantedBytes || wanted.size() != blocks) {
      throw new StoreException(file + " is damaged");
    }
    this.sums = wanted;
    this.isSound = new boolean[wanted.size()];
    this.onDamage = onDamage;
  }

  /**
   * Compares all blocks now.
   *
   * @throws StoreException if one has other bytes
   */
  void compareAll() {
    for (int block = 0; block < isSound.length; block++) {
      if (!isSound(block)) {
        throw new StoreException(file + " is damaged");
      }
    }
  }

  /**
   * The segment that some bytes begin in; shared, so its position is not to be used.
   *
   * @param count of the bytes, which are compared where that was not yet done
   */
  ByteBuffer segment(long at, int count) {
    if (sums != null && count > 0) {
      int last = (int) ((at + count - 1) / BlockSums.BLOCK_BYTES);
      for (int block = (int) (at / BlockSums.BLOCK_BYTES); block <= last; block++) {
        if (!isSound[block]) {
          compare(block);
        }
      }
    }
    return segments[(int) (at >>> SEGMENT_BITS)];
  }

  private void compare(int block) {
    if (!isSound(block)) {
      throw new UncheckedIOException(
          file
              + " is damaged, at byte "
              + (long) block * BlockSums.BLOCK_BYTES
              + " or behind it. "
              + onDamage.get(),
          new IOException("a block with another checksum"));
    }
  }

  private boolean isSound(int block) {
    long at = (long) block * BlockSums.BLOCK_BYTES;
    int count = (int) Math.min(BlockSums.BLOCK_BYTES, sizeBytes - at);
    ByteBuffer bytes = segments[(int) (at >>> SEGMENT_BITS)].slice(within(at), count);
    isSound[block] = sums.isSound(block, bytes);
    return isSound[block];
  }

  /** Where in its segment a place is. */
  static int within(long at) {
    return (int) (at & (SEGMENT - 1));
  }
}
