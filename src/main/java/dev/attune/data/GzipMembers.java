package dev.attune.data;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/**
 * What gzip compressed: all members of a file one after another, as {@code cat a.gz b.gz} writes
 * them, and zeros behind the last, as tapes have them. Anything else behind a member is an error:
 * Java's own stream takes it for the end, and where its source comes in pieces also a member more.
 */
final class GzipMembers extends InputStream {
  private static final int DEFLATE = 8;
  private static final int HAS_CHECKSUM = 2;
  private static final int HAS_EXTRA = 4;
  private static final int HAS_NAME = 8;
  private static final int HAS_COMMENT = 16;

  private final InputStream in;
  private final Inflater inflater = new Inflater(true);
  private final CRC32 checksum = new CRC32();
  private final byte[] buffer = new byte[1 << 16];
  private int at;
  private int count;
  private long before; // bytes of the file in front of the buffer
  private boolean isInMember;
  private boolean isAtEnd;
  private boolean isBegun;

  GzipMembers(InputStream in) {
    this.in = in;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] out, int from, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    while (!isAtEnd) {
      if (!isInMember && !begin()) {
        isAtEnd = true;
        break;
      }
      int read = inflate(out, from, length);
      if (read > 0) {
        checksum.update(out, from, read);
        return read;
      }
      if (inflater.finished()) {
        end();
      } else if (inflater.needsDictionary()) {
        throw new ZipException("they need a dictionary, which gzip has none of");
      }
    }
    return -1;
  }

  private int inflate(byte[] out, int from, int length) throws IOException {
    if (inflater.needsInput() && !inflater.finished()) {
      if (at == count && !fill()) {
        throw new EOFException("they end too early");
      }
      inflater.setInput(buffer, at, count - at);
    }
    try {
      int read = inflater.inflate(out, from, length);
      at = count - inflater.getRemaining();
      return read;
    } catch (DataFormatException e) {
      throw new ZipException(e.getMessage());
    }
  }

  /** Reads the header of a member; false where no more come. */
  private boolean begin() throws IOException {
    int first = next();
    while (isBegun && first == 0) {
      first = next();
    }
    if (first < 0 && isBegun) {
      return false;
    }
    long place = before + at;
    if (first != 0x1F || next() != 0x8B || next() != DEFLATE) {
      throw new ZipException(
          isBegun
              ? "what follows their end, from byte " + place + " on, is no gzip; remove it"
              : "they have no header of gzip");
    }
    int flags = byteOfHeader();
    skip(6); // time, level, system
    if ((flags & HAS_EXTRA) != 0) {
      skip(byteOfHeader() | byteOfHeader() << 8);
    }
    if ((flags & HAS_NAME) != 0) {
      skipText();
    }
    if ((flags & HAS_COMMENT) != 0) {
      skipText();
    }
    if ((flags & HAS_CHECKSUM) != 0) {
      skip(2);
    }
    isBegun = true;
    isInMember = true;
    inflater.reset();
    checksum.reset();
    return true;
  }

  /** Reads what stands behind a member: the checksum and the length of what it holds. */
  private void end() throws IOException {
    if (number() != (int) checksum.getValue()) {
      throw new ZipException("their checksum is another");
    }
    if (number() != (int) inflater.getBytesWritten()) {
      throw new ZipException("their length is another");
    }
    isInMember = false;
  }

  private int number() throws IOException {
    int number = 0;
    for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
      number |= byteOfHeader() << shift;
    }
    return number;
  }

  private void skip(int bytes) throws IOException {
    for (int i = 0; i < bytes; i++) {
      byteOfHeader();
    }
  }

  private void skipText() throws IOException {
    while (byteOfHeader() != 0) {
      // up to the zero that ends it
    }
  }

  private int byteOfHeader() throws IOException {
    int next = next();
    if (next < 0) {
      throw new EOFException("they end too early");
    }
    return next;
  }

  private int next() throws IOException {
    return at == count && !fill() ? -1 : buffer[at++] & 0xFF;
  }

  private boolean fill() throws IOException {
    before += count;
    at = 0;
    count = Math.max(0, in.read(buffer));
    return count > 0;
  }

  /** That more can be read without waiting, as far as this knows. */
  @Override
  public int available() throws IOException {
    return isAtEnd ? 0 : Math.min(1, in.available() + count - at);
  }

  @Override
  public void close() throws IOException {
    inflater.end();
    in.close();
  }
}
