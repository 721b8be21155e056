package dev.attune.folder;

import dev.attune.core.BlockChecksums;
import dev.attune.core.InputException;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
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
  private static final int DIGITS = 16;

  private ContentDigest() {}

  /**
   * Of the model that a folder holds: config.json and the weights of its base, and of an adapter
   * its own with adapter_config.json.
   *
   * @param more files that say what the model computes; some may be absent
   * @param threads that read at a time
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
        all.update(BlockChecksums.of(channel, size, threads));
      }
    }
    return digits(all);
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
