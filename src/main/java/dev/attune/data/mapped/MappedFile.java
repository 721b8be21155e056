package dev.attune.data.mapped;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/**
 * A file of any size, mapped for reading. Segments of 1 GiB begin at each multiple of that and go
 * on behind it, since a mapping may be of almost 2 GiB: what begins in one and is shorter than 1
 * GiB lies in it whole.
 */
final class MappedFile {
  static final int SEGMENT_BITS = 30;
  private static final long SEGMENT = 1L << SEGMENT_BITS;

  private final MappedByteBuffer[] segments;
  private final long sizeBytes;

  MappedFile(Path file) throws IOException {
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

  /** The segment that a place lies in; shared, so its position is not to be used. */
  ByteBuffer segment(long at) {
    return segments[(int) (at >>> SEGMENT_BITS)];
  }

  /** Where in its segment a place is. */
  static int within(long at) {
    return (int) (at & (SEGMENT - 1));
  }

  /** CRC-32C of all bytes. */
  long checksum() {
    CRC32C crc = new CRC32C();
    addTo(crc);
    return crc.getValue();
  }

  /** Adds all bytes to a checksum. */
  void addTo(CRC32C crc) {
    for (int i = 0; i < segments.length; i++) {
      ByteBuffer part = segments[i].duplicate();
      part.limit((int) Math.min(SEGMENT, sizeBytes - i * SEGMENT));
      crc.update(part);
    }
  }
}
