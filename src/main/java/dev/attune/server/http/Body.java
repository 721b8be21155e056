package dev.attune.server.http;

import dev.attune.server.http.Route.Receiving;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** A body that is held whole: a JSON request. */
final class Body implements Receiving {
  /** Files go another way. */
  static final int MOST_BYTES = 16 << 20;

  private static final int FIRST_BYTES = 1 << 12;

  private final BodyMemory memory;
  private final boolean isZipped;
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(FIRST_BYTES);
  private long held;

  /**
   * @param expectedBytes as the client says; -1: it does not
   * @param encoding null: none
   * @throws ApiException if it is too large, or encoded so that it cannot be read
   */
  Body(BodyMemory memory, long expectedBytes, String encoding) {
    this.memory = memory;
    if (expectedBytes > MOST_BYTES) {
      throw tooLarge();
    }
    this.isZipped = encoding != null && encoding.equalsIgnoreCase("gzip");
    if (encoding != null && !isZipped && !encoding.equalsIgnoreCase("identity")) {
      throw ApiException.badType(
          "The body has the encoding '" + encoding + "'; it may be gzip, or none");
    }
  }

  private static ApiException tooLarge() {
    return ApiException.tooLarge(
        "The body is larger than " + MOST_BYTES + " bytes, the most of a JSON request");
  }

  private void hold(long more) {
    memory.take(more);
    held += more;
  }

  @Override
  public void take(ByteBuffer piece) {
    int length = piece.remaining();
    if (bytes.size() + length > MOST_BYTES) {
      throw tooLarge();
    }
    hold(length);
    byte[] copy = new byte[length];
    piece.get(copy);
    bytes.writeBytes(copy);
  }

  /** All of it, unzipped. */
  byte[] whole() throws IOException {
    if (!isZipped || bytes.size() == 0) {
      return bytes.toByteArray();
    }
    ByteArrayOutputStream whole = new ByteArrayOutputStream(FIRST_BYTES);
    try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      byte[] piece = new byte[FIRST_BYTES];
      for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
        if (whole.size() + count > MOST_BYTES) {
          throw tooLarge();
        }
        hold(count);
        whole.write(piece, 0, count);
      }
    } catch (ZipException | java.io.EOFException e) {
      throw ApiException.badRequest(
          null,
          "The body is no gzip: "
              + (e.getMessage() == null ? "it ends before its end" : e.getMessage()));
    }
    return whole.toByteArray();
  }

  @Override
  public void answer() {
    // the route's handler does
  }

  @Override
  public void close() {
    memory.give(held);
    held = 0;
  }
}
