package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A server in a process of its own, to be killed. */
final class TrainingChild {
  private TrainingChild() {}

  /** Starts one, which the trial's client asks from now on. */
  static Process begin(Path scratch, TrainingTrial trial) throws IOException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                TrainingChild.class.getName(),
                scratch.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String line =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
            .readLine();
    assertTrue(line != null, "the server does not start");
    trial.at(new Client(URI.create(line), null));
    return process;
  }

  /**
   * Serves until it is killed.
   *
   * @param arguments the folder that {@link TrainingTrial#makeBase} has filled
   */
  public static void main(String[] arguments) throws InterruptedException {
    AttuneServer server = AttuneServer.start(TrainingTrial.config(Path.of(arguments[0])));
    System.out.println(server.address());
    Thread.sleep(Long.MAX_VALUE);
  }
}
