package dev.attune.data.arrow;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The rows of an Arrow file or stream, one record batch in memory at a time. Values are those of
 * JSON: String, Integer, Long, Float, Double, Boolean, List, Map, null; dates and times are ISO
 * texts, and bytes that are no text {@link dev.attune.data.parquet.BinaryValue}.
 */
public final class ArrowFile implements AutoCloseable {
  /** What a file begins with, and a stream does not. */
  private static final byte[] MAGIC = {'A', 'R', 'R', 'O', 'W', '1', 0, 0};

  private static final int SCHEMA = 1;
  private static final int DICTIONARY = 2;
  private static final int BATCH = 3;

  /** Before a message's length, since 2019. */
  private static final int CONTINUATION = -1;

  private final Path shown;
  private final InputStream in;
  private final List<Field> columns = new ArrayList<>();
  private final Map<String, String> metadata = new HashMap<>();
  private final Map<Long, Field> coded = new HashMap<>(); // by the number of their dictionary
  private final Map<Long, Column> dictionaries = new HashMap<>();
  private List<Column> batch = List.of();
  private int rows;
  private int next;

  /**
   * A message.
   *
   * @param kind of the header
   */
  private record Message(int kind, FlatTable header, ByteBuffer body) {}

  private ArrowFile(Path shown, InputStream in) {
    this.shown = shown;
    this.in = in;
  }

  /** Whether bytes are the first of an Arrow file or stream. */
  public static boolean begins(byte[] head) {
    if (head.length < 2 * Integer.BYTES) {
      return false;
    }
    ByteBuffer bytes = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
    boolean isFile = ByteBuffer.wrap(MAGIC).equals(ByteBuffer.wrap(head, 0, MAGIC.length));
    return isFile || bytes.getInt(0) == CONTINUATION && bytes.getInt(4) > 0;
  }

  /**
   * Opens a file or stream.
   *
   * @param shown as messages name it
   * @param in buffered, from the first byte on; this closes it
   * @throws InputException if it is not whole, or has what we cannot read, by name
   */
  public static ArrowFile open(Path shown, InputStream in) {
    ArrowFile file = new ArrowFile(shown, in);
    try {
      file.guarded(
          () -> {
            file.readSchema();
            return null;
          });
      return file;
    } catch (RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /** What writers note of the data, such as "huggingface" and "pandas"; by key. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** The fields of the next row, or null at the end. */
  public Map<String, Object> next() {
    return guarded(
        () -> {
          while (next == rows) {
            if (!readBatch()) {
              return null;
            }
          }
          Map<String, Object> fields = new LinkedHashMap<>();
          for (int i = 0; i < columns.size(); i++) {
            fields.put(columns.get(i).name(), batch.get(i).get(next));
          }
          next++;
          return fields;
        });
  }

  private <T> T guarded(Supplier<T> work) {
    try {
      return work.get();
    } catch (UnsupportedOperationException e) {
      throw new InputException(
          shown + ": " + e.getMessage() + ". Write the data as Parquet, CSV or JSON Lines", e);
    } catch (UncheckedIOException e) {
      throw new InputException(shown + " cannot be read: " + e.getCause().getMessage(), e);
    } catch (IndexOutOfBoundsException
        | ArithmeticException
        | IllegalArgumentException
        | NegativeArraySizeException
        | DateTimeException e) {
      throw new InputException(shown + " is damaged, or no Arrow data: " + e.getMessage(), e);
    }
  }

  private void readSchema() {
    Message first = message(true);
    if (first == null || first.kind != SCHEMA) {
      throw new IllegalArgumentException("it does not begin with a schema");
    }
    FlatTable schema = first.header;
    if (schema.i16(0) != 0) {
      throw new UnsupportedOperationException("its numbers are big-endian, which is not read");
    }
    int[] seen = {0};
    for (int i = 0; i < schema.count(1); i++) {
      Field column = Field.of(schema.element(1, i), seen);
      if (columns.stream().anyMatch(other -> other.name().equals(column.name()))) {
        throw new UnsupportedOperationException("it has two columns \"" + column.name() + "\"");
      }
      columns.add(column);
    }
    columns.forEach(this::noteDictionaries);
    for (int i = 0; i < schema.count(2); i++) {
      FlatTable note = schema.element(2, i);
      metadata.put(note.text(0), note.text(1));
    }
  }

  private void noteDictionaries(Field field) {
    if (field.dictionary() >= 0) {
      coded.put(field.dictionary(), field.of());
      noteDictionaries(field.of());
    }
    field.children().forEach(this::noteDictionaries);
  }

  /** Reads up to the next batch of rows; false at the end. */
  private boolean readBatch() {
    while (true) {
      Message message = message(false);
      if (message == null) {
        return false;
      }
      if (message.kind == DICTIONARY) {
        readDictionary(message);
      } else if (message.kind == BATCH) {
        Column.Parts parts = parts(message.header, message.body);
        batch = columns.stream().map(parts::next).toList();
        int count = Math.toIntExact(message.header.i64(0));
        if (count < 0) {
          throw new IllegalArgumentException("a batch of " + count + " rows");
        }
        rows = count;
        next = 0;
        for (Column column : batch) {
          if (column.length() != rows) {
            throw new IllegalArgumentException(
                "a batch of " + rows + " rows has a column of " + column.length());
          }
        }
        return true;
      } else {
        throw new IllegalArgumentException("a message of kind " + message.kind);
      }
    }
  }

  private void readDictionary(Message message) {
    long number = message.header.i64(0);
    Field field = coded.get(number);
    if (field == null) {
      throw new IllegalArgumentException("no column has the dictionary " + number);
    }
    if (message.header.u8(2) != 0) {
      throw new UnsupportedOperationException("its dictionaries grow, which is not read");
    }
    dictionaries.put(number, parts(message.header.required(1), message.body).next(field));
  }

  private Column.Parts parts(FlatTable header, ByteBuffer body) {
    if (header.table(3) != null) {
      throw new UnsupportedOperationException("its batches are compressed, which is not read");
    }
    return new Column.Parts(header, body, dictionaries);
  }

  /**
   * The next message; null at the end.
   *
   * @param isFirst whether a file's magic may stand before it
   */
  private Message message(boolean isFirst) {
    byte[] begin = read(Integer.BYTES, true);
    if (begin == null) {
      return null;
    }
    int length = number(begin);
    if (isFirst && length == number(MAGIC)) {
      read(MAGIC.length - Integer.BYTES, false);
      length = number(read(Integer.BYTES, false));
    }
    if (length == CONTINUATION) {
      length = number(read(Integer.BYTES, false));
    }
    if (length == 0) {
      return null; // what may follow is a file's footer
    }
    FlatTable message = FlatTable.root(littleEndian(read(length, false)));
    ByteBuffer body = littleEndian(read(Math.toIntExact(message.i64(3)), false));
    return new Message(message.u8(1), message.required(2), body);
  }

  private byte[] read(int count, boolean mayEnd) {
    try {
      byte[] bytes = in.readNBytes(count);
      if (bytes.length < count && !(mayEnd && bytes.length == 0)) {
        throw new IllegalArgumentException("it ends within a message");
      }
      return bytes.length < count ? null : bytes;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ByteBuffer littleEndian(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int number(byte[] bytes) {
    return littleEndian(bytes).getInt(0);
  }

  @Override
  public void close() {
    try {
      in.close();
    } catch (IOException e) {
      throw new InputException(shown + " cannot be closed: " + e.getMessage(), e);
    }
  }
}
