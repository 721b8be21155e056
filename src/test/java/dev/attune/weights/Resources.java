package dev.attune.weights;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files for the tests of this room. */
final class Resources {
  private Resources() {}

  static byte[] bytes(String name) throws IOException {
    try (InputStream in = Resources.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }

  /** A copy in a folder, because readers open files. */
  static Path file(Path folder, String name) throws IOException {
    return Files.write(folder.resolve(name), bytes(name));
  }

  /** A safetensors file of that header and so many zero bytes. */
  static Path safetensors(Path folder, String header, int dataBytes) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer out =
        ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(json.length).put(json);
    return Files.write(Files.createTempFile(folder, "made", ".safetensors"), out.array());
  }

  static float[] read(WeightSource source, String name) {
    FloatBuffer out = direct((int) source.info(name).elements());
    source.read(name, out);
    float[] values = new float[out.capacity()];
    out.flip().get(values);
    return values;
  }

  static FloatBuffer direct(int elements) {
    return ByteBuffer.allocateDirect(4 * elements).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }
}
