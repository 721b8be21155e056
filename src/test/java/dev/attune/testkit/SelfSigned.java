package dev.attune.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;

/** Keys of {@code localhost} with certificates that no authority has signed. */
public final class SelfSigned {
  private SelfSigned() {}

  /**
   * Makes a key and its certificate by Java's own {@code keytool}.
   *
   * @param file the store to write, which holds them alone
   * @param kind of the key, such as {@code EC}
   */
  public static KeyStore write(Path file, String alias, String kind, String password)
      throws Exception {
    Path said = Files.createTempFile(file.getParent(), "keytool", ".txt");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                alias,
                "-keyalg",
                kind,
                "-dname",
                "CN=localhost",
                "-ext",
                "san=dns:localhost,ip:127.0.0.1",
                "-validity",
                "2",
                "-storetype",
                "PKCS12",
                "-storepass",
                password,
                "-keystore",
                file.toString())
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    assertEquals(0, keytool.waitFor(), () -> file + " was not made, see " + said);
    return KeyStore.getInstance(file.toFile(), password.toCharArray());
  }
}
