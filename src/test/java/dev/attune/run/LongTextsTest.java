package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.generate.Finish;
import dev.attune.generate.GeneratedText;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Texts that become longer than max_position_embeddings: rotary positions go on, as in
 * Transformers, which reads that number for "dynamic" and "longrope" alone.
 */
class LongTextsTest {
  private static final String PROMPT = "a prompt of some length, of which the end is seen";

  @TempDir Path scratch;
  private Path folder;
  private final List<String> notes = new ArrayList<>();

  @BeforeEach
  void makeAModel() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyDecoder.write(scratch.resolve("model"), backend, 16);
    }
  }

  private void replaceInConfig(String what, String with) throws IOException {
    Path config = folder.resolve("config.json");
    String json = Files.readString(config);
    assertTrue(json.contains(what), json);
    Files.writeString(config, json.replace(what, with));
  }

  private RunConfig config(String... options) {
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.GENERATE)
            .set(RunOption.MODEL, folder.toString())
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.THREADS, "1")
            .set(RunOption.MAX_NEW_TOKENS, "40");
    for (int i = 0; i < options.length; i += 2) {
      config.set(RunOption.valueOf(options[i]), options[i + 1]);
    }
    return config.build();
  }

  private GeneratedText text(String... options) {
    try (GenerateRun run = GenerateRun.open(config(options), notes::add)) {
      return run.generate(run.prompt(PROMPT), piece -> {});
    }
  }

  @Test
  void positionsGoOnBeyondThoseOfTheConfig() throws IOException {
    replaceInConfig("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 256");
    GeneratedText usual = text();
    assertEquals(List.of(), notes);
    assertEquals(40, usual.tokens(), "the random model ends by itself: nothing is tested");
    replaceInConfig("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 64");
    GeneratedText beyond = text();
    assertEquals(usual.text(), beyond.text());
    assertEquals(40, beyond.tokens());
    assertEquals(1, notes.size(), notes.toString());
    String note = RunOption.worded(notes.get(0));
    assertTrue(note.contains("was made for 64"), note);
    assertTrue(note.contains("--max-length 64 stops there"), note);
  }

  /** Memory that a system hands out as it is touched would be found missing on the way. */
  @Test
  void textsThatNoMemoryHoldsAreRefusedBeforeTheFirstToken() {
    for (String beams : List.of("1", "2")) {
      String message =
          RunOption.worded(
              assertThrows(
                      InputException.class,
                      () -> text("MAX_NEW_TOKENS", "2000000000", "NUM_BEAMS", beams))
                  .getMessage());
      assertTrue(message.startsWith("--max-new-tokens is 2000000000: "), message);
      assertTrue(message.matches(".*take up to \\d+ MiB, and have \\d+ MiB here; .*"), message);
      assertTrue(message.matches(".*; --max-new-tokens \\d+ fits"), message);
    }
  }

  @Test
  void severalTextsAndBeamsGoOnToo() throws IOException {
    replaceInConfig("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 256");
    String searched = text("NUM_BEAMS", "2").text();
    replaceInConfig("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 64");
    assertEquals(searched, text("NUM_BEAMS", "2").text());
    try (GenerateRun run = GenerateRun.open(config(), notes::add)) {
      String alone = run.generate(run.prompt(PROMPT), piece -> {}).text();
      String[] texts = new String[3];
      run.generate(
          IntStream.range(0, 3).mapToObj(i -> run.prompt(PROMPT)).toList(),
          done -> texts[done.index()] = done.text());
      assertEquals(List.of(alone, alone, alone), List.of(texts));
    }
  }

  @Test
  void aLengthThatIsAskedForStillEndsTexts() {
    GeneratedText bounded = text("MAX_LENGTH", "64");
    assertEquals(64 - bounded.prompt().ids().length, bounded.tokens());
    assertEquals(Finish.CONTEXT, bounded.finish());
    assertEquals(List.of(), notes);
  }

  @Test
  void aLengthWithoutRoomForATextIsRefused() {
    for (String length : List.of("0", "1", "-1")) {
      String message =
          RunOption.worded(
              assertThrows(InputException.class, () -> text("MAX_LENGTH", length)).getMessage());
      assertTrue(message.startsWith("--max-length is " + length + ";"), message);
    }
  }

  /** Where other frequencies are due from some length on, it is said that a text passes it. */
  @Test
  void positionsThatChangeWithTheLengthGoOnAndAreSaid() throws IOException {
    replaceInConfig(
        "\"rope_theta\": 10000.0",
        "\"rope_theta\": 10000.0, \"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2.0}");
    GeneratedText stretched = text();
    assertEquals(40, stretched.tokens());
    assertEquals(1, notes.size(), notes.toString());
    String note = RunOption.worded(notes.get(0));
    assertTrue(note.contains("was made for 64"), note);
    assertTrue(note.contains("change in texts that become longer than 64 tokens"), note);
    notes.clear();
    GeneratedText bounded = text("MAX_LENGTH", "64");
    assertEquals(64 - bounded.prompt().ids().length, bounded.tokens());
    assertEquals(List.of(), notes);
  }

  /** Training too reads texts that are longer than the model was made for, on request. */
  @Test
  void trainingAndEvaluationGoOnWhereALengthIsAskedFor() throws IOException {
    replaceInConfig(
        "\"rope_theta\": 10000.0",
        "\"rope_theta\": 10000.0, \"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2.0}");
    Path data = scratch.resolve("data.jsonl");
    String text = PROMPT + " " + PROMPT + " " + PROMPT;
    Files.writeString(data, ("{\"text\": \"" + text + "\"}\n").repeat(4));
    Path output = scratch.resolve("out");
    RecordedRun run =
        new RecordedRun(folder, data, output)
            .with(RunOption.TASK, "causal-lm")
            .with(RunOption.MAX_STEPS, "2")
            .with(RunOption.MAX_LENGTH, "200");
    run.run();
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains("the model was made for 64 tokens")),
        run.notes().toString());
    try (CpuBackend backend = new CpuBackend(1);
        TrainedModel trained = TrainedModel.open(output, OpenOptions.DEFAULT, backend, DType.F32)) {
      assertEquals(200, trained.maxLength());
    }
  }

  @Test
  void aPromptThatIsLongerThanTheModelWasMadeForIsContinued() {
    String longer = PROMPT + PROMPT;
    try (GenerateRun run = GenerateRun.open(config("MAX_NEW_TOKENS", "3"), notes::add)) {
      assertEquals(3, run.generate(run.prompt(longer), piece -> {}).tokens());
      assertEquals(1, notes.size(), notes.toString());
    }
    try (GenerateRun run =
        GenerateRun.open(config("MAX_NEW_TOKENS", "3", "MAX_LENGTH", "64"), notes::add)) {
      assertThrows(InputException.class, () -> run.generate(run.prompt(longer), piece -> {}));
    }
  }
}
