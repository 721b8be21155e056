package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user can get wrong: one clear line, status 2, and nothing lost. */
class BadInputTest {
  @TempDir static Path shared;
  private static Path model;
  private static Path train;

  @TempDir Path scratch;
  private Path output;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 64, 1);
  }

  @BeforeEach
  void chooseOutput() {
    output = scratch.resolve("out");
  }

  @Test
  void aCommandThatIsNoneIsOneLineWithTheNearest() {
    Ended ended = AttuneProcess.run(scratch, "trian", "--model", "x");
    assertEquals(2, ended.status());
    assertEquals("attune: there is no command 'trian'; did you mean train?\n", ended.err());
  }

  /** It would be predicted as a text, and nobody would be told. */
  @Test
  void aFileWithoutItsOptionIsNoText() {
    Ended alone = AttuneProcess.run(scratch, "predict", "--model", "x", train.toString());
    assertEquals(2, alone.status());
    assertEquals(
        "attune: '"
            + train
            + "' is a file here; give --file "
            + train
            + "; where it is a text, put it last: -- \""
            + train
            + "\"; see: attune predict --help\n",
        alone.err());
    Ended further =
        AttuneProcess.run(
            scratch, "predict", "--model", "x", "--file", train.toString(), train.toString());
    assertEquals(2, further.status());
    assertTrue(further.err().contains("give the option again before each file"), further.err());
  }

  /** Trains with further options, which replace sound ones; expects status 2. */
  private void refused(List<String> parts, String... options) {
    List<String> words =
        List.of(
            "train",
            "--model",
            model.toString(),
            "--train-file",
            train.toString(),
            "--output-dir",
            output.toString(),
            "--max-steps",
            "2");
    Ended ended = AttuneProcess.run(scratch, AttuneProcess.with(words, options));
    assertEquals(2, ended.status(), ended.out() + ended.err());
    for (String part : parts) {
      assertTrue(ended.err().contains(part), "no '" + part + "' in: " + ended.err());
    }
    assertFalse(ended.err().contains("\tat "), "a stack trace: " + ended.err());
    assertFalse(Files.exists(output.resolve("model.safetensors")));
  }

  private Path file(String name, String content) throws IOException {
    return Files.writeString(scratch.resolve(name), content);
  }

  @Test
  void aMissingFileIsNamed() {
    refused(List.of("absent.csv"), "--train-file", scratch.resolve("absent.csv").toString());
  }

  @Test
  void aFolderWithoutConfigIsNoModel() throws IOException {
    Path folder = Files.createDirectory(scratch.resolve("empty"));
    refused(List.of("config.json"), "--model", folder.toString());
  }

  @Test
  void anUnknownModelNameListsTheKnownOnes() {
    refused(List.of("minilm"), "--model", "no-such-model");
  }

  @Test
  void anUnknownOptionIsNamed() {
    refused(List.of("--learning-rte", "did you mean --learning-rate?"), "--learning-rte", "1");
  }

  @Test
  void anOptionOutOfRangeNamesTheRange() {
    refused(List.of("--batch-size is 0", "at least 1"), "--batch-size", "0");
  }

  @Test
  void anAbsentColumnListsThoseThatAreThere() throws IOException {
    Path data = file("data.csv", "stuff,label\ngood one,a\nbad one,b\n");
    refused(
        List.of("\"stuff\", \"label\"", "--columns text=stuff,label=label"),
        "--train-file",
        data.toString());
  }

  @Test
  void anUnknownLabelInValidationNamesRowAndLabels() throws IOException {
    Path data = file("validation.csv", "text,label\nvery good,positive\nso so,neutral\n");
    refused(
        List.of("validation.csv", "3", "neutral", "positive"),
        "--validation-file",
        data.toString());
  }

  @Test
  void aRowWithTooManyFieldsIsNamed() throws IOException {
    Path data = file("data.csv", "text,label\ngood,a\nbad,b,c\n");
    refused(List.of("data.csv", "3"), "--train-file", data.toString());
  }

  @Test
  void emptyTextsStopTheRunWithTheirRows() throws IOException {
    Path data = file("data.csv", "text,label\ngood,a\n,b\nbad,b\n");
    refused(List.of("3"), "--train-file", data.toString());
  }

  @Test
  void aMaximumLengthBeyondThePositionsIsRefused() {
    refused(List.of("--max-length is 25", "24"), "--max-length", "25");
  }

  @Test
  void longTextsAreCutAndCounted() throws IOException {
    StringBuilder rows = new StringBuilder("text,label\n");
    rows.append("good ".repeat(60)).append(",positive\nbad,negative\n");
    Path data = file("long.csv", rows.toString());
    Ended ended =
        AttuneProcess.run(
            scratch,
            "train",
            "--model",
            model.toString(),
            "--train-file",
            data.toString(),
            "--output-dir",
            output.toString(),
            "--max-steps",
            "1");
    assertEquals(0, ended.status(), ended.err());
    // 60 words and 2 special tokens do not fit 24 positions.
    assertTrue(ended.out().contains("38"), ended.out());
  }

  @Test
  void anOutputFolderWithAModelIsNotTouched() throws IOException {
    Files.createDirectories(output);
    Files.writeString(output.resolve("config.json"), "{}");
    refused(List.of("--overwrite", "--resume"));
    assertEquals("{}", Files.readString(output.resolve("config.json")));
  }

  @Test
  void anOutputFolderWithAnAdapterIsNotTouched() throws IOException {
    Files.createDirectories(output);
    for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
      Files.writeString(output.resolve(name), "{}");
    }
    refused(List.of("already holds a model", "--overwrite", "--resume"));
    refused(List.of("finished", "--overwrite"), "--resume");
    for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
      assertEquals("{}", Files.readString(output.resolve(name)));
    }
  }

  @Test
  void aFinishedRunIsNotTrainedAgainByAResume() throws IOException {
    Files.createDirectories(output);
    Files.writeString(output.resolve("config.json"), "{}");
    refused(List.of("finished", "--overwrite"), "--resume");
  }

  @Test
  void anAdapterThatSaysNothingIsNotTrainedFurther() throws IOException {
    Path adapter = Files.createDirectory(scratch.resolve("adapter"));
    Files.writeString(adapter.resolve("adapter_config.json"), "{\"peft_type\": \"LORA\"}");
    refused(List.of("adapter_config.json", "target_modules"), "--model", adapter.toString());
  }

  @Test
  void aBackendThatIsNotThereIsAnErrorNotAFallback() {
    refused(List.of("--backend cuda"), "--backend", "cuda");
  }

  @Test
  void aBenchmarkOfAFixedLengthSaysWhatItCannotTime() {
    String folder = model.toString();
    benchRefused(
        "--fixed-length is for random texts",
        "--model",
        folder,
        "--file",
        train.toString(),
        "--fixed-length");
    benchRefused("--max-length is 600", "--model", folder, "--fixed-length", "--max-length", "600");
  }

  private void benchRefused(String part, String... options) {
    List<String> words = new ArrayList<>(List.of("bench"));
    words.addAll(List.of(options));
    Ended ended = AttuneProcess.run(scratch, words.toArray(String[]::new));
    assertEquals(2, ended.status(), ended.out() + ended.err());
    assertTrue(ended.err().contains(part), "no '" + part + "' in: " + ended.err());
  }

  @Test
  void brokenWeightsAreDescribed() throws IOException {
    byte[] sound = Files.readAllBytes(model.resolve("model.safetensors"));
    int headerLength = (int) ByteBuffer.wrap(sound).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(sound, 8, headerLength, StandardCharsets.UTF_8);

    brokenWeights("header", sound, header.replaceFirst("\\{", "["), "model.safetensors");
    brokenWeights("dtype", sound, header.replaceFirst("\"F32\"", "\"F99\""), "F99");
    brokenWeights(
        "missing",
        sound,
        header.replaceFirst("attention.self.query.weight", "attention.self.qvery.weight"),
        "attention.self.query.weight");
    brokenWeights(
        "overlap",
        sound,
        header.replaceFirst("\"data_offsets\":\\[\\d+,", "\"data_offsets\":[4,"),
        "model.safetensors");
  }

  private void brokenWeights(String name, byte[] sound, String header, String part)
      throws IOException {
    Path folder = Files.createDirectory(scratch.resolve(name));
    for (String file : List.of("config.json", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(model.resolve(file), folder.resolve(file));
    }
    int before = (int) ByteBuffer.wrap(sound).order(ByteOrder.LITTLE_ENDIAN).getLong();
    byte[] changed = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(sound.length - before + changed.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(changed.length).put(changed).put(sound, 8 + before, sound.length - 8 - before);
    Files.write(folder.resolve("model.safetensors"), bytes.array());
    refused(List.of(part), "--model", folder.toString());
  }

  /**
   * Java's own form of a warning has a date and the name of a class, and no --json keeps it off.
   */
  @Test
  void aCacheFolderThatCannotBeUsedIsNamedInALine() throws IOException {
    Path taken = file("taken", "a file");
    Ended doctor =
        AttuneProcess.start(
                scratch,
                List.of("env", "ATTUNE_HOME=" + taken.resolve("cache"), "LC_ALL=C.UTF-8"),
                "doctor",
                "--threads",
                "1")
            .await();
    assertEquals(1, doctor.status(), doctor.out() + doctor.err());
    assertTrue(
        doctor.out().contains("cache folder    broken: " + taken.resolve("cache")), doctor.out());
    assertTrue(doctor.out().contains("ATTUNE_HOME names"), doctor.out());
    Ended without =
        AttuneProcess.start(
                scratch,
                List.of("env", "-u", "ATTUNE_HOME", "XDG_CACHE_HOME=" + taken, "LC_ALL=C.UTF-8"),
                "doctor",
                "--threads",
                "1")
            .await();
    assertEquals(1, without.status(), without.out() + without.err());
    assertTrue(without.err().contains("attune: warning: "), without.err());
    assertFalse(without.err().contains("dev.attune."), without.err());
  }

  @Test
  void namesThatTurnTheLineAroundAreSeen() {
    refused(
        List.of("evil\\u202e\\u001b[31m.csv does not exist"),
        "--train-file",
        scratch.resolve("evil\u202e\u001b[31m.csv").toString());
  }

  @Test
  void helpSaysWhatEachCommandDoesWithAnOption() {
    Ended embed = AttuneProcess.run(scratch, "embed", "--help");
    assertTrue(embed.out().contains("where the vectors go: .jsonl or .npy"), embed.out());
    assertFalse(embed.out().contains(".tsv"), embed.out());
    assertFalse(
        AttuneProcess.run(scratch, "predict", "--help").out().contains(".npy"), "of vectors");
  }
}
