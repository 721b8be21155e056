package dev.attune.batch;

import dev.attune.data.mapped.Ints;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.zip.CRC32C;

/** Eight hex digits over columns. */
final class Fingerprint {
  private Fingerprint() {}

  /**
   * The digits.
   *
   * @param sequences of an example
   * @param columns in their order; null: one that is not there
   */
  static String of(int sequences, List<Ints> columns) {
    CRC32C crc = new CRC32C();
    if (sequences > 1) {
      crc.update(sequences);
    }
    int[] chunk = new int[1 << 14];
    for (Ints column : columns) {
      if (column != null) {
        update(crc, chunk, column);
      }
    }
    return String.format("%08x", crc.getValue());
  }

  private static void update(CRC32C crc, int[] chunk, Ints values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(chunk.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (long from = 0; from < values.size(); from += chunk.length) {
      int count = (int) Math.min(chunk.length, values.size() - from);
      values.copy((int) from, chunk, 0, count);
      bytes.clear().asIntBuffer().put(chunk, 0, count);
      crc.update(bytes.limit(count * Integer.BYTES));
    }
  }
}
