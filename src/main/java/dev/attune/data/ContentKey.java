package dev.attune.data;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** A name for all that something depends on: two of them are equal only if all of that is. */
public final class ContentKey {
  private static final int BYTES = 16;

  private final MessageDigest digest;

  private ContentKey() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /** Begins a key. */
  public static ContentKey of(String part) {
    return new ContentKey().with(part);
  }

  /** Adds something; null is another thing than the empty text. */
  public ContentKey with(String part) {
    byte[] bytes = part == null ? new byte[0] : part.getBytes(StandardCharsets.UTF_8);
    digest.update(ByteBuffer.allocate(4).putInt(0, part == null ? -1 : bytes.length));
    digest.update(bytes);
    return this;
  }

  /** Adds numbers. */
  ContentKey with(int[] numbers) {
    ByteBuffer chunk = ByteBuffer.allocate(1 << 14);
    chunk.putInt(numbers.length);
    for (int number : numbers) {
      if (!chunk.hasRemaining()) {
        digest.update(chunk.flip());
        chunk.clear();
      }
      chunk.putInt(number);
    }
    digest.update(chunk.flip());
    return this;
  }

  /** The key, which nothing is added to afterwards. */
  public String text() {
    return HexFormat.of().formatHex(digest.digest(), 0, BYTES);
  }
}
