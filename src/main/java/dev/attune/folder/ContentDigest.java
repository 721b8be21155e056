package dev.attune.folder;

import dev.attune.core.InputException;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.CRC32C;

/**
 * Sixteen hex digits over the content of files: whether a run that is resumed starts from the same.
 *
 * <p>Every byte counts, at the speed of memory: a CRC-32C of each block of 64 KiB, which the JDK
 * computes by the processor's own instruction, then SHA-256 over names, sizes and all CRCs, cut to
 * 64 bits. One changed number is never missed (a CRC tells every change that lies within 32 bits);
 * changes in several places of one block are missed once in 2^32, those of n blocks once in 2^32n.
 * Like any CRC it guards against mistakes, not against forgery.
 */
public final class ContentDigest {
  private static final int BLOCK_BYTES = 1 << 16;
  private static final int READ_BYTES = 1 << 20;
  private static final int DIGITS = 16;

  private ContentDigest() {}

  /**
   * Of the model that a folder holds: config.json and the weights of its base, and of an adapter
   * its own with adapter_config.json.
   *
   * @param threads that read at a time
   */
  public static String ofModel(ModelFolder folder, int threads) {
    return ofModel(folder, List.of(), threads);
  }

  /**
   * The same with other files that say what the model computes.
   *
   * @param more some may be absent
   */
  public static String ofModel(ModelFolder folder, List<Path> more, int threads) {
    try {
      List<Path> files = new ArrayList<>(ModelFiles.weights(folder.base()));
      files.add(folder.base().resolve(ModelFiles.CONFIG));
      if (folder.isAdapter()) {
        files.addAll(ModelFiles.weights(folder.path()));
        files.add(folder.path().resolve(ModelFiles.ADAPTER_CONFIG));
      }
      more.stream().filter(Files::isRegularFile).forEach(files::add);
      return of(files, threads);
    } catch (IOException e) {
      throw new InputException(folder.base() + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Of the files that a tokenizer is made of. */
  public static String ofTokenizer(TextTokenizer tokenizer) {
    return ofFiles(tokenizer.folder(), TextTokenizer.FILES);
  }

  /** Of the named files of a folder that are there. */
  static String ofFiles(Path folder, List<String> names) {
    try {
      return of(names.stream().map(folder::resolve).filter(Files::isRegularFile).toList(), 1);
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Of texts, in order. */
  public static String ofTexts(List<String> texts) {
    MessageDigest all = sha256();
    for (String text : texts) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      all.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, bytes.length));
      all.update(bytes);
    }
    return digits(all);
  }

  private static String of(List<Path> files, int threads) throws IOException {
    MessageDigest all = sha256();
    for (Path file : files) {
      all.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        long size = channel.size();
        all.update(ByteBuffer.allocate(Long.BYTES).putLong(0, size));
        all.update(checksums(channel, size, threads));
      }
    }
    return digits(all);
  }

  /** The CRC-32C of every block, in order. */
  private static ByteBuffer checksums(FileChannel channel, long size, int threads)
      throws IOException {
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
    for (Thread thread : started) {
      join(thread);
    }
    if (!failures.isEmpty()) {
      throw new IOException(failures.get(0).getMessage(), failures.get(0));
    }
    ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(sums.length, Integer.BYTES));
    bytes.asIntBuffer().put(sums);
    return bytes;
  }

  private static void checksum(FileChannel channel, int reads, AtomicInteger next, int[] sums)
      throws IOException {
    ByteBuffer chunk = ByteBuffer.allocateDirect(READ_BYTES);
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

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UncheckedIOException(new IOException("interrupted", e));
    }
  }

  private static String digits(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest()).substring(0, DIGITS);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
