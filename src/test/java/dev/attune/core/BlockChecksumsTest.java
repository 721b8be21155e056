package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checksums of a file's blocks. */
class BlockChecksumsTest {
  private static final int BLOCK = 1 << 16;

  @TempDir private Path folder;

  private Path file(int bytes) throws IOException {
    byte[] content = new byte[bytes];
    new Random(1).nextBytes(content);
    return Files.write(folder.resolve("file"), content);
  }

  @Test
  void eachBlockHasItsOwnWhateverTheThreads() throws IOException {
    Path file = file(3_000_001);
    byte[] content = Files.readAllBytes(file);
    try (FileChannel channel = FileChannel.open(file)) {
      byte[] one = BlockChecksums.of(channel, content.length, 1).array();
      assertArrayEquals(one, BlockChecksums.of(channel, content.length, 3).array());
      assertEquals(4 * ((content.length + BLOCK - 1) / BLOCK), one.length);
      CRC32C last = new CRC32C();
      int from = content.length / BLOCK * BLOCK;
      last.update(content, from, content.length - from);
      int kept = ByteBuffer.wrap(one).getInt(one.length - 4);
      assertEquals((int) last.getValue(), kept);
    }
  }

  @Test
  void anInterruptEndsItInGoodOrder() throws IOException {
    Path file = file(8 << 20);
    try (FileChannel channel = FileChannel.open(file)) {
      Thread.currentThread().interrupt();
      assertThrows(
          InterruptedCallException.class, () -> BlockChecksums.of(channel, Files.size(file), 3));
      assertTrue(Thread.interrupted(), "the flag is set again");
    } finally {
      Thread.interrupted();
    }
  }
}
