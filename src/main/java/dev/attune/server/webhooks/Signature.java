package dev.attune.server.webhooks;

import dev.attune.core.InputException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signatures as Standard Webhooks has them. */
public final class Signature {
  private static final String PREFIX = "whsec_";
  private static final int SECRET_BYTES = 32;
  private static final int LEAST_BYTES = 24;

  private Signature() {}

  /** A new secret: {@code whsec_} and base64. */
  static String newSecret() {
    byte[] bytes = new byte[SECRET_BYTES];
    new SecureRandom().nextBytes(bytes);
    return PREFIX + Base64.getEncoder().encodeToString(bytes);
  }

  /**
   * Refuses what is no secret.
   *
   * @throws InputException saying what one is; it does not name the value
   */
  public static void check(String secret) {
    key(secret);
  }

  private static byte[] key(String secret) {
    if (secret != null && secret.startsWith(PREFIX)) {
      try {
        byte[] key = Base64.getDecoder().decode(secret.substring(PREFIX.length()));
        if (key.length >= LEAST_BYTES) {
          return key;
        }
      } catch (IllegalArgumentException e) {
        // said below
      }
    }
    throw new InputException(
        "a webhook's secret is "
            + PREFIX
            + " and the base64 of at least "
            + LEAST_BYTES
            + " bytes");
  }

  /** What the header {@code webhook-signature} says. */
  static String of(String secret, String id, long timestamp, byte[] body) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key(secret), "HmacSHA256"));
      mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
      return "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }
}
