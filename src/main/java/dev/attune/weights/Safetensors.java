package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.Set;

/**
 * A safetensors file: an 8-byte little-endian header length, a JSON header, the data. Opened and
 * fully validated at once, then read through memory maps.
 */
public final class Safetensors implements WeightSource {
  private static final int WINDOW_BITS = 30;
  private static final long WINDOW = 1L << WINDOW_BITS;
  private static final int MAX_ELEMENT_BYTES = 8;

  private final Path file;
  private final SafetensorsHeader header;
  private final FileChannel channel;
  private final long sizeBytes;
  private final MappedByteBuffer[] windows;

  private Safetensors(Path file, SafetensorsHeader header, FileChannel channel, long sizeBytes) {
    this.file = file;
    this.header = header;
    this.channel = channel;
    this.sizeBytes = sizeBytes;
    this.windows = new MappedByteBuffer[(int) ((sizeBytes + WINDOW - 1) >>> WINDOW_BITS)];
  }

  /**
   * Opens one file.
   *
   * @throws InputException when it cannot be read or is not a valid safetensors file; the message
   *     names the file, the tensor and the numbers
   */
  public static Safetensors open(Path file) {
    if (Files.isDirectory(file)) {
      throw Messages.bad(file, "is a folder; expected a .safetensors file");
    }
    FileChannel channel = null;
    Safetensors opened = null;
    try {
      channel = FileChannel.open(file, StandardOpenOption.READ);
      long sizeBytes = channel.size();
      SafetensorsHeader header = readHeader(file, channel, sizeBytes);
      opened = new Safetensors(file, header, channel, sizeBytes);
      return opened;
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    } finally {
      if (opened == null && channel != null) {
        closeQuietly(channel);
      }
    }
  }

  private static SafetensorsHeader readHeader(Path file, FileChannel channel, long sizeBytes)
      throws IOException {
    if (sizeBytes < 8) {
      throw Messages.bad(
          file,
          "only %d bytes long, a safetensors file has at least 8; was the download cut short?",
          sizeBytes);
    }
    ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    readFully(channel, length, 0);
    long headerBytes = length.getLong(0);
    if (headerBytes < 0 || headerBytes > SafetensorsHeader.MAX_BYTES) {
      throw Messages.bad(
          file,
          "header length %s is over the limit of %d; is this a safetensors file?",
          Long.toUnsignedString(headerBytes),
          SafetensorsHeader.MAX_BYTES);
    }
    if (headerBytes > sizeBytes - 8) {
      throw Messages.bad(
          file,
          "header length %d reaches beyond the end of the file (%d bytes); was the download cut"
              + " short?",
          headerBytes,
          sizeBytes);
    }
    ByteBuffer json = ByteBuffer.allocate((int) headerBytes);
    readFully(channel, json, 8);
    String text;
    try {
      text = Messages.utf8(json.flip());
    } catch (CharacterCodingException e) {
      throw Messages.bad(file, "the header is not valid UTF-8; is this a safetensors file?");
    }
    return SafetensorsHeader.parse(file, text, 8 + headerBytes, sizeBytes);
  }

  private static void readFully(FileChannel channel, ByteBuffer into, long position)
      throws IOException {
    while (into.hasRemaining()) {
      int count = channel.read(into, position + into.position());
      if (count < 0) {
        throw new IOException("it ended at byte " + (position + into.position()));
      }
    }
  }

  /** The {@code __metadata__} of the header; empty when there is none. */
  Map<String, String> metadata() {
    return header.metadata();
  }

  @Override
  public Set<String> names() {
    requireOpen();
    return Collections.unmodifiableSet(header.entries().keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return entry(name).info();
  }

  @Override
  public void read(String name, long first, FloatBuffer out) {
    SafetensorsHeader.Entry entry = entry(name);
    ElementType type = entry.type();
    if (!type.isFloat()) {
      throw Messages.bad(
          file,
          "tensor %s is %s; weights must be F32, F16, BF16 or F64. Quantised or integer tensors"
              + " cannot be trained: use the unquantised model",
          Messages.shown(name),
          type);
    }
    requireRange(entry, first, out.remaining());
    int limit = out.limit();
    long position = entry.begin() + first * type.bytes();
    try {
      while (out.position() < limit) {
        ByteBuffer window = windowAt(position);
        int count = Math.min(limit - out.position(), window.remaining() / type.bytes());
        out.limit(out.position() + count);
        type.toFloats(window, out, name);
        position += (long) count * type.bytes();
      }
    } catch (InternalError e) { // how the JVM reports a page that is gone
      throw new InputException(file + ": was cut short or replaced while it was being read", e);
    } finally {
      out.limit(limit);
    }
  }

  /**
   * A whole integer tensor (BOOL, U8, I8, I16, U16, I32, U32 or I64) of fewer than 2^28 elements.
   *
   * @throws InputException for an unknown name or another type
   */
  long[] readIntegers(String name) {
    SafetensorsHeader.Entry entry = entry(name);
    ElementType type = entry.type();
    if (!type.isInteger()) {
      throw Messages.bad(
          file, "tensor %s is %s; an integer type is needed here", Messages.shown(name), type);
    }
    long elements = entry.info().elements();
    Check.argument(elements < 1 << 28, "%s has %d elements: too many at once", name, elements);
    ByteBuffer bytes =
        ByteBuffer.allocate((int) elements * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    try {
      readFully(channel, bytes, entry.begin());
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    }
    long[] out = new long[(int) elements];
    for (int i = 0; i < out.length; i++) {
      out[i] = type.toLong(bytes, i);
    }
    return out;
  }

  @Override
  public void close() {
    closeQuietly(channel);
  }

  private static void closeQuietly(FileChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      // Nothing was written, so nothing can be lost.
    }
  }

  private SafetensorsHeader.Entry entry(String name) {
    requireOpen();
    SafetensorsHeader.Entry entry = header.entries().get(name);
    if (entry == null) {
      throw Messages.unknown(file, name, header.entries().size());
    }
    return entry;
  }

  private static void requireRange(SafetensorsHeader.Entry entry, long first, int count) {
    long elements = entry.info().elements();
    Check.argument(
        first >= 0 && first <= elements && count <= elements - first,
        "elements %d to %d are not inside %s",
        first,
        first + count,
        entry.info());
  }

  private void requireOpen() {
    Check.state(channel.isOpen(), "%s was closed", file);
  }

  /**
   * The file from {@code position} on, as far as its window goes. Windows overlap by one element,
   * so that an element that begins in a window ends in it: the data need not be aligned.
   */
  private synchronized ByteBuffer windowAt(long position) {
    int index = (int) (position >>> WINDOW_BITS);
    long start = (long) index << WINDOW_BITS;
    if (windows[index] == null) {
      long length = Math.min(WINDOW + MAX_ELEMENT_BYTES, sizeBytes - start);
      try {
        windows[index] = channel.map(FileChannel.MapMode.READ_ONLY, start, length);
      } catch (IOException e) {
        throw Messages.unreadable(file, e);
      }
    }
    return windows[index].duplicate().position((int) (position - start));
  }
}
