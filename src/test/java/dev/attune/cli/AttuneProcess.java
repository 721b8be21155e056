package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** Runs the real {@code ./attune} as a child process. */
final class AttuneProcess {
  private static final int TIMEOUT_SECONDS = 300;

  /** A term in a message that the command line has not put its word to. */
  private static final Pattern UNWORDED = Pattern.compile("‹[a-z0-9 ]+[=›]");

  /** How it ended. */
  record Ended(int status, String out, String err) {
    /** The object that {@code --json} prints last. */
    JsonNode json() {
      String[] lines = out.strip().split("\n");
      try {
        return new ObjectMapper().readTree(lines[lines.length - 1]);
      } catch (IOException e) {
        throw new UncheckedIOException("no JSON at the end of: " + out + err, e);
      }
    }
  }

  private final Process process;
  private final Path out;
  private final Path err;

  private AttuneProcess(Process process, Path out, Path err) {
    this.process = process;
    this.out = out;
    this.err = err;
  }

  /** A command line with more options, which take the place of those of their names. */
  static String[] with(List<String> words, String... more) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < words.size(); i++) {
      boolean isReplaced = words.get(i).startsWith("--") && List.of(more).contains(words.get(i));
      if (!isReplaced) {
        out.add(words.get(i));
      } else if (i + 1 < words.size() && !words.get(i + 1).startsWith("--")) {
        i++; // its value
      }
    }
    out.addAll(List.of(more));
    return out.toArray(String[]::new);
  }

  /** Lines that a run has written of its steps. */
  static int steps(Path output) {
    Path file = output.resolve("metrics.jsonl");
    try {
      return Files.exists(file) ? (int) Files.readString(file).lines().count() : 0;
    } catch (IOException e) {
      return 0;
    }
  }

  /**
   * Trains to the end though it is killed on the way, and goes on each time.
   *
   * @param output the folder that the command names
   * @param kills at most, each after some steps more than there were
   * @param mostSteps of those, of which a number is drawn
   */
  static void killAndResume(
      Path scratch, Path output, Random random, int kills, int mostSteps, String... command)
      throws InterruptedException {
    boolean finished = false;
    int killed = 0;
    for (int attempt = 0; attempt < 3 * kills && !finished; attempt++) {
      List<String> words = new ArrayList<>(List.of(command));
      if (attempt > 0) {
        words.add("--resume");
      }
      AttuneProcess process = start(scratch, List.of(), words.toArray(String[]::new));
      if (killed < kills) {
        int target = steps(output) + 1 + random.nextInt(mostSteps);
        while (process.isAlive() && steps(output) < target) {
          Thread.sleep(2);
        }
        if (process.isAlive()) {
          process.kill();
          killed++;
        }
      }
      finished = process.await().status() == 0;
    }
    assertTrue(finished, "the run has not ended");
    assertTrue(killed > 0, "the run was never killed");
  }

  /** Runs to the end. */
  static Ended run(Path scratch, String... arguments) {
    return start(scratch, List.of(), arguments).await();
  }

  /**
   * Starts a process whose output goes to files in {@code scratch}.
   *
   * @param prefix words before the command, such as a shell that sets a limit
   */
  static AttuneProcess start(Path scratch, List<String> prefix, String... arguments) {
    try {
      Path out = Files.createTempFile(scratch, "out", ".txt");
      Path err = Files.createTempFile(scratch, "err", ".txt");
      List<String> words = new ArrayList<>(prefix);
      words.add(Path.of("attune").toAbsolutePath().toString());
      words.addAll(List.of(arguments));
      ProcessBuilder builder =
          new ProcessBuilder(words).redirectOutput(out.toFile()).redirectError(err.toFile());
      // The build that runs this test has compiled everything already.
      builder.environment().put("ATTUNE_NO_BUILD", "1");
      builder.environment().remove("ATTUNE_ISA");
      return new AttuneProcess(builder.start(), out, err);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Waits until it has said something on standard error. */
  void awaitError(String text) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
    while (!read(err).contains(text)) {
      if (!isAlive() || System.nanoTime() > end) {
        throw new IllegalStateException("it never said '" + text + "': " + read(err));
      }
      try {
        Thread.sleep(2);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Sends SIGKILL: nothing in the process can react. */
  void kill() {
    process.destroyForcibly();
  }

  /** Sends SIGTERM, as a system does that shuts down. */
  void terminate() {
    process.destroy();
  }

  /** Sends SIGINT, as Ctrl-C does. */
  void interrupt() {
    try {
      new ProcessBuilder("kill", "-INT", Long.toString(pid())).start().waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  Ended await() {
    try {
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IllegalStateException("no end after " + TIMEOUT_SECONDS + " s: " + read(err));
      }
      Ended ended = new Ended(process.exitValue(), read(out), read(err));
      assertFalse(UNWORDED.matcher(ended.out() + ended.err()).find(), ended::toString);
      return ended;
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
