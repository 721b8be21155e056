package dev.attune;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A tiny model and rows to train it with from Java. */
@Timeout(120)
abstract class ApiTrial {
  @TempDir static Path shared;
  static String model;
  static Path file;
  static List<LabeledText> examples;
  static List<LabeledText> many;

  @TempDir Path folder;

  @BeforeAll
  static void write() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("bert"), backend).toString();
    }
    file = TinyModel.writeData(shared.resolve("train.csv"), 96, 5);
    examples = read(file);
    many = read(TinyModel.writeData(shared.resolve("many.csv"), 400, 1));
  }

  static List<LabeledText> read(Path csv) throws IOException {
    return Files.readAllLines(csv).stream()
        .skip(1)
        .map(line -> line.split(","))
        .map(columns -> new LabeledText(columns[0], columns[1]))
        .toList();
  }

  static Trainer<LabeledText> trainer() {
    return Trainer.classification(model).batchSize(16).learningRate(3e-3).precision(Precision.FP32);
  }

  static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }

  static String refused(Executable call) {
    InvalidInputException e = assertThrows(InvalidInputException.class, call);
    assertFalse(e.getMessage().matches("(?s).*(--|‹|attune train).*"), e.getMessage());
    return e.getMessage();
  }
}
