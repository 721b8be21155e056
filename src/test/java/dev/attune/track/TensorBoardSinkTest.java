package dev.attune.track;

import static dev.attune.track.TrackTrial.start;
import static dev.attune.track.TrackTrial.steps;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Event files, read back by a reader of their records and of the fields that are written. */
class TensorBoardSinkTest {
  @TempDir private Path folder;

  /** What an event says; what it does not say is empty or 0. */
  private record Event(
      double time, long step, String version, String tag, float value, int session) {}

  /** Fields of one message, in order: number, then a long, or bytes. */
  private record Field(int number, long value, byte[] bytes) {
    ByteBuffer message() {
      return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte b = in.get();
      value |= (long) (b & 0x7F) << shift;
      if (b >= 0) {
        return value;
      }
    }
  }

  private static List<Field> fields(ByteBuffer in) {
    List<Field> out = new ArrayList<>();
    while (in.hasRemaining()) {
      int key = (int) varint(in);
      switch (key & 7) {
        case 0 -> out.add(new Field(key >> 3, varint(in), null));
        case 1 -> out.add(new Field(key >> 3, in.getLong(), null));
        case 5 -> out.add(new Field(key >> 3, in.getInt(), null));
        case 2 -> {
          byte[] bytes = new byte[(int) varint(in)];
          in.get(bytes);
          out.add(new Field(key >> 3, 0, bytes));
        }
        default -> throw new IllegalStateException("wire type " + (key & 7));
      }
    }
    return out;
  }

  private static Event event(byte[] data) {
    double time = 0;
    long step = 0;
    String version = "";
    String tag = "";
    float value = 0;
    int session = 0;
    for (Field field : fields(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN))) {
      switch (field.number()) {
        case 1 -> time = Double.longBitsToDouble(field.value());
        case 2 -> step = field.value();
        case 3 -> version = new String(field.bytes(), StandardCharsets.UTF_8);
        case 7 -> session = (int) fields(field.message()).get(0).value();
        case 5 -> {
          for (Field one : fields(fields(field.message()).get(0).message())) {
            if (one.number() == 1) {
              tag = new String(one.bytes(), StandardCharsets.UTF_8);
            } else if (one.number() == 2) {
              value = Float.intBitsToFloat((int) one.value());
            }
          }
        }
        default -> throw new IllegalStateException("field " + field.number());
      }
    }
    return new Event(time, step, version, tag, value, session);
  }

  private static List<Event> read(Path file) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<Event> events = new ArrayList<>();
    while (in.hasRemaining()) {
      byte[] length = new byte[8];
      in.get(length);
      assertEquals(TensorBoardSink.maskedCrc(length), in.getInt());
      byte[] data =
          new byte[(int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong()];
      in.get(data);
      assertEquals(TensorBoardSink.maskedCrc(data), in.getInt());
      events.add(event(data));
    }
    return events;
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @Test
  void crcsAreMaskedAsTfRecordHasThem() {
    // The record that TensorFlow's own tests of record_writer begin with: the CRC of 8 zero bytes
    // is 0x8c28b28a by RFC 3720's polynomial.
    assertEquals(
        Integer.rotateRight(0x8c28b28a, 15) + 0xa282ead8, TensorBoardSink.maskedCrc(new byte[8]));
  }

  @Test
  void everyNumberIsAScalarEvent() throws IOException {
    try (TensorBoardSink sink = new TensorBoardSink(folder)) {
      sink.begin(start(Path.of("out"), 0));
      sink.write(steps(1, 3, RunStatus.RUNNING));
      sink.write(
          new RunUpdate(
              List.of(new Point("system/rss_bytes", 77, 4000, 1e9)),
              Map.of(),
              3,
              3,
              RunStatus.FINISHED));
    }
    assertEquals(1, files().size());
    assertTrue(files().get(0).getFileName().toString().startsWith("events.out.tfevents."));
    List<Event> events = read(files().get(0));
    assertEquals("brain.Event:2", events.get(0).version());
    assertEquals("config", events.get(1).tag());
    assertEquals(new Event(1000.003, 3, "", "train/loss", 10f / 3, 0), events.get(4));
    assertEquals(new Event(4.0, 3, "", "system/rss_bytes", 1e9f, 0), events.get(5));
    assertEquals(6, events.size());
  }

  @Test
  void aRunThatGoesOnTellsFromWhichStep() throws IOException {
    for (long resumedAt : new long[] {0, 2}) {
      try (TensorBoardSink sink = new TensorBoardSink(folder)) {
        sink.begin(start(Path.of("out"), resumedAt));
        sink.write(steps(resumedAt + 1, resumedAt + 4, RunStatus.RUNNING));
      }
    }
    assertEquals(2, files().size());
    List<Event> second =
        read(files().stream().filter(f -> f.toString().endsWith(".2")).findFirst().orElseThrow());
    assertEquals(3, second.get(1).step());
    assertEquals(1, second.get(1).session());
    try (TensorBoardSink sink = new TensorBoardSink(folder)) {
      sink.begin(start(Path.of("out"), 0));
    }
    assertEquals(1, files().size(), "what an earlier run left is gone");
  }
}
