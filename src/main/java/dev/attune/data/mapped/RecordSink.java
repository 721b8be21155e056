package dev.attune.data.mapped;

import dev.attune.core.InputException;
import java.io.IOException;

/** Records in the making. */
public final class RecordSink {
  private static final byte[] FILL = new byte[1 << Records.UNIT_BITS];
  private static final int MOST_BYTES = 1 << MappedFile.SEGMENT_BITS;
  private static final long LARGEST = 0xFFFFFFFFL << Records.UNIT_BITS;

  private final StoreFile bytes;
  private final IntSink begins;

  RecordSink(StoreFile bytes, IntSink begins) {
    this.bytes = bytes;
    this.begins = begins;
    begins.add(0);
  }

  /**
   * Appends a record.
   *
   * @param count bytes of it
   */
  public void add(byte[] record, int count) {
    int fill = -count & FILL.length - 1;
    if (count > MOST_BYTES - FILL.length || bytes.sizeBytes() + count + fill > LARGEST) {
      throw new InputException(
          "a row of "
              + count
              + " bytes behind "
              + bytes.sizeBytes()
              + " bytes of rows is more than can be kept: rows have less than 1 GiB each and 32 GiB"
              + " together; train on fewer");
    }
    bytes.put(record, count);
    bytes.put(FILL, fill);
    begins.add((int) (bytes.sizeBytes() >>> Records.UNIT_BITS));
  }

  /** How many were appended. */
  public int size() {
    return begins.size() - 1;
  }

  /** The records, to which nothing may be appended afterwards. */
  public Records done() {
    bytes.finish();
    try {
      return new Records(new MappedFile(bytes.file()), begins.done());
    } catch (IOException e) {
      throw StoreException.of(bytes.file() + " cannot be read", e);
    }
  }
}
