package dev.attune.data.parquet;

import dev.attune.core.InputException;
import io.airlift.compress.MalformedInputException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The rows of a Parquet file, one row group in memory at a time. Values are those of JSON: String,
 * Integer, Long, Float, Double, Boolean, List, Map, null; times are ISO texts, decimals are
 * BigDecimal, and bytes that are no text {@link BinaryValue}.
 */
public final class ParquetFile implements AutoCloseable {
  private static final int MAGIC_BYTES = 4;
  private static final int TAIL_BYTES = 8;

  /** Of what is read in one go: a footer, or a column of a row group. */
  private static final long LARGEST = Integer.MAX_VALUE - 16;

  private static final int DATA_PAGE = 0;
  private static final int DICTIONARY_PAGE = 2;
  private static final int DATA_PAGE_V2 = 3;

  private final Path shown;
  private final FileChannel channel;
  private SchemaNode root;
  private List<SchemaNode> leaves;
  private List<Thrift.Struct> groups;
  private Map<String, String> metadata;
  private int nextGroup;
  private RowAssembly rows;
  private long rowsLeft;

  private ParquetFile(Path shown, FileChannel channel) {
    this.shown = shown;
    this.channel = channel;
  }

  /**
   * Opens a file.
   *
   * @param shown as messages name it
   * @param stored where it is
   * @throws InputException if it is not whole, or has what we cannot read, by name
   */
  public static ParquetFile open(Path shown, Path stored) {
    try {
      ParquetFile file = new ParquetFile(shown, FileChannel.open(stored, StandardOpenOption.READ));
      try {
        file.guarded(
            () -> {
              file.readFooter();
              return null;
            });
      } catch (InputException e) {
        file.close();
        throw e;
      }
      return file;
    } catch (IOException e) {
      throw new InputException(shown + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** What writers note of a file, such as "huggingface" and "pandas"; by key. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** The fields of the next row, or null at the end. */
  public Map<String, Object> next() {
    return guarded(
        () -> {
          while (rowsLeft == 0) {
            if (rows != null && !rows.isAtEnd()) {
              throw new DamagedException("a column with more values than rows");
            }
            if (nextGroup == groups.size()) {
              return null;
            }
            readGroup(groups.get(nextGroup++));
          }
          rowsLeft--;
          return rows.next();
        });
  }

  /** Does something with what the file says, which may be anything where it is damaged. */
  private <T> T guarded(Supplier<T> work) {
    try {
      return work.get();
    } catch (InputException e) {
      throw e;
    } catch (DamagedException
        | MalformedInputException
        | IndexOutOfBoundsException
        | ArithmeticException
        | IllegalArgumentException
        | NegativeArraySizeException
        | DateTimeException
        | BufferUnderflowException e) {
      throw new InputException(shown + " is a damaged Parquet file: " + e.getMessage(), e);
    }
  }

  private void readFooter() {
    long size = size();
    if (size < MAGIC_BYTES + TAIL_BYTES) {
      throw new DamagedException("it has only " + size + " bytes");
    }
    Bytes tail = new Bytes(bytes(size - TAIL_BYTES, TAIL_BYTES));
    long length = tail.littleEndian(4);
    String magic = new String(tail.take(4), StandardCharsets.ISO_8859_1);
    if (magic.equals("PARE")) {
      throw new InputException(shown + " is an encrypted Parquet file, which is not read");
    }
    if (!magic.equals("PAR1")) {
      throw new DamagedException("its end is missing; was it copied whole?");
    }
    if (length > size - TAIL_BYTES - MAGIC_BYTES) {
      throw new DamagedException("a footer of " + length + " bytes");
    }
    Thrift.Struct footer =
        new Thrift(new Bytes(bytes(size - TAIL_BYTES - length, length))).struct();
    root = SchemaNode.of(footer.structs(2));
    leaves = root.leafNodes();
    groups = footer.structs(4);
    metadata = new HashMap<>();
    for (Thrift.Struct entry : footer.structs(5)) {
      if (entry.has(1) && entry.has(2)) {
        metadata.put(entry.text(1), entry.text(2));
      }
    }
  }

  private void readGroup(Thrift.Struct group) {
    List<Thrift.Struct> chunks = group.structs(1);
    if (chunks.size() != leaves.size()) {
      throw new DamagedException("a row group with other columns");
    }
    rowsLeft = group.number(3, -1);
    if (rowsLeft < 0 || rowsLeft > Integer.MAX_VALUE) {
      throw new DamagedException("a row group of " + rowsLeft + " rows");
    }
    List<Column> columns = new ArrayList<>();
    for (int i = 0; i < chunks.size(); i++) {
      columns.add(column(leaves.get(i), chunks.get(i)));
    }
    rows = new RowAssembly(root, columns);
  }

  private Column column(SchemaNode node, Thrift.Struct chunk) {
    if (chunk.has(1)) {
      throw new InputException(
          shown + " keeps the column \"" + node.name() + "\" in another file, which is not read");
    }
    Thrift.Struct meta = chunk.struct(3);
    Codec codec = Codec.of(meta.small(4));
    if (!codec.isKnown()) {
      throw new InputException(
          shown
              + " is compressed with "
              + codec
              + ", which is not read. Write it with snappy, zstd, gzip, lz4_raw or none");
    }
    long begin = meta.number(9, -1);
    long dictionary = meta.number(11, 0);
    begin = dictionary > 0 ? Math.min(begin, dictionary) : begin;
    return new Chunk(node, codec, Math.toIntExact(meta.number(5, -1)))
        .read(new Bytes(bytes(begin, meta.number(7, -1))));
  }

  private long size() {
    try {
      return channel.size();
    } catch (IOException e) {
      throw new InputException(shown + " cannot be read: " + e.getMessage(), e);
    }
  }

  private byte[] bytes(long from, long count) {
    if (from < 0 || count < 0 || count > LARGEST || from + count > size()) {
      throw new DamagedException("a part beyond its end; was it copied whole?");
    }
    ByteBuffer buffer = ByteBuffer.allocate((int) count);
    try {
      while (buffer.hasRemaining() && channel.read(buffer, from + buffer.position()) >= 0) {
        // a read may give less than is wanted
      }
    } catch (IOException e) {
      throw new InputException(shown + " cannot be read: " + e.getMessage(), e);
    }
    if (buffer.hasRemaining()) {
      throw new DamagedException("it ends too early");
    }
    return buffer.array();
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new InputException(shown + " cannot be closed: " + e.getMessage(), e);
    }
  }

  /** Gathers the pages of one column of a row group. */
  private static final class Chunk {
    private final SchemaNode node;
    private final Codec codec;
    private final int total;
    private final List<int[]> repetitions = new ArrayList<>();
    private final List<int[]> definitions = new ArrayList<>();
    private final List<Object[]> values = new ArrayList<>();
    private Object[] dictionary;
    private int read;

    Chunk(SchemaNode node, Codec codec, int total) {
      this.node = node;
      this.codec = codec;
      this.total = total;
    }

    Column read(Bytes in) {
      while (read < total) {
        Thrift.Struct header = new Thrift(in).struct();
        byte[] page = in.take(header.small(3));
        int size = header.small(2);
        switch (header.small(1)) {
          case DICTIONARY_PAGE -> {
            int count = header.struct(7).small(1);
            dictionary =
                Encodings.plain(new Bytes(codec.decompress(page, size)), node.type(), count);
          }
          case DATA_PAGE -> first(header.struct(5), new Bytes(codec.decompress(page, size)));
          case DATA_PAGE_V2 -> second(header.struct(8), page, size);
          default -> {
            // an index, which says nothing about values
          }
        }
      }
      if (read != total) {
        throw new DamagedException("pages with more values than their column");
      }
      return new Column(
          node,
          joined(repetitions),
          joined(definitions),
          values.stream().flatMap(Arrays::stream).toArray());
    }

    /** Levels stand before the values and are compressed with them. */
    private void first(Thrift.Struct header, Bytes in) {
      int count = counted(header.small(1));
      if (header.small(3, Encodings.RLE) != Encodings.RLE
          || header.small(4, Encodings.RLE) != Encodings.RLE) {
        throw new DamagedException("levels in an encoding that was given up in 2013");
      }
      int[] repetition = levels(in, -1, node.maxRepetition(), count);
      int[] definition = levels(in, -1, node.maxDefinition(), count);
      add(repetition, definition, in, header.small(2));
    }

    /** Levels stand before the values and are never compressed. */
    private void second(Thrift.Struct header, byte[] page, int size) {
      int count = counted(header.small(1));
      int definitionBytes = header.small(5);
      int repetitionBytes = header.small(6);
      Bytes in = new Bytes(page);
      int[] repetition = levels(in, repetitionBytes, node.maxRepetition(), count);
      int[] definition = levels(in, definitionBytes, node.maxDefinition(), count);
      byte[] rest = in.take(in.left());
      boolean compressed = header.flag(7, true);
      int restSize = size - definitionBytes - repetitionBytes;
      add(
          repetition,
          definition,
          new Bytes(compressed && restSize > 0 ? codec.decompress(rest, restSize) : rest),
          header.small(4));
    }

    private int counted(int count) {
      if (count < 0 || count > total - read) {
        throw new DamagedException("pages with more values than their column");
      }
      read += count;
      return count;
    }

    /**
     * Levels of a page.
     *
     * @param length in bytes; -1: it stands before them
     */
    private static int[] levels(Bytes in, int length, int most, int count) {
      if (most == 0) {
        in.take(Math.max(length, 0));
        return new int[count];
      }
      int size = length < 0 ? (int) in.littleEndian(4) : length;
      int width = 32 - Integer.numberOfLeadingZeros(most);
      int[] levels = Encodings.hybrid(in.part(size), width, count);
      for (int level : levels) {
        if (level > most) {
          throw new DamagedException("a level of " + level + " where " + most + " is the highest");
        }
      }
      return levels;
    }

    private void add(int[] repetition, int[] definition, Bytes in, int encoding) {
      int there = 0;
      for (int level : definition) {
        there += level == node.maxDefinition() ? 1 : 0;
      }
      repetitions.add(repetition);
      definitions.add(definition);
      values.add(Encodings.values(in, encoding, node.type(), there, dictionary));
    }

    private static int[] joined(List<int[]> parts) {
      return parts.stream().flatMapToInt(Arrays::stream).toArray();
    }
  }
}
