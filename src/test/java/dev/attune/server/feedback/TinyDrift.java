package dev.attune.server.feedback;

import dev.attune.LabeledText;
import dev.attune.Precision;
import dev.attune.Trainer;
import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A tiny classifier that has learned that "good" is positive and "bad" negative, and a domain of
 * which it knows nothing: there "phone" is positive and "chair" negative.
 */
final class TinyDrift {
  private static final List<String> FILLER = List.of("the", "a", "it", "is", "was", "very", "this");
  private static final String[] OLD = {"good", "bad"};
  private static final String[] NEW = {"phone", "chair"};
  static final String POSITIVE = "positive";
  static final String NEGATIVE = "negative";

  private TinyDrift() {}

  static List<LabelledText> old(int rows, int seed) {
    return rows(OLD, rows, seed);
  }

  static List<LabelledText> recent(int rows, int seed) {
    return rows(NEW, rows, seed);
  }

  /** The same texts with the other label. */
  static List<LabelledText> wrong(List<LabelledText> rows) {
    return rows.stream()
        .map(
            r -> new LabelledText(r.text(), null, r.label().equals(POSITIVE) ? NEGATIVE : POSITIVE))
        .toList();
  }

  private static List<LabelledText> rows(String[] telling, int rows, int seed) {
    List<LabelledText> out = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      long stream = Philox.stream(row, -300 - seed);
      StringBuilder text = new StringBuilder();
      int place = (int) Long.remainderUnsigned(Philox.bits64(seed, stream, 0), 7);
      for (int i = 0; i < 7; i++) {
        long pick = Philox.bits64(seed, stream, 1 + i);
        text.append(
            i == place
                ? telling[row % 2]
                : FILLER.get((int) Long.remainderUnsigned(pick, FILLER.size())));
        text.append(' ');
      }
      out.add(new LabelledText(text.toString().strip(), null, row % 2 == 0 ? POSITIVE : NEGATIVE));
    }
    return out;
  }

  /** Writes the classifier. */
  static Path write(Path folder) {
    Path base;
    try (Backend backend = new CpuBackend(1)) {
      base = TinyModel.write(folder.resolve("bert"), backend);
    }
    Trainer.classification(base.toString())
        .train(old(256, 1).stream().map(r -> new LabeledText(r.text(), r.label())).toList())
        .batchSize(16)
        .epochs(4)
        .learningRate(3e-3)
        .precision(Precision.FP32)
        .saveTo(folder.resolve("classifier"));
    return folder.resolve("classifier");
  }
}
