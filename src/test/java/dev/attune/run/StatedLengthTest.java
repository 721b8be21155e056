package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Where texts end by what the tokenizer says, as under Transformers' {@code truncation=True}: at
 * its model_max_length, unless a length is asked for.
 */
class StatedLengthTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;

  @BeforeEach
  void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend); // of 24 positions
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 40, 1);
  }

  private void state(String length) throws IOException {
    Files.writeString(
        model.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"model_max_length\": " + length + "}");
  }

  private int lengthOf(Path folder) {
    try (CpuBackend backend = new CpuBackend(1);
        TrainedModel opened =
            TrainedModel.open(
                folder, OpenOptions.DEFAULT, backend, PrecisionOption.FP32.on(backend))) {
      return opened.maxLength();
    }
  }

  private RecordedRun trained(Path output, String... asked) {
    RecordedRun run = new RecordedRun(model, train, output).with(RunOption.MAX_STEPS, "1");
    return asked.length == 0 ? run : run.with(RunOption.MAX_LENGTH, asked[0]);
  }

  @Test
  void theTokenizersLengthEndsTextsUnlessAnotherIsAskedFor() throws IOException {
    Path usual = scratch.resolve("usual");
    RecordedRun silent = trained(usual);
    silent.run();
    assertEquals(24, lengthOf(usual));
    assertEquals(List.of(), tokenizerNotes(silent));

    state("9");
    Path stated = scratch.resolve("stated");
    RecordedRun run = trained(stated);
    run.run();
    assertEquals(9, lengthOf(stated));
    assertEquals(1, tokenizerNotes(run).size(), run.notes().toString());
    assertTrue(tokenizerNotes(run).get(0).startsWith("texts end after 9 tokens"));

    Path wider = scratch.resolve("wider");
    RecordedRun asked = trained(wider, "20");
    asked.run();
    assertEquals(20, lengthOf(wider));
    assertEquals(1, tokenizerNotes(asked).size(), asked.notes().toString());
    assertTrue(tokenizerNotes(asked).get(0).contains("is 20, more than"));

    state("1000000000000000019884624838656"); // as Transformers writes "none"
    Path none = scratch.resolve("none");
    trained(none).run();
    assertEquals(24, lengthOf(none));
  }

  /** A folder that was trained elsewhere notes no length of ours. */
  @Test
  void theTokenizersLengthCountsInPredictionToo() throws IOException {
    Path output = scratch.resolve("out");
    trained(output).run();
    Files.delete(output.resolve("attune.json"));
    assertEquals(24, lengthOf(output));
    Path settings = output.resolve("tokenizer_config.json");
    Files.writeString(
        settings, Files.readString(settings).replaceFirst("\\{", "{\"model_max_length\": 7,"));
    assertEquals(7, lengthOf(output));
  }

  /** The template has two special tokens. */
  @ParameterizedTest
  @ValueSource(strings = {"0.5", "1", "2", "-1"})
  void aLengthThatLeavesNoRoomForATextDoesNotCount(String length) throws IOException {
    state(length);
    Path output = scratch.resolve("out");
    RecordedRun run = trained(output);
    run.run();
    assertEquals(24, lengthOf(output));
    assertEquals(1, tokenizerNotes(run).size(), run.notes().toString());
    String note = tokenizerNotes(run).get(0);
    assertTrue(note.contains("after " + length + " tokens"), note);
    Files.delete(output.resolve("attune.json"));
    assertEquals(24, lengthOf(output));
  }

  @Test
  void theShortestLengthThatLeavesRoomCounts() throws IOException {
    state("3");
    trained(scratch.resolve("out")).run();
    assertEquals(3, lengthOf(scratch.resolve("out")));
  }

  /** The model's own length is then the task's, which the tokenizer may well agree with. */
  @Test
  void nothingIsSaidOfTheTokenizerWhereTheTaskHasALength() throws IOException {
    state("9");
    Files.writeString(model.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 9}");
    Files.writeString(
        model.resolve("modules.json"),
        "[{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"pool\", \"type\":"
            + " \"a.Pooling\"}]");
    Path pooling = Files.createDirectory(model.resolve("pool")).resolve("config.json");
    Files.writeString(pooling, "{\"pooling_mode\": \"mean\"}");
    Path pairs = scratch.resolve("pairs.csv");
    Files.writeString(
        pairs,
        "anchor,positive\n"
            + "a good book,a fine book\na bad film,a poor film\nmy house,our house\n");
    Path output = scratch.resolve("out");
    RecordedRun run =
        new RecordedRun(model, pairs, output)
            .with(RunOption.TASK, "embedding")
            .with(RunOption.MAX_STEPS, "1");
    run.run();
    assertEquals(9, lengthOf(output));
    assertEquals(List.of(), tokenizerNotes(run));
  }

  private static List<String> tokenizerNotes(RecordedRun run) {
    return run.notes().stream().filter(note -> note.contains("model_max_length")).toList();
  }
}
