package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.InputException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxInitializersTest {
  @TempDir Path folder;

  @Test
  void nodesAndInitializersAreThoseOfTheModel() throws Exception {
    try (OnnxInitializers model = OnnxInitializers.open(Resources.file(folder, "small.onnx"));
        Safetensors expected =
            Safetensors.open(Resources.file(folder, "small_onnx_f32.safetensors"))) {
      assertEquals(
          List.of(
              new OnnxInitializers.Node("MatMul", List.of("x", "onnx::MatMul_1"), List.of("y")),
              new OnnxInitializers.Node("Add", List.of("dense.bias", "y"), List.of("z"))),
          model.nodes());
      for (String name : expected.names()) {
        assertArrayEquals(expected.info(name).shape(), model.info(name).shape(), name);
        assertArrayEquals(Resources.read(expected, name), Resources.read(model, name), name);
      }
      assertEquals("I64", model.info("ids").dtype());
      assertThrows(InputException.class, () -> Resources.read(model, "ids"));
      assertThrows(InputException.class, () -> model.info("none"));
      assertThrows(
          IllegalArgumentException.class,
          () -> model.read("dense.bias", 2, FloatBuffer.allocate(2)));
    }
  }

  @Test
  void otherBytesAreNoModel() {
    for (byte[] bytes :
        new byte[][] {{}, {0}, {8, 7}, {0x3a, 5, 1}, "{}".getBytes(StandardCharsets.UTF_8)}) {
      assertThrows(
          InputException.class,
          () -> OnnxInitializers.parse(ByteBuffer.wrap(bytes), Path.of("x.onnx")));
    }
  }
}
