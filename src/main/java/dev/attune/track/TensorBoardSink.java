package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.FileOps;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Writes TensorBoard's event files: records of Event messages, each with its length and two masked
 * CRC-32C. A run that goes on begins another file, whose first event says from which step what
 * stands in earlier ones no longer counts.
 */
public final class TensorBoardSink implements RunSink {
  private static final int MASK = 0xa282ead8;
  private static final String FORM = "brain.Event:2";

  // Numbers of fields: event.proto, summary.proto, tensor.proto of TensorFlow.
  private static final int EVENT_TIME = 1;
  private static final int EVENT_STEP = 2;
  private static final int EVENT_VERSION = 3;
  private static final int EVENT_SUMMARY = 5;
  private static final int EVENT_SESSION = 7;
  private static final int SESSION_STATUS = 1;
  private static final int SESSION_START = 1;
  private static final int SUMMARY_VALUE = 1;
  private static final int VALUE_TAG = 1;
  private static final int VALUE_SIMPLE = 2;
  private static final int VALUE_TENSOR = 8;
  private static final int VALUE_METADATA = 9;
  private static final int METADATA_PLUGIN = 1;
  private static final int PLUGIN_NAME = 1;
  private static final int TENSOR_TYPE = 1;
  private static final int TENSOR_STRING = 7;
  private static final int TENSOR_STRINGS = 8;

  private final Path folder;
  private FileChannel channel; // null: nothing is open
  private long step;

  /**
   * @param folder for TensorBoard's {@code --logdir}
   */
  public TensorBoardSink(Path folder) {
    this.folder = folder;
  }

  @Override
  public String name() {
    return "the event files in " + folder;
  }

  @Override
  public void begin(RunStart start) throws IOException {
    close();
    if (start.resumedAt() == 0) {
      removeEarlier();
    }
    FileOps.SYSTEM.createFolder(folder);
    long now = System.currentTimeMillis();
    String name =
        String.format(
            Locale.ROOT,
            "events.out.tfevents.%010d.%s.%d.%d",
            now / 1000,
            Host.name(),
            ProcessHandle.current().pid(),
            start.resumedAt());
    channel = FileOps.SYSTEM.overwrite(folder.resolve(name));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    record(out, event(now, 0).text(EVENT_VERSION, FORM));
    if (start.resumedAt() > 0) {
      step = start.resumedAt();
      record(
          out,
          event(now, start.resumedAt() + 1)
              .message(EVENT_SESSION, new ProtoWriter().integer(SESSION_STATUS, SESSION_START)));
    }
    for (Map.Entry<String, JsonNode> document : start.documents().entrySet()) {
      record(out, text(now, document.getKey(), markdown(document.getValue())));
    }
    append(out.toByteArray());
  }

  /** A run that begins anew has nothing to do with what an earlier one left there. */
  private void removeEarlier() throws IOException {
    if (Files.isDirectory(folder)) {
      try (var files = Files.newDirectoryStream(folder, "events.out.tfevents.*")) {
        for (Path file : files) {
          FileOps.SYSTEM.delete(file);
        }
      }
    }
  }

  private static String markdown(JsonNode document) {
    StringBuilder out = new StringBuilder("| | |\n|---|---|\n");
    for (Map.Entry<String, JsonNode> entry : document.properties()) {
      JsonNode value = entry.getValue();
      String shown = value.isValueNode() ? value.asText() : value.toString();
      out.append("| ").append(entry.getKey()).append(" | ");
      out.append(shown.replace("|", "\\|").replace("\n", " ")).append(" |\n");
    }
    return out.toString();
  }

  private static ProtoWriter event(long timeMillis, long step) {
    return new ProtoWriter().real(EVENT_TIME, timeMillis / 1e3).integer(EVENT_STEP, step);
  }

  private static ProtoWriter text(long timeMillis, String tag, String text) {
    ProtoWriter plugin = new ProtoWriter().text(PLUGIN_NAME, "text");
    ProtoWriter tensor =
        new ProtoWriter().integer(TENSOR_TYPE, TENSOR_STRING).text(TENSOR_STRINGS, text);
    ProtoWriter value =
        new ProtoWriter()
            .text(VALUE_TAG, tag)
            .message(VALUE_TENSOR, tensor)
            .message(VALUE_METADATA, new ProtoWriter().message(METADATA_PLUGIN, plugin));
    return event(timeMillis, 0)
        .message(EVENT_SUMMARY, new ProtoWriter().message(SUMMARY_VALUE, value));
  }

  @Override
  public void write(RunUpdate update) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (Point point : update.points()) {
      // Of what the process uses TensorBoard is told by the step at which that was.
      step = point.isOfStep() ? point.x() : step;
      ProtoWriter value =
          new ProtoWriter()
              .text(VALUE_TAG, point.series())
              .real(VALUE_SIMPLE, (float) point.value());
      record(
          out,
          event(point.timeMillis(), step)
              .message(EVENT_SUMMARY, new ProtoWriter().message(SUMMARY_VALUE, value)));
    }
    append(out.toByteArray());
  }

  private static void record(ByteArrayOutputStream out, ProtoWriter event) {
    byte[] data = event.bytes();
    byte[] length = littleEndian(Long.BYTES).putLong(data.length).array();
    out.writeBytes(length);
    out.writeBytes(littleEndian(Integer.BYTES).putInt(maskedCrc(length)).array());
    out.writeBytes(data);
    out.writeBytes(littleEndian(Integer.BYTES).putInt(maskedCrc(data)).array());
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** As TFRecord has it: a CRC of data that hold CRCs would be weak. */
  static int maskedCrc(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    return Integer.rotateRight((int) crc.getValue(), 15) + MASK;
  }

  /** All of it or nothing: half a record would end what a reader sees. */
  private void append(byte[] bytes) throws IOException {
    long end = channel.size();
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    try {
      while (buffer.hasRemaining()) {
        channel.write(buffer, end + buffer.position());
      }
    } catch (IOException e) {
      channel.truncate(end);
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    if (channel != null) {
      channel.close();
      channel = null;
    }
  }
}
