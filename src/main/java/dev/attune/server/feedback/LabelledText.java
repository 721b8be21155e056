package dev.attune.server.feedback;

import dev.attune.data.Example;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A text with the label that it should have.
 *
 * @param pair the second text of a pair; null: there is one alone
 */
record LabelledText(String text, String pair, String label) {
  /** One row of so many is held out. */
  static final int HELD_OUT_OF = 5;

  private static final Pattern SPACE = Pattern.compile("\\s+");

  static LabelledText of(Example example) {
    return new LabelledText(example.text(), example.textPair(), example.label());
  }

  Example example(int row) {
    return new Example(row, text, pair, label, null, null, Map.of());
  }

  /** What equal texts have in common: letters' case and runs of white space do not count. */
  String key() {
    return normal(text) + (pair == null ? "" : '\0' + normal(pair));
  }

  private static String normal(String text) {
    return SPACE.matcher(text.strip()).replaceAll(" ").toLowerCase(Locale.ROOT);
  }

  /** Whether it is measured on and never learned: of equal texts all are, or none. */
  boolean isHeldOut() {
    return Integer.remainderUnsigned(ByteBuffer.wrap(digest(key())).getInt(), HELD_OUT_OF) == 0;
  }

  /** SHA-256. */
  static byte[] digest(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
