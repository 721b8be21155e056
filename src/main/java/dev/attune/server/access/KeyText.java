package dev.attune.server.access;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A key as its owner has it: {@code sk-attune-ID-SECRET}. The id finds its row, the secret of 256
 * bits is compared with what is kept of it.
 */
record KeyText(String id, String secret) {
  private static final String BEGIN = "sk-attune-";
  private static final String ID_BEGIN = "key_";
  private static final int ID_LETTERS = 16;
  private static final int SECRET_LETTERS = 43; // of 62: more than 256 bits
  private static final String LETTERS =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  private static final Pattern FORM =
      Pattern.compile(
          BEGIN + "([0-9A-Za-z]{" + ID_LETTERS + "})-([0-9A-Za-z]{" + SECRET_LETTERS + "})");

  private static final SecureRandom RANDOM = new SecureRandom();

  /** A new one. */
  static KeyText create() {
    return new KeyText(ID_BEGIN + letters(ID_LETTERS), letters(SECRET_LETTERS));
  }

  private static String letters(int count) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < count; i++) {
      out.append(LETTERS.charAt(RANDOM.nextInt(LETTERS.length())));
    }
    return out.toString();
  }

  /** What a client sent; empty: it is no key. */
  static Optional<KeyText> of(String text) {
    Matcher form = FORM.matcher(text);
    return form.matches()
        ? Optional.of(new KeyText(ID_BEGIN + form.group(1), form.group(2)))
        : Optional.empty();
  }

  /** What a key of that id begins with. */
  static String begin(String id) {
    return BEGIN + id.substring(ID_BEGIN.length()) + "-";
  }

  /** The key. */
  String text() {
    return begin(id) + secret;
  }

  /** What is kept of it. */
  byte[] hash(byte[] salt) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(salt);
      return digest.digest(secret.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  static byte[] salt() {
    byte[] salt = new byte[16];
    RANDOM.nextBytes(salt);
    return salt;
  }

  /** Never shown. */
  @Override
  public String toString() {
    return begin(id) + "…";
  }
}
