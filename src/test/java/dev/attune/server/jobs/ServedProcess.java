package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A {@link ServerChild} in a process of its own, which is killed when this is closed. */
final class ServedProcess implements AutoCloseable {
  /** Of one that is killed soon: it answers in half of the time. */
  static final String[] SHORT_LIVED = {"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"};

  private final Process process;
  private final URI address;

  /**
   * Starts one, and returns when it answers.
   *
   * @param scratch the folder that {@link JobsTrial#makeBases} has filled; what the server says is
   *     added to its {@code errors.txt}
   * @param heap the most of Java's memory, such as {@code 512m}
   * @param options more of Java's
   */
  ServedProcess(Path scratch, String heap, String... options) throws IOException {
    Path errors = log(scratch);
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin/java").toString());
    command.add("-Xmx" + heap);
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(ServerChild.class.getName(), scratch.toString()));
    process =
        new ProcessBuilder(command)
            .redirectError(ProcessBuilder.Redirect.appendTo(errors.toFile()))
            .start();
    String line =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
            .readLine();
    assertTrue(line != null, () -> "the server does not start: " + read(errors));
    address = URI.create(line);
  }

  /** What servers of a folder have said. */
  static Path log(Path scratch) {
    return scratch.resolve("errors.txt");
  }

  static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  URI address() {
    return address;
  }

  /**
   * A line of what Linux says of its memory, in KiB.
   *
   * @param name such as {@code VmRSS}
   */
  long memory(String name) throws IOException {
    return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status")).stream()
        .filter(line -> line.startsWith(name + ":"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }

  /**
   * Kills it a while from now.
   *
   * @param mostMillis the end of that while, which is drawn
   * @return done when it has gone
   */
  CompletableFuture<Void> killSoon(Random random, int mostMillis) {
    return CompletableFuture.runAsync(
        this::close,
        CompletableFuture.delayedExecutor(random.nextInt(mostMillis), TimeUnit.MILLISECONDS));
  }

  /**
   * Asks it for one thing after the other until it has gone: it is killed soon after some of them.
   *
   * @param mostDone how many are done before that at the most, of which a number is drawn
   */
  void askUntilKilled(Random random, int mostDone, int mostMillis, Request request)
      throws Exception {
    CompletableFuture<Void> kill = null;
    int last = 1 + random.nextInt(mostDone);
    try {
      for (int done = 0; ; done++) {
        if (done == last) {
          kill = killSoon(random, mostMillis);
        }
        request.send();
      }
    } catch (IOException e) {
      if (kill == null) {
        throw e;
      }
      kill.join();
    }
  }

  /** What is asked of a server, and fails where there is none. */
  interface Request {
    void send() throws Exception;
  }

  /** Kills it, as {@code kill -9} does. */
  @Override
  public void close() {
    try {
      process.destroyForcibly().waitFor();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
