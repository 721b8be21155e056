package dev.attune.server.tls;

import dev.attune.core.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A certificate with those above it, and its private key, as PEM files. */
public final class PemFiles {
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----([^-]+)-----END \\1PRIVATE KEY-----");

  private static final List<String> KEY_KINDS = List.of("RSA", "EC", "EdDSA");

  private PemFiles() {}

  /**
   * Reads both, for a server.
   *
   * @param password that the key is kept under in the result
   * @throws InputException if they cannot be read or do not belong together
   */
  public static KeyStore read(Path certificate, Path key, String password) {
    List<? extends Certificate> chain = certificates(certificate);
    PrivateKey found = key(key);
    try {
      checkPair(chain.get(0), found, certificate, key);
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      store.setKeyEntry("server", found, password.toCharArray(), chain.toArray(Certificate[]::new));
      return store;
    } catch (GeneralSecurityException | IOException e) {
      throw new InputException(
          "the certificate " + certificate + " cannot be used: " + e.getMessage(), e);
    }
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e, e);
    }
  }

  private static List<? extends Certificate> certificates(Path file) {
    try {
      List<? extends Certificate> chain =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new ByteArrayInputStream(bytes(file)))
              .stream()
              .toList();
      if (chain.isEmpty()) {
        throw new InputException(file + " holds no certificate in the PEM format");
      }
      X509Certificate first = (X509Certificate) chain.get(0);
      if (first.getNotAfter().before(new Date())) {
        throw new InputException(
            "the certificate " + file + " expired on " + first.getNotAfter().toInstant());
      }
      return chain;
    } catch (GeneralSecurityException e) {
      throw new InputException(
          file + " holds no certificate in the PEM format: " + e.getMessage(), e);
    }
  }

  private static PrivateKey key(Path file) {
    Matcher key = KEY.matcher(new String(bytes(file), StandardCharsets.ISO_8859_1));
    if (!key.find()) {
      throw new InputException(file + " holds no private key in the PEM format");
    }
    String kind = key.group(1).strip();
    if (!kind.isEmpty()) {
      throw new InputException(
          file
              + " holds a private key in the form "
              + kind
              + "; PKCS#8 without a password is needed: openssl pkcs8 -topk8 -nocrypt -in "
              + file.getFileName()
              + " -out key.pem");
    }
    byte[] encoded;
    try {
      encoded = Base64.getMimeDecoder().decode(key.group(2));
    } catch (IllegalArgumentException e) {
      throw new InputException(file + " is damaged: its private key is no base64", e);
    }
    for (String one : KEY_KINDS) {
      try {
        return KeyFactory.getInstance(one).generatePrivate(new PKCS8EncodedKeySpec(encoded));
      } catch (GeneralSecurityException e) {
        // of another kind
      }
    }
    throw new InputException(
        file + " holds a private key that is none of " + String.join(", ", KEY_KINDS));
  }

  private static void checkPair(Certificate certificate, PrivateKey key, Path one, Path other)
      throws GeneralSecurityException {
    String kind = key.getAlgorithm();
    String way =
        switch (kind) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          default -> kind;
        };
    byte[] text = {1, 2, 3};
    boolean isPair = false;
    try {
      Signature signature = Signature.getInstance(way);
      signature.initSign(key);
      signature.update(text);
      byte[] signed = signature.sign();
      signature.initVerify(certificate.getPublicKey());
      signature.update(text);
      isPair = signature.verify(signed);
    } catch (GeneralSecurityException e) {
      // of another kind than the certificate's
    }
    if (!isPair) {
      throw new InputException("the private key " + other + " is not that of certificate " + one);
    }
  }
}
