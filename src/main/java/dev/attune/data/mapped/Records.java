package dev.attune.data.mapped;

import java.nio.ByteBuffer;

/** Records of bytes in a mapped file, found by their number. */
public final class Records {
  /** Records begin at multiples of eight bytes, so that 32 bits say where, up to 32 GiB. */
  static final int UNIT_BITS = 3;

  private final MappedFile bytes;
  private final Ints begins; // (size+1): in units, and the end

  Records(MappedFile bytes, Ints begins) {
    this.bytes = bytes;
    this.begins = begins;
    long end = begins.size() == 0 ? -1 : place(begins.size() - 1);
    if (end != bytes.sizeBytes()) {
      throw new StoreException("records of " + bytes.sizeBytes() + " bytes in place of " + end);
    }
  }

  /** How many there are. */
  public int size() {
    return begins.size() - 1;
  }

  /** Bytes of a record, with up to seven that fill up. */
  public int sizeBytes(int index) {
    return (int) (place(index + 1) - place(index));
  }

  /** A record, from the buffer's position to its limit; it may end in up to seven zeros. */
  public ByteBuffer get(int index) {
    long at = place(index);
    int count = sizeBytes(index);
    return bytes.segment(at, count).slice(MappedFile.within(at), count);
  }

  private long place(int index) {
    return (begins.get(index) & 0xFFFFFFFFL) << UNIT_BITS;
  }
}
