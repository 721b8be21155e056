package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.server.AttuneServer;
import dev.attune.server.data.DataCheck;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A server in a process of its own whose data lie on a file system of some MiB in memory, which can
 * be filled up. It ends with this.
 */
final class SmallDisk implements AutoCloseable {
  private static final int MEBIBYTES = 48;
  private static final String MOUNT = "mount -t tmpfs -o size=" + MEBIBYTES + "m none \"$1\"";

  private final Process process;
  private final BufferedReader said;
  private final PrintStream told;
  private final URI address;

  /**
   * Starts one, and returns when it answers.
   *
   * @param scratch the folder that {@link JobsTrial#makeBases} has filled, with the data of a
   *     server that has ended, which this one begins from a copy of
   */
  SmallDisk(Path scratch) throws IOException {
    Path small = Files.createDirectories(scratch.resolve("small"));
    List<String> command = new ArrayList<>(List.of("unshare", "--mount", "--map-root-user"));
    String script = MOUNT + " && cp -r \"$2\"/. \"$1\" && shift 2 && exec \"$@\"";
    command.addAll(List.of("sh", "-c", script, "sh", small.toString()));
    command.add(scratch.resolve("data").toString());
    command.add(Path.of(System.getProperty("java.home"), "bin/java").toString());
    command.addAll(List.of(ServedProcess.SHORT_LIVED));
    command.addAll(List.of("-Xmx512m", "-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(SmallDisk.class.getName(), scratch.toString(), small.toString()));
    process =
        new ProcessBuilder(command)
            .redirectError(ProcessBuilder.Redirect.appendTo(ServedProcess.log(scratch).toFile()))
            .start();
    said =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    told = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
    String line = said.readLine();
    assertTrue(line != null, () -> ServedProcess.read(ServedProcess.log(scratch)));
    address = URI.create(line);
  }

  /** Whether there can be one here: who may not mount a file system, even for himself, has none. */
  static boolean isPossible(Path scratch) throws IOException, InterruptedException {
    Path probe = Files.createDirectories(scratch.resolve("probe"));
    try {
      return new ProcessBuilder(
                  "unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT, "sh", "" + probe)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) { // there is no such command
      return false;
    }
  }

  URI address() {
    return address;
  }

  /** A copy, which is readable from here, of a file of the server's. */
  Path copy(String path) throws IOException {
    return Path.of(ask(path));
  }

  private String ask(String what) throws IOException {
    told.println(what);
    return said.readLine();
  }

  /** Leaves no byte free. */
  void fill() throws IOException {
    assertEquals("done", ask("fill"));
  }

  /** Frees what {@link #fill} took. */
  void free() throws IOException {
    assertEquals("done", ask("free"));
  }

  /** Ends the server; says what is wrong with its data, which is nothing where it is empty. */
  String problems() throws IOException {
    return ask("check");
  }

  @Override
  public void close() {
    try {
      process.destroyForcibly().waitFor();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Serves, and does what it is told.
   *
   * @param arguments the folder with the bases, and that of the data
   */
  public static void main(String[] arguments) throws IOException {
    Path scratch = Path.of(arguments[0]);
    Path small = Path.of(arguments[1]);
    AttuneServer server = AttuneServer.start(JobsTrial.config(scratch).dataDir(small));
    System.out.println(server.address());
    BufferedReader orders =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Path filler = small.resolve("filler");
    for (String order = orders.readLine(); order != null; order = orders.readLine()) {
      switch (order) {
        case "fill" -> fill(filler);
        case "free" -> Files.delete(filler);
        case "check" -> {
          server.close();
          System.out.println(String.join("; ", DataCheck.of(small)));
        }
        default -> System.out.println(Files.copy(small.resolve(order), scratch.resolve("copy")));
      }
      if (order.equals("fill") || order.equals("free")) {
        System.out.println("done");
      }
    }
  }

  private static void fill(Path filler) throws IOException {
    try (OutputStream out = Files.newOutputStream(filler)) {
      byte[] piece = new byte[4096];
      while (true) {
        out.write(piece);
      }
    } catch (IOException e) {
      if (!String.valueOf(e.getMessage()).contains("No space left")) {
        throw e;
      }
    }
  }
}
