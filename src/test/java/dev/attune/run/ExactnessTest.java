package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Philox;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.TinyTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What holds for a run whatever it learns: the same bytes on any number of threads, and after a
 * stop and a resume; k batches of b give the losses of batches of k·b.
 */
class ExactnessTest {
  private static final int STEPS = 6;

  @TempDir static Path shared;
  private static Path encoder;
  private static Path decoder;
  private static Path wide; // with matrices whose moments are codes

  @TempDir Path scratch;

  /**
   * A loss.
   *
   * @param options words of them, NAME=VALUE
   */
  private record Loss(String name, Path model, Path train, List<String> options) {
    RecordedRun run(Path output) {
      RecordedRun run = new RecordedRun(model, train, output);
      run.with(RunOption.VALIDATION_FILE, train.toString());
      run.with(RunOption.EVAL_STEPS, "2").with(RunOption.MAX_STEPS, Integer.toString(STEPS));
      run.with(RunOption.LOAD_BEST_MODEL_AT_END);
      for (String option : options) {
        String[] parts = option.split("=", 2);
        run.with(RunOption.valueOf(parts[0]), parts[1]);
      }
      return run;
    }

    @Override
    public String toString() {
      return name;
    }
  }

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      encoder = TinyModel.write(shared.resolve("encoder"), backend);
      decoder = TinyDecoder.write(shared.resolve("decoder"), backend, 32);
      wide = TinyDecoder.write(shared.resolve("wide"), backend, 128);
    }
  }

  static List<Loss> losses() throws IOException {
    Path labelled = TinyModel.writeData(shared.resolve("labelled.csv"), 100, 1);
    Path several = TinyTasks.writeLabels(shared.resolve("several.jsonl"), 100, 1);
    Path questions = TinyTasks.writeQuestions(shared.resolve("questions.jsonl"), 60, 1);
    Path tags = written("tags.jsonl", "{\"tokens\": [%s], \"tags\": [%s]}\n");
    Path numbers = written("numbers.csv", null);
    Path texts = written("texts.jsonl", "{\"text\": \"%s\"}\n");
    Path pairs = written("pairs.csv", "");
    return List.of(
        new Loss("classification", encoder, labelled, List.of()),
        new Loss("smoothed", encoder, labelled, List.of("LABEL_SMOOTHING=0.1")),
        new Loss("weighted", encoder, labelled, List.of("CLASS_WEIGHTS=negative=0.5,positive=2")),
        new Loss("adapter", encoder, labelled, List.of("LORA_R=4")),
        new Loss("regression", encoder, numbers, List.of("TASK=regression")),
        new Loss("tags", encoder, tags, List.of("TASK=token-classification")),
        new Loss(
            "labels",
            encoder,
            several,
            List.of("TASK=multi-label-classification", "POS_WEIGHT=auto")),
        new Loss("answers", encoder, questions, List.of("TASK=question-answering", "DOC_STRIDE=4")),
        new Loss("masks", encoder, texts, List.of("TASK=masked-lm")),
        new Loss("next tokens", decoder, texts, List.of("TASK=causal-lm")),
        new Loss("bf16 moments", wide, texts, List.of("TASK=causal-lm", "OPTIMIZER=adamw-bf16")),
        new Loss("8-bit moments", wide, texts, List.of("TASK=causal-lm", "OPTIMIZER=adamw-8bit")),
        new Loss("pairs", encoder, pairs, List.of("TASK=embedding")));
  }

  /** Rows of words: of tags where the form has two places, numbers where it is null, else texts. */
  private static Path written(String name, String form) throws IOException {
    String[] words = {"good", "bad", "the", "a", "phone", "book", "is", "very", "sad", "happy"};
    StringBuilder rows =
        new StringBuilder(form == null ? "text,label\n" : form.isEmpty() ? "text,text_pair\n" : "");
    for (int row = 0; row < 100; row++) {
      List<String> text = new ArrayList<>();
      List<String> tags = new ArrayList<>();
      for (int i = 0; i < 3 + row % 7; i++) {
        int pick = (int) Math.floorMod(Philox.bits64(3, row, i), (long) words.length);
        text.add(words[pick]);
        tags.add(pick < 2 ? "\"B-X\"" : "\"O\"");
      }
      String joined = String.join(" ", text);
      if (form == null) {
        rows.append(joined).append(',').append(row % 5 / 4.0).append('\n');
      } else if (form.isEmpty()) {
        rows.append(joined).append(",very ").append(joined).append(' ').append(row).append('\n');
      } else if (form.contains("tags")) {
        String quoted = "\"" + String.join("\", \"", text) + "\"";
        rows.append(form.formatted(quoted, String.join(", ", tags)));
      } else {
        rows.append(form.formatted(joined));
      }
    }
    return Files.writeString(shared.resolve(name), rows);
  }

  private static byte[] weights(Path folder) throws IOException {
    Path adapter = folder.resolve("adapter_model.safetensors");
    return Files.readAllBytes(
        Files.exists(adapter) ? adapter : folder.resolve("model.safetensors"));
  }

  private static void assertSame(Path expected, Path actual) throws IOException {
    assertArrayEquals(weights(expected), weights(actual));
    for (String file : List.of("metrics.jsonl", "attune.json")) {
      assertEquals(
          Files.readString(expected.resolve(file)), Files.readString(actual.resolve(file)), file);
    }
  }

  @ParameterizedTest
  @MethodSource("losses")
  void theBytesAreTheSameOnAnyNumberOfThreads(Loss loss) throws IOException {
    loss.run(scratch.resolve("one")).run();
    loss.run(scratch.resolve("three")).with(RunOption.THREADS, "3").run();
    assertSame(scratch.resolve("one"), scratch.resolve("three"));
  }

  @ParameterizedTest
  @MethodSource("losses")
  void theBytesAreTheSameAfterStopsAndResumes(Loss loss) throws IOException {
    loss.run(scratch.resolve("whole")).run();
    Path parts = scratch.resolve("parts");
    assertTrue(loss.run(parts).stoppedAfter(1).run().training().interrupted());
    for (int stop : new int[] {3, 5}) {
      RecordedRun resumed = loss.run(parts).with(RunOption.RESUME).stoppedAfter(stop);
      assertTrue(resumed.run().training().interrupted());
      assertTrue(resumed.notes().stream().anyMatch(note -> note.startsWith("resuming after step")));
    }
    loss.run(parts).with(RunOption.RESUME).run();
    assertSame(scratch.resolve("whole"), parts);
  }

  /**
   * In-batch negatives are those of a batch: there, k batches are another loss. Moments are not
   * those of the optimizer here.
   */
  static Stream<Loss> sums() throws IOException {
    return losses().stream().filter(l -> !l.name.equals("pairs") && !l.name.endsWith("moments"));
  }

  @ParameterizedTest
  @MethodSource("sums")
  void fourBatchesGiveTheStepOfOneFourTimesAsLarge(Loss loss) throws IOException {
    List<Double> one = losses(loss, 16, 1);
    List<Double> four = losses(loss, 4, 4);
    assertEquals(STEPS, one.size());
    for (int step = 0; step < STEPS; step++) {
      assertEquals(one.get(step), four.get(step), 1e-5 * one.get(step), "step " + (step + 1));
    }
  }

  private List<Double> losses(Loss loss, int batch, int accumulation) throws IOException {
    Path output = scratch.resolve("by-" + accumulation);
    loss.run(output)
        .with(RunOption.BATCH_SIZE, Integer.toString(batch))
        .with(RunOption.GRADIENT_ACCUMULATION_STEPS, Integer.toString(accumulation))
        .with(RunOption.OPTIMIZER, "sgd") // Adam divides by the root of what may be rounding
        .with(RunOption.DROPOUT, "0")
        .run();
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      JsonNode node = new ObjectMapper().readTree(line);
      if (node.has("loss")) {
        losses.add(node.get("loss").asDouble());
      }
    }
    return losses;
  }
}
