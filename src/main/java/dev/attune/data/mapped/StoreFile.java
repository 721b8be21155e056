package dev.attune.data.mapped;

import dev.attune.core.Chunk;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** A file of a store in the making: appended to through a buffer, with the sums of its blocks. */
final class StoreFile implements AutoCloseable {
  private final FileOps files;
  private final Path file;
  private final FileChannel channel;
  private final Chunk lent;
  private ByteBuffer buffer;
  private final BlockSums sums = new BlockSums();
  private long sizeBytes;

  StoreFile(FileOps files, Path file) throws IOException {
    this.files = files;
    this.file = file;
    this.channel = files.create(file);
    this.lent = Chunk.borrow();
    this.buffer = lent.bytes().order(ByteOrder.LITTLE_ENDIAN);
  }

  Path file() {
    return file;
  }

  long sizeBytes() {
    return sizeBytes;
  }

  /** Of what was written, once it is closed. */
  BlockSums sums() {
    return sums;
  }

  void putInt(int value) {
    if (buffer.remaining() < Integer.BYTES) {
      flush();
    }
    buffer.putInt(value);
    sizeBytes += Integer.BYTES;
  }

  void putInts(int[] values, int from, int count) {
    int done = 0;
    while (done < count) {
      if (buffer.remaining() < Integer.BYTES) {
        flush();
      }
      int part = Math.min(count - done, buffer.remaining() / Integer.BYTES);
      buffer.asIntBuffer().put(values, from + done, part);
      buffer.position(buffer.position() + part * Integer.BYTES);
      done += part;
    }
    sizeBytes += (long) count * Integer.BYTES;
  }

  void put(byte[] bytes, int count) {
    int done = 0;
    while (done < count) {
      if (!buffer.hasRemaining()) {
        flush();
      }
      int part = Math.min(count - done, buffer.remaining());
      buffer.put(bytes, done, part);
      done += part;
    }
    sizeBytes += count;
  }

  private void flush() {
    buffer.flip();
    if (!buffer.hasRemaining()) {
      buffer.clear();
      return;
    }
    sums.add(buffer); // which is full, unless this is the end
    try {
      files.write(channel, buffer);
    } catch (IOException e) {
      throw StoreException.of(file + " cannot be written", e);
    }
    buffer.clear();
  }

  /** Writes what the buffer holds; what was written can be mapped from then on. */
  void finish() {
    if (channel.isOpen()) {
      flush();
      close();
    }
  }

  /** Closes it as it is. */
  @Override
  public void close() {
    buffer = ByteBuffer.allocate(0); // what was lent is another's from here on
    lent.close();
    try {
      channel.close();
    } catch (IOException e) {
      throw StoreException.of(file + " cannot be closed", e);
    }
  }
}
