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

  /** By which the folder of an adapter says, in attune.json, what base it was made on. */
  public static final String BASE_CONTENT = "base_content";

  /**
   * What a run begins from.
   *
   * @param all see {@link #ofModel}
   * @param base see {@link #ofBase}
   */
  public record Contents(String all, String base) {}

  private ContentDigest() {}

  /**
   * Of the model that a folder holds: config.json and the weights of its base, and of an adapter
   * its own with adapter_config.json.
   *
   * @param more files that say what the model computes; some may be absent
   * @param threads that read at a time
   */
  public static String ofModel(ModelFolder folder, List<Path> more, int threads) {
    return contents(folder, more, threads).all();
  }

  /** Of the base that a folder holds or names: config.json and the weights, nothing of adapters. */
  public static String ofBase(ModelFolder folder, int threads) {
    try {
      List<Path> files = baseFiles(folder.base());
      return of(files, files.size(), threads).base();
    } catch (IOException e) {
      throw new InputException(folder.base() + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The files of a base whose bytes {@link #ofBase} reads. */
  public static List<Path> baseFiles(Path base) throws IOException {
    List<Path> files = new ArrayList<>(ModelFiles.weights(base));
    files.add(base.resolve(ModelFiles.CONFIG));
    return files;
  }

  /** {@link #ofModel} and {@link #ofBase}; the weights are read once. */
  public static Contents contents(ModelFolder folder, List<Path> more, int threads) {
    try {
      List<Path> files = baseFiles(folder.base());
      int ofBase = files.size();
      if (folder.isAdapter()) {
        files.addAll(ModelFiles.weights(folder.path()));
        files.add(folder.path().resolve(ModelFiles.ADAPTER_CONFIG));
      }
      more.stream().filter(Files::isRegularFile).forEach(files::add);
      return of(files, ofBase, threads);
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
      return of(names.stream().map(folder::resolve).filter(Files::isRegularFile).toList(), 0, 1)
          .all();
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

  private static Contents of(List<Path> files, int ofBase, int threads) throws IOException {
    MessageDigest all = sha256();
    String base = null;
    for (int i = 0; i < files.size(); i++) {
      Path file = files.get(i);
      all.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        long size = channel.size();
        all.update(ByteBuffer.allocate(Long.BYTES).putLong(0, size));
        all.update(BlockChecksums.of(channel, size, threads));
      }
      if (i + 1 == ofBase) {
        base = digitsSoFar(all);
      }
    }
    return new Contents(digits(all), base);
  }

  private static String digitsSoFar(MessageDigest digest) {
    try {
      return digits((MessageDigest) digest.clone());
    } catch (CloneNotSupportedException e) {
      throw new IllegalStateException("SHA-256 of every Java can be cloned", e);
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
