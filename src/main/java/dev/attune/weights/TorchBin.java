package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * A pytorch_model.bin as {@code torch.save} has written it since PyTorch 1.6, a ZIP archive of one
 * pickle and one uncompressed entry for each storage; or as it wrote it before, pickles followed by
 * the storages. Tensors may share storages and have strides.
 */
public final class TorchBin implements WeightSource {
  private static final int MAX_PICKLE_BYTES = 32 << 20;
  private static final int CHUNK_BYTES = 1 << 20;
  private static final String PICKLE = "/data.pkl";

  /** The first pickle of the older format: a number. */
  private static final byte[] OLDER = HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa850192e");

  /** Opens what a storage holds. */
  private interface Storage {
    InputStream open() throws IOException;
  }

  private final Path file;
  private final ZipFile zip; // null: the older format
  private final long sizeBytes;
  private final Map<String, TensorPickle.TensorRef> tensors;
  private final Map<String, TensorInfo> infos = new LinkedHashMap<>();
  private final Map<String, Storage> storages = new HashMap<>();
  private boolean closed;

  private TorchBin(Path file, ZipFile zip) throws IOException {
    this.file = file;
    this.zip = zip;
    this.sizeBytes = Files.size(file);
    String root = null;
    ZipEntry pickle = null;
    for (ZipEntry entry : Collections.list(zip.entries())) {
      String name = entry.getName();
      if (name.endsWith(PICKLE) && name.indexOf('/') == name.length() - PICKLE.length()) {
        pickle = entry;
        root = name.substring(0, name.length() - PICKLE.length());
      }
    }
    if (pickle == null) {
      throw Messages.bad(file, "is a ZIP archive without data.pkl; is this a PyTorch file?");
    }
    requireLittleEndian(root);
    if (!isStored(pickle, pickle.getSize())) {
      throw Messages.bad(
          file,
          "its data.pkl is compressed, or is not as long as the archive says; torch.save stores it"
              + " as it is");
    }
    tensors = TensorPickle.parse(file, readEntry(pickle, MAX_PICKLE_BYTES));
    for (Map.Entry<String, TensorPickle.TensorRef> tensor : tensors.entrySet()) {
      TensorPickle.StorageRef storage = tensor.getValue().storage();
      ZipEntry entry = zip.getEntry(root + "/data/" + storage.key());
      long bytes = storage.elements() * storage.type().bytes();
      if (entry == null || !isStored(entry, bytes)) {
        throw Messages.bad(
            file,
            "tensor %s needs a stored entry data/%s of %d bytes; the archive has %s",
            Messages.shown(tensor.getKey()),
            Messages.shown(storage.key()),
            bytes,
            entry == null ? "none" : "one of " + entry.getSize());
      }
      storages.put(storage.key(), () -> zip.getInputStream(entry));
    }
    describe();
  }

  /** Of the older format. */
  private TorchBin(Path file) throws IOException {
    this.file = file;
    this.zip = null;
    this.sizeBytes = Files.size(file);
    TensorPickle.Older older;
    try (InputStream in = Files.newInputStream(file)) {
      older = TensorPickle.older(file, in.readNBytes(MAX_PICKLE_BYTES), OLDER.length);
    }
    this.tensors = older.tensors();
    long at = older.end();
    for (TensorPickle.StorageRef storage : older.storages()) {
      long begin = at + Long.BYTES; // behind the number of its elements
      at = begin + storage.elements() * storage.type().bytes();
      if (storage.elements() > sizeBytes || at > sizeBytes) {
        throw Messages.bad(file, "ends early; copy or download it again");
      }
      storages.put(storage.key(), () -> from(begin));
    }
    for (TensorPickle.TensorRef tensor : tensors.values()) {
      if (!storages.containsKey(tensor.storage().key())) {
        throw Messages.bad(file, "lacks the storage %s", Messages.shown(tensor.storage().key()));
      }
    }
    describe();
  }

  private InputStream from(long begin) throws IOException {
    FileChannel channel = FileChannel.open(file);
    channel.position(begin);
    return Channels.newInputStream(channel);
  }

  private void describe() {
    tensors.forEach(
        (name, tensor) ->
            infos.put(name, new TensorInfo(name, tensor.storage().type().name(), tensor.shape())));
  }

  /** Whether the archive holds so many bytes of it: what is read is never more than the file. */
  private boolean isStored(ZipEntry entry, long bytes) {
    return entry.getMethod() == ZipEntry.STORED
        && entry.getSize() == bytes
        && entry.getCompressedSize() == bytes
        && bytes <= sizeBytes;
  }

  /**
   * Opens a file.
   *
   * @throws InputException when it cannot be read, is damaged, or holds anything but a dictionary
   *     of tensors
   */
  public static TorchBin open(Path file) {
    ZipFile zip = null;
    TorchBin opened = null;
    try {
      if (isOlder(file)) {
        return new TorchBin(file);
      }
      zip = new ZipFile(file.toFile());
      opened = new TorchBin(file, zip);
      return opened;
    } catch (ZipException | IllegalArgumentException e) {
      throw new InputException(
          file + ": not a valid ZIP archive (" + e.getMessage() + "); copy or download it again",
          e);
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    } finally {
      if (opened == null) {
        closeQuietly(zip);
      }
    }
  }

  private static boolean isOlder(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] head = in.readNBytes(OLDER.length);
      boolean isZip = head.length >= 4 && head[0] == 'P' && head[1] == 'K';
      if (!isZip && !Arrays.equals(head, OLDER)) {
        throw Messages.bad(
            file,
            "is neither in the ZIP format of PyTorch 1.6 and later nor in the one before. Convert"
                + " it to safetensors where it came from");
      }
      return !isZip;
    }
  }

  private void requireLittleEndian(String root) throws IOException {
    ZipEntry order = zip.getEntry(root + "/byteorder");
    if (order != null && !new String(readEntry(order, 16), "US-ASCII").startsWith("little")) {
      throw Messages.bad(file, "was written on a big-endian machine, which is not supported");
    }
  }

  private byte[] readEntry(ZipEntry entry, int maxBytes) throws IOException {
    try (InputStream in = zip.getInputStream(entry)) {
      byte[] bytes = in.readNBytes(maxBytes + 1);
      if (bytes.length > maxBytes) {
        throw Messages.bad(
            file, "%s is larger than %d bytes", Messages.shown(entry.getName()), maxBytes);
      }
      return bytes;
    }
  }

  @Override
  public Set<String> names() {
    Check.state(!closed, "%s was closed", file);
    return Collections.unmodifiableSet(infos.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    Check.state(!closed, "%s was closed", file);
    TensorInfo info = infos.get(name);
    if (info == null) {
      throw Messages.unknown(file, name, infos.size());
    }
    return info;
  }

  @Override
  public void read(String name, long first, FloatBuffer out) {
    TensorInfo info = info(name);
    TensorPickle.TensorRef tensor = tensors.get(name);
    ElementType type = tensor.storage().type();
    if (!type.isFloat()) {
      throw Messages.bad(file, "tensor %s is not a float tensor", info);
    }
    Check.argument(
        first >= 0 && first <= info.elements() && out.remaining() <= info.elements() - first,
        "elements %d to %d are not inside %s",
        first,
        first + out.remaining(),
        info);
    int limit = out.limit();
    try (InputStream in = storages.get(tensor.storage().key()).open()) {
      if (isContiguous(tensor)) {
        in.skipNBytes((tensor.offset() + first) * type.bytes());
        readRun(in, type, out, name);
      } else {
        gather(in, tensor, first, out, name);
      }
    } catch (ZipException | EOFException e) {
      throw new InputException(
          file + ": tensor " + Messages.shown(name) + " is damaged: " + e.getMessage(), e);
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    } finally {
      out.limit(limit);
    }
  }

  private static void readRun(InputStream in, ElementType type, FloatBuffer out, String name)
      throws IOException {
    int limit = out.limit();
    byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, (long) out.remaining() * type.bytes())];
    while (out.position() < limit) {
      int count = Math.min(chunk.length / type.bytes(), limit - out.position());
      if (in.readNBytes(chunk, 0, count * type.bytes()) < count * type.bytes()) {
        throw new EOFException("its storage ends early");
      }
      out.limit(out.position() + count);
      type.toFloats(ByteBuffer.wrap(chunk), out, name);
    }
  }

  // Transposed and expanded tensors are rare and small: their storage is read whole.
  private void gather(
      InputStream in, TensorPickle.TensorRef tensor, long first, FloatBuffer out, String name)
      throws IOException {
    TensorPickle.StorageRef storage = tensor.storage();
    if (storage.elements() > Integer.MAX_VALUE / 8) {
      throw Messages.bad(
          file,
          "tensor %s is a strided view of %d elements, too many; save it contiguous",
          Messages.shown(name),
          storage.elements());
    }
    FloatBuffer all =
        ByteBuffer.allocateDirect(4 * (int) storage.elements())
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
    readRun(in, storage.type(), all, name);
    long[] shape = tensor.shape();
    for (long element = first; out.hasRemaining(); element++) {
      long rest = element;
      long position = tensor.offset();
      for (int dim = shape.length - 1; dim >= 0; dim--) {
        position += rest % shape[dim] * tensor.strides()[dim];
        rest /= shape[dim];
      }
      out.put(all.get((int) position));
    }
  }

  private static boolean isContiguous(TensorPickle.TensorRef tensor) {
    long expected = 1;
    for (int dim = tensor.shape().length - 1; dim >= 0; dim--) {
      if (tensor.shape()[dim] != 1 && tensor.strides()[dim] != expected) {
        return false;
      }
      expected *= tensor.shape()[dim];
    }
    return true;
  }

  @Override
  public void close() {
    closed = true;
    closeQuietly(zip);
  }

  private static void closeQuietly(ZipFile zip) {
    try {
      if (zip != null) {
        zip.close();
      }
    } catch (IOException e) {
      // Nothing was written, so nothing can be lost.
    }
  }
}
