package dev.attune.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void writeTheOldOne() throws IOException {
    file = folder.resolve("file.txt");
    AtomicFile.write(file, "old");
  }

  private List<Path> there() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @Test
  void aWriteThatFailsAnywhereLeavesTheOldContentOrTheNew() throws IOException {
    for (boolean dies : new boolean[] {false, true}) {
      boolean injected = true;
      int failAt = 1;
      for (; injected; failAt++) {
        AtomicFile.write(file, "old");
        FailingFiles failing = new FailingFiles(failAt, dies);
        boolean failed = false;
        String message = "";
        try {
          AtomicFile.write(file, "new and longer".getBytes("UTF-8"), failing);
        } catch (IOException e) {
          failed = true;
          message = e.getMessage();
        }
        injected = failing.reached();
        assertEquals(injected, failed, "operation " + failAt);
        boolean isNew = !failed || message.contains("is written");
        assertEquals(isNew ? "new and longer" : "old", Files.readString(file), message);
        if (!dies) {
          assertEquals(List.of(file), there(), "operation " + failAt);
        }
      }
      assertTrue(failAt > 5, "only " + failAt + " operations were made to fail");
    }
    AtomicFile.write(file, "last");
    assertEquals(List.of(file), there(), "what the killed ones left");
  }

  @Test
  void whatIsNotCommittedIsNotThere() throws IOException {
    try (AtomicFile out = AtomicFile.create(file)) {
      out.writer().write("half");
    }
    assertEquals("old", Files.readString(file));
    assertEquals(List.of(file), there());
  }

  @Test
  void whoEndsTheProcessTakesAwayWhatIsUnfinished() throws IOException {
    try (AtomicFile out = AtomicFile.create(file)) {
      out.writer().write("half");
      AtomicFile.deleteUnfinished();
      assertEquals(List.of(file), there());
      assertThrows(IOException.class, out::commit);
    }
    assertEquals("old", Files.readString(file));
  }

  @Test
  void twoWritersDoNotMix() throws IOException {
    try (AtomicFile first = AtomicFile.create(file);
        AtomicFile second = AtomicFile.create(file)) {
      first.writer().write("of the first");
      second.writer().write("of the second, longer");
      second.commit();
      assertEquals("of the second, longer", Files.readString(file));
      first.commit();
    }
    assertEquals("of the first", Files.readString(file));
    assertEquals(List.of(file), there());
  }

  @Test
  void anotherProcessThatIsAtWorkIsLeftAlone() throws Exception {
    Path theirs = Files.createFile(folder.resolve("file.txt.partial-1-1"));
    Process holder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                theirs.toString())
            .redirectErrorStream(true)
            .start();
    try {
      assertEquals('.', holder.getInputStream().read());
      AtomicFile.write(file, "ours");
      assertEquals(List.of(file, theirs), there());
    } finally {
      holder.destroyForcibly().waitFor();
    }
    AtomicFile.write(file, "ours again");
    assertEquals(List.of(file), there(), "it was killed");
  }

  @Test
  void anInterruptedWriteLeavesNothingAside() throws IOException {
    try (AtomicFile out = AtomicFile.create(file)) {
      Thread.currentThread().interrupt(); // which closes the channel at the next write
      out.stream().write(new byte[1 << 17]);
      fail("the write was not interrupted");
    } catch (ClosedByInterruptException e) {
      assertTrue(Thread.interrupted());
    }
    assertEquals("old", Files.readString(file));
    assertEquals(List.of(file), there());
  }

  @Test
  void textThatIsNoTextIsRefused() throws IOException {
    try (AtomicFile out = AtomicFile.create(file)) {
      assertThrows(
          CharacterCodingException.class,
          () -> {
            out.writer().write("\ud800 half a character");
            out.commit();
          });
    }
    assertEquals("old", Files.readString(file));
  }

  /** Holds a file's lock until it is killed. */
  static final class Holder {
    public static void main(String[] args) throws Exception {
      var channel =
          java.nio.channels.FileChannel.open(
              Path.of(args[0]), java.nio.file.StandardOpenOption.WRITE);
      channel.lock();
      System.out.print('.');
      System.out.flush();
      Thread.sleep(60_000);
    }
  }
}
