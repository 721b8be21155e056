package dev.attune.weights;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.attune.core.InputException;
import dev.attune.testkit.FuzzFiles;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;

/** Fuzz targets of the readers of weights: whatever the bytes, tensors or an InputException. */
class WeightsFuzzTest {
  private static final FuzzFiles FILES = new FuzzFiles();
  private static final int MOST_ELEMENTS = 1 << 16;

  @FuzzTest
  void safetensors(byte[] bytes) {
    readAll(() -> Safetensors.open(FILES.write("fuzz.safetensors", bytes)));
  }

  @FuzzTest
  void torchBin(byte[] bytes) {
    readAll(() -> TorchBin.open(FILES.write("fuzz.bin", bytes)));
  }

  @FuzzTest
  void torchPickle(byte[] bytes) {
    try {
      TensorPickle.parse(Path.of("fuzz.bin"), bytes);
    } catch (InputException e) {
      // The bytes are none.
    }
  }

  @FuzzTest
  void onnx(byte[] bytes) {
    readAll(() -> OnnxInitializers.parse(ByteBuffer.wrap(bytes), Path.of("fuzz.onnx")));
  }

  @FuzzTest
  void index(byte[] bytes) {
    FILES.write("model.safetensors.index.json", bytes);
    readAll(() -> WeightFolder.open(FILES.folder()));
  }

  private interface Opened {
    WeightSource open();
  }

  private static void readAll(Opened opened) {
    try (WeightSource source = opened.open()) {
      for (String name : source.names()) {
        long elements = source.info(name).elements();
        if (elements <= MOST_ELEMENTS) {
          try {
            source.read(name, FloatBuffer.allocate((int) elements));
          } catch (InputException e) {
            // A type that is not read, or a value that is damaged: go on with the others.
          }
        }
      }
    } catch (InputException e) {
      // The bytes are no such file.
    }
  }
}
