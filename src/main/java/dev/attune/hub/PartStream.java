package dev.attune.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** So many bytes of a stream, which tells how many were taken. */
abstract class PartStream extends FilterInputStream {
  private long left;

  PartStream(InputStream in, long sizeBytes) {
    super(in);
    this.left = sizeBytes;
  }

  /** Bytes were taken. */
  abstract void took(int bytes);

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] bytes, int from, int length) throws IOException {
    if (left == 0) {
      return -1;
    }
    int count = super.read(bytes, from, (int) Math.min(length, left));
    if (count > 0) {
      left -= count;
      took(count);
    }
    return count;
  }
}
