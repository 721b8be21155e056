package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.Philox;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs on rows that are read while they are learned from. */
class StreamingTest {
  private static final List<String> WORDS =
      List.of("good", "bad", "the", "a", "phone", "book", "is", "very", "sad", "happy");

  @TempDir static Path shared;
  private static Path encoder;
  private static Path decoder;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      encoder = TinyModel.write(shared.resolve("encoder"), backend);
      decoder = TinyDecoder.write(shared.resolve("decoder"), backend, 32);
    }
  }

  /** Rows of a task, some of which are longer than a sequence. */
  private static String row(String task, int row) {
    int count = 2 + row % 7 + (row % 11 == 0 ? 60 : 0);
    List<String> words =
        IntStream.range(0, count)
            .mapToObj(i -> WORDS.get((int) Math.floorMod(Philox.bits64(5, row, i), 10L)))
            .toList();
    String text = String.join(" ", words);
    return switch (task) {
      case "classification" ->
          "{\"text\": \"%s\", \"label\": \"%s\"}".formatted(text, row % 2 == 0 ? "yes" : "no");
      case "regression" -> "{\"text\": \"%s\", \"label\": %s}".formatted(text, row % 5 / 4.0);
      case "multi-label-classification" ->
          "{\"text\": \"%s\", \"labels\": [%s]}"
              .formatted(text, row % 3 == 0 ? "\"x\"" : row % 3 == 1 ? "\"x\", \"y\"" : "");
      case "token-classification" ->
          "{\"tokens\": [%s], \"tags\": [%s]}"
              .formatted(
                  words.stream().map(w -> '"' + w + '"').collect(Collectors.joining(", ")),
                  words.stream()
                      .map(w -> w.equals("good") ? "\"B-X\"" : "\"O\"")
                      .collect(Collectors.joining(", ")));
      default -> "{\"text\": \"%s\"}".formatted(text);
    };
  }

  private static String rows(String task, int from, int to) {
    return IntStream.range(from, to)
        .mapToObj(row -> row(task, row) + '\n')
        .collect(Collectors.joining());
  }

  private Path file(String task, int count) throws IOException {
    return Files.writeString(scratch.resolve("rows.jsonl"), rows(task, 0, count));
  }

  /** Two passes and a half over 40 rows. */
  private RecordedRun run(String task, Path train, String output) {
    return new RecordedRun(
            task.equals("causal-lm") ? decoder : encoder, train, scratch.resolve(output))
        .with(RunOption.TASK, task)
        .with(RunOption.BATCH_SIZE, "7")
        .with(RunOption.MAX_LENGTH, "16")
        .with(RunOption.MAX_STEPS, "14");
  }

  private RecordedRun streamed(String task, Path train, String output) {
    return run(task, train, output)
        .with(RunOption.STREAMING)
        .with(RunOption.SHUFFLE_BUFFER_SIZE, "16");
  }

  private byte[] weights(String output) throws IOException {
    return Files.readAllBytes(scratch.resolve(output).resolve("model.safetensors"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "classification",
        "regression",
        "multi-label-classification",
        "token-classification",
        "causal-lm"
      })
  void inTheOrderOfTheFileItLearnsWhatAnyRunLearns(String task) throws IOException {
    Path train = file(task, 40);
    run(task, train, "whole").with(RunOption.NO_SHUFFLE).run();
    RecordedRun run = streamed(task, train, "streamed").with(RunOption.NO_SHUFFLE);
    run.run();
    assertArrayEquals(weights("whole"), weights("streamed"));
    boolean isCut = task.equals("causal-lm"); // into more sequences than are learned from
    assertEquals(!isCut, run.notes().stream().anyMatch(note -> note.startsWith("pass 1 over ")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"classification", "token-classification", "causal-lm", "masked-lm"})
  void theBytesAreTheSameAfterStopsAndResumes(String task) throws IOException {
    Path train = file(task, 40);
    streamed(task, train, "whole").run();
    assertTrue(streamed(task, train, "parts").stoppedAfter(1).run().training().interrupted());
    for (int stop : new int[] {3, 6, 7, 11}) {
      RecordedRun resumed =
          streamed(task, train, "parts").with(RunOption.RESUME).stoppedAfter(stop);
      assertTrue(resumed.run().training().interrupted());
      assertTrue(resumed.notes().stream().anyMatch(note -> note.startsWith("resuming after step")));
    }
    streamed(task, train, "parts").with(RunOption.RESUME).run();
    assertArrayEquals(weights("whole"), weights("parts"));
  }

  @Test
  void theOrderIsOneOfAShuffleAndFollowsTheSeed() throws IOException {
    Path train = file("classification", 40);
    streamed("classification", train, "one").run();
    streamed("classification", train, "two").run();
    streamed("classification", train, "other").with(RunOption.NO_SHUFFLE).run();
    assertArrayEquals(weights("one"), weights("two"));
    assertFalse(Arrays.equals(weights("one"), weights("other")));
  }

  @Test
  void aFileMayGrowWhileTheRunIsStoppedButNotChange() throws IOException {
    Path train = file("classification", 40);
    streamed("classification", train, "out").stoppedAfter(2).run();
    Files.writeString(train, rows("classification", 40, 60), StandardOpenOption.APPEND);
    RecordedRun grown =
        streamed("classification", train, "out").with(RunOption.RESUME).stoppedAfter(4);
    assertTrue(grown.run().training().interrupted());
    String text = Files.readString(train);
    int at = text.indexOf("\n", text.length() / 3) + 15; // behind the first rows
    Files.writeString(train, text.substring(0, at) + 'x' + text.substring(at));
    String refusal = streamed("classification", train, "out").with(RunOption.RESUME).refusal();
    assertTrue(
        refusal.contains("no longer begins with the rows that the run has read of it"), refusal);
  }

  @Test
  void aPassThatHadReadAllRowsIsResumedThoughThereAreMore() throws IOException {
    Path train = file("classification", 40);
    streamed("classification", train, "whole").with(RunOption.MAX_STEPS, "6").run();
    RecordedRun stopped =
        streamed("classification", train, "parts").with(RunOption.MAX_STEPS, "6").stoppedAfter(5);
    stopped.run(); // 35 rows are learned from, and the last one is read
    Files.writeString(train, rows("classification", 40, 60), StandardOpenOption.APPEND);
    streamed("classification", train, "parts")
        .with(RunOption.MAX_STEPS, "6")
        .with(RunOption.RESUME)
        .run();
    assertArrayEquals(weights("whole"), weights("parts"));
  }

  private static RecordedRun piped(RecordedRun run, String content) {
    InputStream before = System.in;
    System.setIn(new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)));
    try {
      run.run();
    } finally {
      System.setIn(before);
    }
    return run;
  }

  @Test
  void standardInputIsReadAsItComes() throws IOException {
    Path train = file("classification", 40);
    streamed("classification", train, "file").with(RunOption.MAX_STEPS, "5").run();
    RecordedRun run =
        streamed("classification", Path.of("-"), "pipe")
            .with(RunOption.FORMAT, "jsonl")
            .with(RunOption.MAX_STEPS, "5");
    piped(run, rows("classification", 0, 40));
    assertArrayEquals(weights("file"), weights("pipe"));
    assertTrue(
        run.notes()
            .contains(
                "standard input can be read but once: a run that is stopped cannot be resumed"));
    assertEquals(
        "--resume reads the rows again that the run has read, and standard input can be read but"
            + " once. Write the rows to a file, and give that with --streaming",
        streamed("classification", Path.of("-"), "again")
            .with(RunOption.FORMAT, "jsonl")
            .with(RunOption.RESUME)
            .refusal());
  }

  @Test
  void aFileThatHasGrownIsGoneOnWith() throws IOException {
    Path train = file("classification", 40);
    RecordedRun begun =
        run("classification", train, "grown").with(RunOption.STREAMING).stoppedAfter(3);
    assertTrue(begun.run().training().interrupted());
    Files.writeString(train, rows("classification", 40, 50), StandardOpenOption.APPEND);
    run("classification", train, "grown").with(RunOption.STREAMING).with(RunOption.RESUME).run();
    assertTrue(Files.exists(scratch.resolve("grown/model.safetensors")));
  }

  @Test
  void aRunEndsWithItsModelWhereStandardInputEnds() {
    RecordedRun run =
        streamed("classification", Path.of("-"), "pipe")
            .with(RunOption.FORMAT, "jsonl")
            .with(RunOption.MAX_STEPS, "100");
    piped(run, rows("classification", 0, 40));
    assertTrue(Files.exists(scratch.resolve("pipe/model.safetensors")));
    assertTrue(
        run.notes()
            .contains(
                "the training data ended after step 6 of 100, and so does the run: the learning rate"
                    + " has not come to its end"),
        run.notes()::toString);
  }

  @Test
  @Timeout(60)
  void aRunThatWaitsForRowsCanBeStopped() throws IOException {
    InputStream before = System.in;
    try (PipedOutputStream source = new PipedOutputStream();
        PipedInputStream silent = new PipedInputStream(source, 1 << 16)) {
      source.write(rows("classification", 0, 20).getBytes(StandardCharsets.UTF_8));
      System.setIn(silent);
      RecordedRun run =
          streamed("classification", Path.of("-"), "pipe")
              .with(RunOption.FORMAT, "jsonl")
              .with(RunOption.NO_SHUFFLE)
              .stoppedAfter(2); // for a third batch there are not enough
      assertTrue(run.run().training().interrupted());
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void aLastRowThatIsHalfWrittenIsLeftAndSaid() throws IOException {
    Path train = file("classification", 40);
    streamed("classification", train, "whole").run();
    Files.writeString(train, "{\"text\": \"good", StandardOpenOption.APPEND);
    RecordedRun run = streamed("classification", train, "half");
    run.run();
    assertArrayEquals(weights("whole"), weights("half"));
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains("row 41 is the last, has no line end")),
        run.notes()::toString);
  }

  @Test
  void aRowThatIsBadStopsTheRunOrIsLeftOutAndCounted() throws IOException {
    Path train =
        Files.writeString(
            scratch.resolve("rows.jsonl"),
            rows("classification", 0, 20)
                + "{\"text\": \"good\"}\n{\"text\": \n"
                + rows("classification", 20, 40));
    String refusal = streamed("classification", train, "out").refusal();
    assertTrue(refusal.contains("row 21: 1 label is missing"), refusal);
    RecordedRun run = streamed("classification", train, "out").with(RunOption.SKIP_BAD_ROWS);
    run.run();
    assertTrue(
        run.notes().stream()
            .anyMatch(
                n -> n.contains("42 rows, of which 2 were left out, as") && n.contains("pass 2")),
        run.notes()::toString);
  }

  @Test
  void aLabelThatTheFirstRowsDoNotHaveIsRefusedUnlessItIsNamed() throws IOException {
    Path train =
        Files.writeString(
            scratch.resolve("rows.jsonl"),
            rows("classification", 0, 20) + "{\"text\": \"good\", \"label\": \"maybe\"}\n");
    String refusal = streamed("classification", train, "out").refusal();
    assertTrue(
        refusal.contains(
            "row 21: the label \"maybe\" is not among the known ones: \"no\", \"yes\". They are"
                + " those of the first 16 rows; name all with --label-names, or have more rows"
                + " looked at with --shuffle-buffer-size"),
        refusal);
    streamed("classification", train, "out").with(RunOption.LABEL_NAMES, "no,yes,maybe").run();
  }

  @Test
  void theReportSaysThatTheNumberOfRowsIsNotKnown() throws IOException {
    RecordedRun run = streamed("classification", file("classification", 40), "out");
    run.run();
    String report = run.report().toJson(RunOption::worded).toString();
    assertTrue(
        report.contains("how many there are is not known: the first 16 tell columns and labels"),
        report);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "MAX_STEPS; 0; --streaming needs --max-steps: how many rows there are is not known",
        "EPOCHS; 2; --epochs needs all rows to be known",
        "VALIDATION_SPLIT; 0.1; --validation-split needs all rows to be known",
        "MAX_TRAIN_SAMPLES; 5; --max-train-samples needs all rows to be known",
        "CLASS_WEIGHTS; balanced; --class-weights balanced needs all rows to be known",
        "SHUFFLE_BUFFER_SIZE; 0; --shuffle-buffer-size is 0; it must be at least 1",
        "STREAMING; false; --shuffle-buffer-size needs --streaming",
        "FORMAT; csv; --streaming reads jsonl and lines (a text a line), and",
        "TASK; embedding; --streaming needs a task that learns from each row by itself"
            + " (classification, multi-label-classification, regression, token-classification,"
            + " causal-lm, masked-lm and replaced-token-detection); embedding has to know all rows"
      })
  void whatAStreamCannotDoIsRefusedByName(String option, String value, String message)
      throws IOException {
    String refusal =
        streamed("classification", file("classification", 40), "out")
            .with(RunOption.valueOf(option), value)
            .refusal();
    assertTrue(refusal.startsWith(message), refusal);
  }
}
