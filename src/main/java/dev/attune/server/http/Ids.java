package dev.attune.server.http;

import java.security.SecureRandom;

/** Names of things, which cannot be guessed: {@code file-3kTb…}. */
public final class Ids {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final String LETTERS =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  private static final int LENGTH = 24; // 142 bits

  private Ids() {}

  /**
   * A new one.
   *
   * @param prefix says of what, such as {@code file-}
   */
  public static String next(String prefix) {
    StringBuilder id = new StringBuilder(prefix);
    for (int i = 0; i < LENGTH; i++) {
      id.append(LETTERS.charAt(RANDOM.nextInt(LETTERS.length())));
    }
    return id.toString();
  }
}
