package dev.attune.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON header of a safetensors file, parsed and checked as the Rust reference does: known
 * types, sizes that agree with the shapes, and data that is contiguous from the first byte to the
 * last.
 */
final class SafetensorsHeader {
  static final int MAX_BYTES = 100_000_000;
  private static final int MAX_DIMS = 64;
  private static final String METADATA = "__metadata__";

  /** One tensor; {@code begin} and {@code end} are positions in the file. */
  record Entry(TensorInfo info, ElementType type, long begin, long end) {}

  private final Map<String, Entry> entries;
  private final Map<String, String> metadata;

  private SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
    this.entries = entries;
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /** In the order of the data. */
  Map<String, Entry> entries() {
    return entries;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  static SafetensorsHeader parse(Path file, String json, long dataStart, long sizeBytes) {
    if (!json.startsWith("{")) {
      throw Messages.bad(file, "the header does not start with '{'; is this a safetensors file?");
    }
    JsonFactory factory =
        JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();
    List<Entry> found = new ArrayList<>();
    Map<String, String> metadata = new LinkedHashMap<>();
    try (JsonParser parser = factory.createParser(json)) {
      parser.nextToken();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        if (parser.nextToken() != JsonToken.START_OBJECT) {
          throw Messages.bad(file, "header entry %s is not an object", Messages.shown(name));
        }
        if (name.equals(METADATA)) {
          readMetadata(file, parser, metadata);
        } else {
          found.add(readEntry(file, parser, name, dataStart));
        }
      }
      if (parser.nextToken() != null) {
        throw Messages.bad(file, "there is more text after the end of the header's JSON");
      }
    } catch (JsonProcessingException e) {
      throw new InputException(
          file + ": the header is not valid JSON: " + Messages.shown(JsonProblem.of(e)), e);
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    }
    found.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    Map<String, Entry> entries = new LinkedHashMap<>();
    long next = dataStart;
    for (Entry entry : found) {
      requireContiguous(file, entry, next, dataStart);
      next = entry.end();
      entries.put(entry.info().name(), entry);
    }
    if (next != sizeBytes) {
      throw Messages.bad(
          file,
          next > sizeBytes
              ? "truncated: its tensors end at byte %d, but the file has %d bytes; copy or download"
                  + " it again"
              : "its tensors end at byte %d, but the file has %d bytes: unknown data at the end",
          next,
          sizeBytes);
    }
    return new SafetensorsHeader(entries, metadata);
  }

  private static void requireContiguous(Path file, Entry entry, long next, long dataStart) {
    if (entry.begin() != next) {
      throw Messages.bad(
          file,
          "tensor %s begins at offset %d, the data before it ends at %d: tensors must neither"
              + " overlap nor leave holes",
          Messages.shown(entry.info().name()),
          entry.begin() - dataStart,
          next - dataStart);
    }
  }

  private static void readMetadata(Path file, JsonParser parser, Map<String, String> metadata)
      throws IOException {
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      if (parser.nextToken() != JsonToken.VALUE_STRING) {
        throw Messages.bad(file, "the metadata value of %s is not a string", Messages.shown(key));
      }
      metadata.put(key, parser.getText());
    }
  }

  private static Entry readEntry(Path file, JsonParser parser, String name, long dataStart)
      throws IOException {
    String dtype = null;
    long[] shape = null;
    long[] offsets = null;
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (key) {
        case "dtype" -> {
          if (value != JsonToken.VALUE_STRING) {
            throw Messages.bad(file, "the dtype of %s is not a string", Messages.shown(name));
          }
          dtype = parser.getText();
        }
        case "shape" -> shape = readLongs(file, parser, name, key);
        case "data_offsets" -> offsets = readLongs(file, parser, name, key);
        default -> parser.skipChildren();
      }
    }
    if (dtype == null || shape == null || offsets == null) {
      throw Messages.bad(
          file, "tensor %s lacks dtype, shape or data_offsets", Messages.shown(name));
    }
    ElementType type = ElementType.of(dtype);
    if (type == null) {
      throw Messages.bad(
          file,
          "tensor %s has the unknown dtype %s; known are %s",
          Messages.shown(name),
          Messages.shown(dtype),
          Arrays.toString(ElementType.values()));
    }
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      throw Messages.bad(
          file,
          "tensor %s has data_offsets %s; expected [begin, end] with begin <= end",
          Messages.shown(name),
          Arrays.toString(offsets));
    }
    long bytes = sizeBytes(file, name, type, shape);
    if (offsets[1] - offsets[0] != bytes) {
      throw Messages.bad(
          file,
          "tensor %s of type %s and shape %s needs %d bytes, its data_offsets %s hold %d",
          Messages.shown(name),
          type,
          Arrays.toString(shape),
          bytes,
          Arrays.toString(offsets),
          offsets[1] - offsets[0]);
    }
    if (offsets[1] > Long.MAX_VALUE - dataStart) {
      throw Messages.bad(
          file, "tensor %s ends at %d: beyond any file", Messages.shown(name), offsets[1]);
    }
    TensorInfo info = new TensorInfo(name, dtype, shape);
    return new Entry(info, type, dataStart + offsets[0], dataStart + offsets[1]);
  }

  private static long sizeBytes(Path file, String name, ElementType type, long[] shape) {
    try {
      long elements = 1;
      for (long dim : shape) {
        elements = Math.multiplyExact(elements, dim);
      }
      long bits = Math.multiplyExact(elements, type.bits());
      if (bits % 8 != 0) {
        throw Messages.bad(
            file,
            "tensor %s of type %s and shape %s does not fill whole bytes",
            Messages.shown(name),
            type,
            Arrays.toString(shape));
      }
      return bits / 8;
    } catch (ArithmeticException e) {
      throw Messages.bad(
          file,
          "tensor %s of type %s has the shape %s, whose size overflows 64 bits",
          Messages.shown(name),
          type,
          Arrays.toString(shape));
    }
  }

  private static long[] readLongs(Path file, JsonParser parser, String name, String key)
      throws IOException {
    long[] out = new long[MAX_DIMS];
    int count = 0;
    boolean valid = parser.currentToken() == JsonToken.START_ARRAY;
    while (valid && parser.nextToken() != JsonToken.END_ARRAY) {
      valid =
          count < MAX_DIMS
              && parser.currentToken() == JsonToken.VALUE_NUMBER_INT
              && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER
              && parser.getLongValue() >= 0;
      if (valid) {
        out[count++] = parser.getLongValue();
      }
    }
    if (!valid) {
      throw Messages.bad(
          file,
          "the %s of tensor %s is not a list of at most %d whole numbers from 0 to 2^63-1",
          key,
          Messages.shown(name),
          MAX_DIMS);
    }
    return Arrays.copyOf(out, count);
  }
}
