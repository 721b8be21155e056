package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.Segment;
import dev.attune.testkit.Goldens;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a head begins with that the folder of a base model lacks. */
class NewHeadTest {
  @Test
  void isDrawnAsTransformersDrawsIt() {
    Path folder = Goldens.own("bert"); // a classifier
    try (Backend backend = new CpuBackend(1);
        Model model =
            Families.create(
                backend, ModelFolder.readConfig(folder), HeadKind.MASKED_LANGUAGE_MODEL, 1, null)) {
      ModelWeights.Loaded loaded = ModelWeights.load(folder, model, 7);
      String head = "cls.predictions.";
      assertEquals(
          List.of(
              head + "transform.dense.weight",
              head + "transform.dense.bias",
              head + "transform.LayerNorm.weight",
              head + "transform.LayerNorm.bias",
              head + "bias"),
          loaded.created());
      for (float value : values(model, head + "transform.LayerNorm.weight")) {
        assertEquals(1f, value, "a norm that begins at 0 lets nothing through");
      }
      for (String bias : List.of("transform.dense.bias", "transform.LayerNorm.bias", "bias")) {
        for (float value : values(model, head + bias)) {
          assertEquals(0f, value, bias);
        }
      }
      double sum = 0;
      float[] dense = values(model, head + "transform.dense.weight");
      for (float value : dense) {
        sum += value * value;
      }
      double deviation = Math.sqrt(sum / dense.length);
      assertTrue(deviation > 0.016 && deviation < 0.024, "deviation " + deviation);
    }
  }

  /** Whoever wants the trained head can say why it is none. */
  @Test
  void oneOfAnotherShapeIsNewAndSaid() {
    Path folder = Goldens.own("bert"); // five labels
    try (Backend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null)) {
      ModelWeights.Loaded loaded = ModelWeights.load(folder, model, 7);
      assertEquals(List.of("classifier.weight", "classifier.bias"), loaded.created());
      assertEquals(
          List.of(
              "tensor classifier.weight has shape [5, 16], config.json asks for [2, 16]",
              "tensor classifier.bias has shape [5], config.json asks for [2]"),
          loaded.misfits());
    }
  }

  private static float[] values(Model model, String name) {
    Segment segment = model.parameters().segment(name);
    FloatBuffer values = ModelWeights.folderValues(model.parameters(), segment);
    float[] out = new float[values.remaining()];
    values.get(out);
    return out;
  }
}
