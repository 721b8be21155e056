package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Cross-validation of examples in memory. */
class CrossValidationApiTest {
  private static final int ROWS = 40;

  @TempDir Path scratch;
  private String model;
  private List<LabeledText> examples;

  @BeforeEach
  void makeModelAndExamples() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend).toString();
    }
    examples =
        Files.readAllLines(TinyModel.writeData(scratch.resolve("train.csv"), ROWS, 1)).stream()
            .skip(1)
            .map(line -> line.split(","))
            .map(columns -> new LabeledText(columns[0], columns[1]))
            .toList();
  }

  private Trainer<LabeledText> trainer() {
    return Trainer.classification(model)
        .train(examples)
        .precision(Precision.FP32)
        .learningRate(1e-3)
        .maxSteps(2);
  }

  @Test
  void theFoldsAreMeasuredAndTheirMeansTold() throws IOException {
    Path folder = scratch.resolve("folds");
    CrossValidationResult kept = trainer().crossValidate(4, folder);
    assertEquals(4, kept.folds().size());
    assertEquals(ROWS, kept.folds().stream().mapToInt(CrossValidationResult.Fold::examples).sum());
    double mean =
        kept.folds().stream()
            .mapToDouble(fold -> fold.metrics().get("accuracy"))
            .average()
            .orElse(0);
    assertEquals(mean, kept.mean().get("accuracy"), 1e-12);
    assertTrue(kept.standardError().containsKey("accuracy"));
    assertEquals(ROWS, Files.readAllLines(kept.predictions()).size());
    CrossValidationResult unkept = trainer().crossValidate(4);
    assertEquals(kept.mean(), unkept.mean());
    assertNull(unkept.predictions());
  }

  @Test
  void aStopIsToldAndARefusalNamesTheMethods() {
    int[] asked = new int[1];
    CrossValidationResult stopped = trainer().stopWhen(() -> ++asked[0] > 3).crossValidate(3);
    assertTrue(stopped.stopped());
    assertTrue(stopped.mean().isEmpty());
    InvalidInputException one =
        assertThrows(InvalidInputException.class, () -> trainer().crossValidate(1));
    assertTrue(one.getMessage().startsWith("crossValidate is 1"), one::getMessage);
    InvalidInputException beside =
        assertThrows(
            InvalidInputException.class, () -> trainer().validation(examples).crossValidate(3));
    assertTrue(beside.getMessage().contains("no validation"), beside::getMessage);
    Path folder = scratch.resolve("out");
    assertThrows(InvalidInputException.class, () -> trainer().option("k-fold", 3).saveTo(folder));
    assertFalse(Files.exists(folder));
  }
}
