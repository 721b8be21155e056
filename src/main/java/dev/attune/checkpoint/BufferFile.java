package dev.attune.checkpoint;

import dev.attune.core.Chunk;
import dev.attune.core.FileOps;
import dev.attune.memory.Buffer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A buffer as a file of its bytes. Whole blocks go from the buffer's memory to the disk and are
 * read back from there, not from the memory of the file system, where there is such a way: a thread
 * beside those that train hardly gets to copying, and what is read back is what the disk has.
 */
final class BufferFile {
  /** Smaller files are written with the help of the file system's memory. */
  static final int LEAST_DIRECT = 1 << 16;

  /** Of a buffer that the host can address: each piece waits once for the disk. */
  private static final long PIECE = 32L << 20;

  /** What a manifest says of a file. */
  record Written(long sizeBytes, long crc) {}

  private BufferFile() {}

  /** Writes and syncs a new file. */
  static Written write(Path file, Buffer buffer, FileOps files) throws IOException {
    CRC32C crc = new CRC32C();
    try (FileChannel channel = files.create(file);
        Chunk lent = Chunk.borrow()) {
      long done = 0;
      if (buffer.sizeBytes() >= LEAST_DIRECT) {
        try (FileChannel direct = files.openDirect(file)) {
          if (direct != null) {
            done = buffer.sizeBytes() / Chunk.ALIGNMENT * Chunk.ALIGNMENT;
            write(buffer, 0, done, direct, lent.bytes(), crc, files);
          }
        }
      }
      write(buffer, done, buffer.sizeBytes(), channel.position(done), lent.bytes(), crc, files);
      files.sync(channel);
    }
    return new Written(buffer.sizeBytes(), crc.getValue());
  }

  private static void write(
      Buffer buffer,
      long from,
      long to,
      FileChannel channel,
      ByteBuffer chunk,
      CRC32C crc,
      FileOps files)
      throws IOException {
    for (long at = from; at < to; ) {
      ByteBuffer piece = buffer.view(at, Math.min(PIECE, to - at));
      if (piece == null || piece.alignmentOffset(0, Chunk.ALIGNMENT) != 0) {
        piece = chunk.clear().limit((int) Math.min(Chunk.BYTES, to - at));
        buffer.read(at, piece);
        piece.flip();
      }
      at += piece.remaining();
      crc.update(piece.duplicate());
      files.write(channel, piece);
    }
  }

  /** CRC-32C of files, one after the other. */
  static List<Long> checksums(List<Path> files) throws IOException {
    List<Long> sums = new ArrayList<>();
    try (Chunk lent = Chunk.borrow()) {
      for (Path file : files) {
        CRC32C crc = new CRC32C();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
          checksumFrom(channel, lent.bytes(), crc);
        }
        sums.add(crc.getValue());
      }
    }
    return sums;
  }

  private static void checksumFrom(FileChannel channel, ByteBuffer chunk, CRC32C crc)
      throws IOException {
    while (channel.read(chunk.clear()) >= 0) {
      crc.update(chunk.flip());
    }
  }

  /**
   * CRC-32C of files that were just written, as the disk has them where that can be asked. All at
   * once, each on a thread of its own: one at a time would wait for the disk at every piece.
   *
   * @param ops open them
   */
  static List<Long> checksumsOnDisk(List<Path> files, FileOps ops) throws IOException {
    List<Chunk> lent = files.stream().map(file -> Chunk.borrow()).toList();
    List<Reader> readers = new ArrayList<>();
    try {
      for (int i = 0; i < files.size(); i++) {
        readers.add(new Reader(files.get(i), lent.get(i).bytes(), ops));
      }
      readers.forEach(Reader::start);
    } finally {
      readers.forEach(Reader::join);
      lent.forEach(Chunk::close);
    }
    List<Long> sums = new ArrayList<>();
    for (Reader reader : readers) {
      sums.add(reader.sum());
    }
    return sums;
  }

  private static final class Reader {
    private final Thread thread;
    private long sum;
    private Throwable failure; // null: there is a sum

    Reader(Path file, ByteBuffer chunk, FileOps ops) {
      thread =
          new Thread(
              () -> {
                try {
                  sum = checksumOnDisk(file, chunk, ops);
                } catch (IOException | RuntimeException | Error e) {
                  failure = e;
                }
              },
              "attune-verify");
      thread.setDaemon(true);
    }

    void start() {
      thread.start();
    }

    /** Waits for its end, also while this thread is interrupted, which it is still told of. */
    void join() {
      boolean isInterrupted = false;
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          isInterrupted = true;
        }
      }
      if (isInterrupted) {
        Thread.currentThread().interrupt();
      }
    }

    long sum() throws IOException {
      if (failure instanceof IOException e) {
        throw e;
      }
      if (failure instanceof Error e) {
        throw e;
      }
      if (failure != null) {
        throw (RuntimeException) failure;
      }
      return sum;
    }
  }

  private static long checksumOnDisk(Path file, ByteBuffer chunk, FileOps ops) throws IOException {
    CRC32C crc = new CRC32C();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (channel.size() >= LEAST_DIRECT) {
        channel.position(checksumDirect(file, channel.size(), chunk, crc, ops));
      }
      checksumFrom(channel, chunk, crc);
    }
    return crc.getValue();
  }

  /** Of whole blocks from the beginning; returns how many bytes those are. */
  private static long checksumDirect(
      Path file, long size, ByteBuffer chunk, CRC32C crc, FileOps ops) throws IOException {
    long done = 0;
    try (FileChannel direct = ops.openDirectToRead(file)) {
      long blocks = direct == null ? 0 : size / Chunk.ALIGNMENT * Chunk.ALIGNMENT;
      while (done < blocks) {
        int count = direct.read(chunk.clear().limit((int) Math.min(Chunk.BYTES, blocks - done)));
        if (count <= 0 || count % Chunk.ALIGNMENT != 0) {
          throw new IOException(file.getFileName() + " became shorter while it was read");
        }
        crc.update(chunk.flip());
        done += count;
      }
    }
    return done;
  }
}
