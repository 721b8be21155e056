package dev.attune.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InterruptedCallException;
import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Disks that fill up or fail, and interrupts: what has come is kept. */
class HubStorageTest extends HubTrial {
  @Test
  void aFullDiskIsSaidAndLosesNothing() throws Exception {
    server.model(NAME).commit("main", files());
    FileOps full =
        new FileOps() {
          private int left = 1_000_000;

          @Override
          public synchronized void write(FileChannel channel, ByteBuffer bytes) throws IOException {
            left -= bytes.remaining();
            if (left < 0) {
              throw new IOException("No space left on device");
            }
            super.write(channel, bytes);
          }
        };
    String message =
        assertThrows(
                UncheckedIOException.class,
                () -> fetch(full).model(HubName.ofModel(NAME).orElseThrow(), folder -> {}))
            .getMessage();
    assertTrue(message.contains("No space left on device"), message);
    assertTrue(message.contains("HF_HUB_CACHE"), message);
    Path partial =
        repository()
            .resolve("blobs")
            .resolve(FakeHub.etag(files().get("model.safetensors")) + ".attune.incomplete");
    long there = Files.size(partial);
    assertTrue(there > 0);
    server.requests.clear();
    assertWhole(model(NAME), files());
    assertTrue(server.requests.stream().anyMatch(r -> ("bytes=" + there + "-").equals(r.range())));
  }

  @Test
  void everyFailureOfTheDiskLeavesACacheThatIsWholeTheNextTime() throws Exception {
    Map<String, byte[]> files = files();
    files.put("model.safetensors", bytes(9000, 2));
    server.model(NAME).commit("main", files);
    for (int at = 1; at < 200; at += 1 + at / 8) {
      FileOps.SYSTEM.deleteTree(home.resolve("hub"));
      FailingFiles failing = new FailingFiles(at, true);
      try {
        fetch(failing).model(HubName.ofModel(NAME).orElseThrow(), folder -> {});
        assertTrue(at > 20, "it has more than " + at + " operations");
        return;
      } catch (UncheckedIOException e) {
        assertTrue(e.getMessage().contains("injected"), e::getMessage);
      }
      try (Stream<Path> blobs = files(repository().resolve("blobs"))) {
        for (Path blob : blobs.toList()) {
          String name = blob.getFileName().toString();
          if (!name.endsWith(".incomplete")) {
            assertEquals(name, FakeHub.etag(Files.readAllBytes(blob)), "whole or not there");
          }
        }
      }
      model(NAME);
      Path folder = model(NAME);
      for (String name : WANTED) {
        assertArrayEquals(files.get(name), Files.readAllBytes(folder.resolve(name)), name);
      }
    }
    throw new AssertionError("it never came to an end");
  }

  private static Stream<Path> files(Path folder) throws IOException {
    return Files.isDirectory(folder) ? Files.list(folder) : Stream.empty();
  }

  @Test
  void anInterruptEndsItAndTheNextTimeGoesOn() throws Exception {
    server.model(NAME).commit("main", files());
    server.bytesPerSecond = 500_000;
    Thread caller = Thread.currentThread();
    Progress progress =
        new Progress() {
          @Override
          public void report(String message) {}

          @Override
          public void transferred(long doneBytes, long totalBytes, double bytesPerSecond) {
            if (doneBytes > 300_000) {
              caller.interrupt();
            }
          }
        };
    HubFetch fetch = new HubFetch(settings(), FileOps.SYSTEM, pauses::add, progress);
    assertThrows(
        InterruptedCallException.class,
        () -> fetch.model(HubName.ofModel(NAME).orElseThrow(), folder -> {}));
    assertTrue(Thread.interrupted(), "the flag is set again");
    server.bytesPerSecond = 0;
    server.requests.clear();
    assertWhole(model(NAME), files());
    assertTrue(
        server.requests.stream().anyMatch(request -> request.range() != null),
        server.requests::toString);
  }
}
