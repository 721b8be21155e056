package dev.attune.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.SelfSigned;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A hub of one's own, whose certificate no authority has signed. */
class HubTlsTest {
  private static final String PASSWORD = "changeit";

  @TempDir Path home;
  private Path keys;
  private FakeHub server;

  @BeforeEach
  void start() throws Exception {
    keys = home.resolve("keys.p12");
    server = new FakeHub(0, secrets(SelfSigned.write(keys, "hub", "EC", PASSWORD)));
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private static SSLContext secrets(KeyStore store) throws GeneralSecurityException {
    KeyManagerFactory managers =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(store, PASSWORD.toCharArray());
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(managers.getKeyManagers(), null, null);
    return context;
  }

  private int run(List<String> command, Path output) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().put("HF_HOME", home.resolve("hf").toString());
    builder.environment().put("HF_TOKEN", "hf_right");
    builder.environment().put("NO_PROXY", "127.0.0.1,localhost");
    builder.environment().put("HF_ENDPOINT", server.address());
    Process process = builder.start();
    assertTrue(process.waitFor(100, TimeUnit.SECONDS), "no end");
    return process.exitValue();
  }

  /** Pushes and fetches, with the command line's own main class in a Java of its own. */
  private int attune(List<String> options, Path output, String... words) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "dev.attune.cli.Main"));
    command.addAll(List.of(words));
    return run(command, output);
  }

  @Test
  void aCertificateInTheTrustStoreWillDoAndOneThatIsNotIsExplained() throws Exception {
    Path model;
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(home.resolve("model"), backend);
    }
    List<String> trusting =
        List.of(
            "-Djavax.net.ssl.trustStore=" + keys, "-Djavax.net.ssl.trustStorePassword=" + PASSWORD);
    Path output = home.resolve("out.txt");
    String[] push = {"push", model.toString(), "--repo", "my-org/tiny"};
    for (String[] command : List.of(push, new String[] {"hub", "fetch", "some-org/tiny"})) {
      assertTrue(attune(List.of(), output, command) > 0, () -> read(output));
      for (String part :
          List.of(
              "no secure connection to 127.0.0.1",
              "the certificate of a hub of your own",
              "-Djavax.net.ssl.trustStore=FILE")) {
        assertTrue(read(output).contains(part), () -> read(output));
      }
      assertFalse(read(output).contains("\tat "), () -> read(output));
    }
    assertEquals(0, attune(trusting, output, push), () -> read(output));
    assertEquals(0, attune(trusting, output, "hub", "fetch", "my-org/tiny"), () -> read(output));
    String[] lines = read(output).strip().split("\n");
    Path fetched = Path.of(lines[lines.length - 1]);
    for (String file : List.of("config.json", "model.safetensors", "vocab.txt")) {
      assertArrayEquals(
          Files.readAllBytes(model.resolve(file)), Files.readAllBytes(fetched.resolve(file)), file);
    }

    server.uploads.storeAddress =
        "http://localhost:" + server.storeAddress().replaceFirst(".*:", "");
    Files.writeString(model.resolve("vocab.txt"), "[PAD]\n".repeat(1000));
    assertEquals(1, attune(trusting, output, push), () -> read(output));
    assertTrue(read(output).contains("sent to localhost without encryption"), () -> read(output));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
