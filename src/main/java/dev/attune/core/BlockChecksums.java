package dev.attune.core;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;

/**
 * CRC-32C of each block of 64 KiB of a file, which the JDK computes by the processor's own
 * instruction, on several threads: what a digest of a large file is made of at the speed of memory.
 */
public final class BlockChecksums {
  private static final int BLOCK_BYTES = 1 << 16;
  private static final int READ_BYTES = Chunk.BYTES;

  private BlockChecksums() {}

  /**
   * The checksums in order, four bytes each.
   *
   * @param size bytes of the file
   * @param threads that read at a time
   * @throws InterruptedCallException if the thread is interrupted
   */
  public static ByteBuffer of(FileChannel channel, long size, int threads) throws IOException {
    int[] sums = new int[Math.toIntExact((size + BLOCK_BYTES - 1) / BLOCK_BYTES)];
    int reads = Math.toIntExact((size + READ_BYTES - 1) / READ_BYTES);
    AtomicInteger next = new AtomicInteger();
    int workers = Math.min(threads, reads);
    List<Thread> started = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    Runnable work =
        () -> {
          try {
            checksum(channel, reads, next, sums);
          } catch (IOException | RuntimeException | Error e) {
            next.set(reads); // the others end
            synchronized (failures) {
              failures.add(e);
            }
          }
        };
    for (int i = 1; i < workers; i++) {
      Thread thread = new Thread(work, "attune-digest-" + i);
      thread.setDaemon(true);
      thread.start();
      started.add(thread);
    }
    work.run();
    boolean interrupted = false;
    for (Thread thread : started) {
      interrupted |= join(thread, () -> next.set(reads));
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    InterruptedCallException.check("reading a file");
    if (!failures.isEmpty()) {
      throw new IOException(failures.get(0).getMessage(), failures.get(0));
    }
    ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(sums.length, Integer.BYTES));
    bytes.asIntBuffer().put(sums);
    return bytes;
  }

  private static void checksum(FileChannel channel, int reads, AtomicInteger next, int[] sums)
      throws IOException {
    try (Chunk lent = Chunk.borrow()) {
      ByteBuffer chunk = lent.bytes();
      CRC32C crc = new CRC32C();
      for (int read = next.getAndIncrement(); read < reads; read = next.getAndIncrement()) {
        long at = (long) read * READ_BYTES;
        chunk.clear();
        while (chunk.hasRemaining() && channel.read(chunk, at + chunk.position()) >= 0) {}
        int length = chunk.position();
        for (int block = 0; block * BLOCK_BYTES < length; block++) {
          int from = block * BLOCK_BYTES;
          crc.reset();
          crc.update(chunk.clear().position(from).limit(Math.min(from + BLOCK_BYTES, length)));
          sums[read * (READ_BYTES / BLOCK_BYTES) + block] = (int) crc.getValue();
        }
      }
    }
  }

  /** Waits for a thread, which ends soon once the others do; returns whether it was interrupted. */
  private static boolean join(Thread thread, Runnable onInterrupt) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        return interrupted;
      } catch (InterruptedException e) {
        interrupted = true;
        onInterrupt.run();
      }
    }
  }
}
