package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.InvalidInputException;
import dev.attune.MaskFiller;
import dev.attune.ZeroShotClassifier;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.SplitSummary;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.task.MaskedLm;
import dev.attune.task.TaskOptions;
import dev.attune.testkit.TinyModel;
import dev.attune.text.TextTokenizer;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Masked language models, trained, measured and used. */
class MaskedRunsTest {
  private static final Compute CPU = new Compute(BackendKind.CPU, PrecisionOption.FP32, 1);

  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path validation;

  @BeforeEach
  void write() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 40, 2);
  }

  private RecordedRun run(Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "masked-lm")
        .with(RunOption.VALIDATION_FILE, validation.toString());
  }

  @Test
  void aResumedRunEndsInTheSameBytesWhateverTheThreads() throws IOException {
    Resumption.assertSameBytes(scratch, this::run);
  }

  @Test
  void whatIsNewAndHowItMasksIsSaid() {
    RecordedRun run = run(scratch.resolve("out")).with(RunOption.MAX_STEPS, "1");
    run.run();
    assertTrue(
        run.notes()
            .contains(
                "tokens are masked anew in every epoch: 15 % of them, of which 80 % become the"
                    + " mask token and 10 % any other"),
        run.notes()::toString);
    assertTrue(
        run.notes().stream()
            .anyMatch(note -> note.startsWith("new weights: cls.predictions.transform.dense")),
        run.notes()::toString);
    RecordedRun words =
        run(scratch.resolve("words"))
            .with(RunOption.MAX_STEPS, "1")
            .with(RunOption.MLM_PROBABILITY, "0.325")
            .with(RunOption.WHOLE_WORD_MASK);
    words.run();
    assertTrue(
        words
            .notes()
            .contains(
                "whole words are masked anew in every epoch: 32.5 % of them, of which 100 % become"
                    + " the mask token and 0 % any other"),
        words.notes()::toString);
  }

  /** Few sentences, in which every word follows from the others. */
  @Test
  void itLearnsAndEvaluatesAlikeAndFillsMasks() throws IOException {
    String sentences =
        """
        the phone is very good and lovely
        a book was awful and very sad
        my chair it is broken and poor
        this was a great and happy phone
        """;
    train = Files.writeString(scratch.resolve("train.txt"), sentences.repeat(20));
    validation = Files.writeString(scratch.resolve("validation.txt"), sentences.repeat(4));
    Path output = scratch.resolve("out");
    Map<String, Double> trained =
        run(output)
            .with(RunOption.FORMAT, "lines")
            .with(RunOption.DROPOUT, "0")
            .with(RunOption.MAX_STEPS, "100")
            .with(RunOption.LEARNING_RATE, "1e-2")
            .run()
            .training()
            .evaluation();
    assertEquals(List.of("loss", "perplexity", "accuracy"), List.copyOf(trained.keySet()));
    assertEquals(Math.exp(trained.get("loss")), trained.get("perplexity"), 1e-9);
    assertTrue(trained.get("loss") < 1, trained::toString);
    assertTrue(trained.get("accuracy") > 0.8, trained::toString);
    RunConfig evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.FILE, validation.toString())
            .set(RunOption.FORMAT, "lines")
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32")
            .build();
    assertEquals(trained, EvaluateRun.run(evaluation).values());

    try (MaskModel filler = MaskModel.open(output, OpenOptions.DEFAULT, CPU)) {
      List<List<List<MaskModel.Fill>>> filled =
          filler.fill(
              List.of("this [MASK] is <mask>", "the [MASK]"), MaskModel.Wanted.PLAIN, n -> {});
      assertEquals(List.of(2, 1), filled.stream().map(List::size).toList());
      assertEquals(5, filled.get(0).get(0).size());
      for (MaskModel.Fill fill : filled.get(1).get(0)) {
        assertEquals("the " + fill.word(), fill.sequence());
      }
      MaskModel.Wanted all = new MaskModel.Wanted(1000, List.of());
      double sum = 0;
      double last = 1;
      for (MaskModel.Fill fill : filler.fill(List.of("a [MASK]"), all, n -> {}).get(0).get(0)) {
        assertTrue(fill.score() <= last, "not in order");
        last = fill.score();
        sum += fill.score();
      }
      assertEquals(1, sum, 1e-9);
      List<String> notes = new ArrayList<>();
      MaskModel.Wanted two = new MaskModel.Wanted(5, List.of("good", "bad", "phone good"));
      List<MaskModel.Fill> targets =
          filler.fill(List.of("it is [MASK]"), two, notes::add).get(0).get(0);
      assertEquals(3, targets.size());
      assertEquals(
          List.of("the target 'phone good' is no token; its first one stands for it: 'phone'"),
          notes);
      MaskModel.Wanted unknown = new MaskModel.Wanted(5, List.of("good", "phones"));
      InputException e =
          assertThrows(
              InputException.class, () -> filler.fill(List.of("it is [MASK]"), unknown, n -> {}));
      assertEquals(
          "the model's vocabulary has no token for the target 'phones', which it reads as '[UNK]';"
              + " leave it out",
          e.getMessage());
      MaskModel.Wanted named = new MaskModel.Wanted(5, List.of("[UNK]"));
      assertEquals(1, filler.fill(List.of("it is [MASK]"), named, n -> {}).get(0).get(0).size());
    }
  }

  @Test
  void allWeightsMayBeNew() throws IOException {
    Path bare = Files.createDirectory(scratch.resolve("bare"));
    for (String file : List.of("config.json", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(model.resolve(file), bare.resolve(file));
    }
    model = bare;
    String refusal = run(scratch.resolve("no")).refusal();
    assertTrue(refusal.contains("bare"), refusal);
    Path output = scratch.resolve("out");
    RecordedRun run = run(output).with(RunOption.FROM_SCRATCH).with(RunOption.MAX_STEPS, "2");
    run.run();
    assertTrue(
        run.notes().stream().anyMatch(note -> note.startsWith("all weights are new")),
        run.notes()::toString);
    assertTrue(Files.size(output.resolve("model.safetensors")) > 0);
    String lora =
        run(scratch.resolve("no"))
            .with(RunOption.FROM_SCRATCH)
            .with(RunOption.LORA_R, "4")
            .with(RunOption.TASK, "classification")
            .refusal();
    assertTrue(lora.contains("--from-scratch does not go with --lora-r"), lora);
  }

  @Test
  void tokensAreAddedAsTheMeanOfTheirPieces() throws IOException {
    Path output = scratch.resolve("out");
    RecordedRun run =
        run(output)
            .with(RunOption.ADD_TOKENS, "good phone,phone,sad book chair")
            .with(RunOption.LEARNING_RATE, "1e-9")
            .with(RunOption.MAX_STEPS, "1");
    run.run();
    assertTrue(
        run.notes()
            .contains(
                "2 tokens are added to the vocabulary, from id 27 on, as the mean of its pieces"
                    + " each; tokens already: phone"),
        run.notes()::toString);
    try (TextTokenizer before = TextTokenizer.open(model);
        TextTokenizer after = TextTokenizer.open(output);
        WeightSource old = WeightFolder.open(model);
        WeightSource grown = WeightFolder.open(output)) {
      assertArrayEquals(new int[] {27}, after.encodePlain("good phone"));
      assertArrayEquals(
          new int[] {before.vocabulary().tokenId("my").orElseThrow(), 28},
          after.encodePlain("my sad book chair"));
      String name = "bert.embeddings.word_embeddings.weight";
      FloatBuffer rows = FloatBuffer.allocate(29 * 32);
      grown.read(name, rows);
      FloatBuffer oldRows = FloatBuffer.allocate(27 * 32);
      old.read(name, oldRows);
      int[] pieces = before.encodePlain("sad book chair");
      assertEquals(3, pieces.length);
      for (int c = 0; c < 32; c++) {
        assertEquals(oldRows.get(5 * 32 + c), rows.get(5 * 32 + c), 1e-7);
        double mean = 0;
        for (int piece : pieces) {
          mean += oldRows.get(piece * 32 + c) / 3.0;
        }
        assertEquals(mean, rows.get(28 * 32 + c), 1e-6);
      }
    }
    try (MaskModel filler = MaskModel.open(output, OpenOptions.DEFAULT, CPU)) {
      MaskModel.Wanted one = new MaskModel.Wanted(1, List.of("good phone"));
      MaskModel.Fill fill = filler.fill(List.of("my [MASK]"), one, n -> {}).get(0).get(0).get(0);
      assertEquals(27, fill.token());
      assertEquals("my good phone", fill.sequence());
    }
    refused(
        run(scratch.resolve("no")).with(RunOption.ADD_TOKENS, "phone,book"),
        "--add-tokens phone,book: all of these are tokens of the model already");
  }

  @Test
  void whatItCannotDoIsRefusedByName() throws IOException {
    Path out = scratch.resolve("no");
    refused(run(out).with(RunOption.MLM_PROBABILITY, "0"), "--mlm-probability is 0.0", "above 0");
    refused(
        run(out)
            .with(RunOption.MASK_REPLACE_PROB, "0.8")
            .with(RunOption.RANDOM_REPLACE_PROB, "0.3"),
        "--mask-replace-prob and --random-replace-prob are 0.8 and 0.3");
    refused(
        new RecordedRun(model, train, out).with(RunOption.MLM_PROBABILITY, "0.2"),
        "--mlm-probability has no meaning for --task classification");
    train = scratch.resolve("pairs.jsonl");
    Files.writeString(train, "{\"text\": \"a phone\", \"text_pair\": \"a book\"}\n");
    refused(run(out), "1 row has two texts", "--columns text=text");
    train = scratch.resolve("blank.jsonl");
    Files.writeString(train, "{\"text\": \"a phone\"}\n{\"text\": \" \"}\n");
    refused(run(out), "1 row has no text");
  }

  private static void refused(RecordedRun run, String... parts) {
    String refusal = run.refusal();
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
  }

  @Test
  void aTextWithoutMaskIsRefusedWithTheTokenThatIsMissing() {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "1").run();
    try (MaskModel filler = MaskModel.open(output, OpenOptions.DEFAULT, CPU)) {
      InputException e =
          assertThrows(
              InputException.class,
              () -> filler.fill(List.of("no mask"), MaskModel.Wanted.PLAIN, n -> {}));
      assertEquals(
          "there is no mask in 'no mask'; write [MASK] where a word is to be found",
          e.getMessage());
      InputException length =
          assertThrows(
              InputException.class,
              () ->
                  filler.fill(
                      List.of("[MASK] " + "a ".repeat(40)), MaskModel.Wanted.PLAIN, n -> {}));
      assertTrue(length.getMessage().contains("43 tokens"), length.getMessage());
    }
    InputException other =
        assertThrows(InputException.class, () -> MaskModel.open(model, OpenOptions.DEFAULT, CPU));
    assertTrue(other.getMessage().contains("no masked language model"), other.getMessage());
  }

  /** Lines are texts; a long text becomes several sequences, and nothing of it is lost. */
  @Test
  void linesAreTextsAndLongTextsAreCut() throws IOException {
    train = scratch.resolve("texts.txt");
    Files.writeString(
        train, "this phone is good\n\n" + "a book is very sad and ".repeat(8) + "\nthe chair\n");
    RecordedRun run =
        run(scratch.resolve("out"))
            .with(RunOption.FORMAT, "lines")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .with(RunOption.MAX_LENGTH, "12")
            .with(RunOption.MAX_STEPS, "2");
    run.run();
    // 48 words at ten a sequence, beside two short texts: 7 sequences with two special tokens each.
    SplitSummary summary = run.report().summaries().get(0);
    assertEquals(7, summary.lengths().size());
    assertEquals(54, summary.supervised());
  }

  /** Of which chance would choose no token. */
  @Test
  void oneShortTextIsMeasured() throws IOException {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "1").run();
    Path line = Files.writeString(scratch.resolve("line.txt"), "a phone\n");
    RunConfig evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.FILE, line.toString())
            .set(RunOption.FORMAT, "lines")
            .set(RunOption.MLM_PROBABILITY, "1e-6")
            .build();
    assertTrue(EvaluateRun.run(evaluation).values().get("loss") > 0);
  }

  @Test
  void whatIsAskedOfAnEvaluationCountsMoreThanWhatWasLearned() {
    ObjectNode settings = JsonNodeFactory.instance.objectNode().put("whole_word_mask", true);
    for (String asked : Arrays.asList(null, "true", "false")) {
      TaskOptions options = option -> option == Term.WHOLE_WORD_MASK ? asked : null;
      ObjectNode described = JsonNodeFactory.instance.objectNode();
      MaskedLm.TYPE
          .open(null, settings, options)
          .describe(JsonNodeFactory.instance.objectNode(), described);
      assertEquals(!"false".equals(asked), described.get("whole_word_mask").asBoolean(), asked);
    }
  }

  @Test
  void anEmptyTargetIsRefused() {
    for (String targets : List.of("good,,bad", " ,good", "good,", ",")) {
      RunConfig config =
          RunConfig.builder(CommandOptions.FILL)
              .set(RunOption.MODEL, model.toString())
              .set(RunOption.TARGETS, targets)
              .build();
      InputException e =
          assertThrows(
              InputException.class, () -> MaskFill.run(List.of("a [MASK]"), config, n -> {}));
      assertTrue(e.getMessage().contains("has an empty name"), e.getMessage());
    }
  }

  @Test
  void aMaskFillerIsOfTextsAndClosedAsAnyModel() {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "1").run();
    MaskFiller filler = MaskFiller.open(output);
    for (Executable call :
        List.<Executable>of(
            () -> filler.fill(null),
            () -> filler.fillEach((String) null),
            () -> filler.fillEach(Arrays.asList("a [MASK]", null)))) {
      assertEquals("text", assertThrows(NullPointerException.class, call).getMessage());
    }
    assertEquals(
        "target",
        assertThrows(
                NullPointerException.class, () -> filler.withTargets(Arrays.asList("good", null)))
            .getMessage());
    filler.close();
    for (MaskFiller closed : List.of(filler, filler.withTargets(List.of("phone good")))) {
      IllegalStateException e =
          assertThrows(IllegalStateException.class, () -> closed.fill("a [MASK]"));
      assertEquals("the model is closed", e.getMessage());
    }
    // Of which no labels can be asked: said in words of Java.
    InvalidInputException e =
        assertThrows(
            InvalidInputException.class,
            () -> ZeroShotClassifier.open(output, List.of("good", "bad")));
    assertTrue(e.getMessage().startsWith("ZeroShotClassifier: " + output), e.getMessage());
  }

  @Test
  void aTargetThatTheModelHasNoRowForIsRefused() throws IOException {
    Path vocabulary = model.resolve("vocab.txt");
    Files.writeString(vocabulary, Files.readString(vocabulary) + "unheard\n");
    Path output = scratch.resolve("out");
    run(output)
        .with(RunOption.RANDOM_REPLACE_PROB, "0") // or it would be put in others' places
        .with(RunOption.MAX_STEPS, "1")
        .run();
    try (MaskModel filler = MaskModel.open(output, OpenOptions.DEFAULT, CPU)) {
      MaskModel.Wanted wanted = new MaskModel.Wanted(1, List.of("unheard"));
      InputException e =
          assertThrows(
              InputException.class, () -> filler.fill(List.of("a [MASK]"), wanted, n -> {}));
      assertEquals(
          "the target 'unheard' is token 27, and the model knows tokens 0 to 26 alone; leave it"
              + " out",
          e.getMessage());
      InputException length =
          assertThrows(
              InputException.class,
              () ->
                  filler.fill(
                      List.of("[MASK] a " + "\uD83D\uDE00 ".repeat(60)),
                      MaskModel.Wanted.PLAIN,
                      n -> {}));
      assertTrue(
          length.getMessage().codePoints().noneMatch(c -> c >= 0xD800 && c <= 0xDFFF),
          length.getMessage());
    }
  }

  /** As many positions as rows of the vocabulary, of which some are spare. */
  @Test
  void otherTensorsOfAsManyRowsStayAsTheyAre() throws IOException {
    Path vocabulary = model.resolve("vocab.txt");
    Files.writeString(vocabulary, Files.readString(vocabulary).replace("my\n", ""));
    Path config = model.resolve("config.json");
    Files.writeString(
        config,
        Files.readString(config)
            .replace("\"max_position_embeddings\": 24", "\"max_position_embeddings\": 27"));
    try (CpuBackend backend = new CpuBackend(1);
        Model wide =
            Families.create(backend, ModelFolder.readConfig(model), HeadKind.SEQUENCE, 2, null)) {
      ModelWeights.randomize(wide, 7);
      ModelWeights.write(model.resolve("model.safetensors"), wide);
    }
    Path output = scratch.resolve("out");
    run(output)
        .with(RunOption.ADD_TOKENS, "sad book")
        .with(RunOption.LEARNING_RATE, "1e-9")
        .with(RunOption.WEIGHT_DECAY, "0")
        .with(RunOption.MAX_STEPS, "1")
        .run();
    String positions = "bert.embeddings.position_embeddings.weight";
    try (WeightSource old = WeightFolder.open(model);
        WeightSource grown = WeightFolder.open(output)) {
      FloatBuffer before = FloatBuffer.allocate(27 * 32);
      old.read(positions, before);
      FloatBuffer after = FloatBuffer.allocate(27 * 32);
      grown.read(positions, after);
      assertArrayEquals(before.array(), after.array(), 1e-7f);
    }
  }

  @Test
  void aResumeRefusesAnotherListOfTokensUnderTheSameName() throws IOException {
    Path words = Files.writeString(scratch.resolve("words.txt"), "good phone\n\nsad book\n");
    Path output = scratch.resolve("out");
    run(output).with(RunOption.ADD_TOKENS, words.toString()).stoppedAfter(2).run();
    Files.writeString(words, "good phone\nsad chair\n");
    String refusal =
        run(output).with(RunOption.ADD_TOKENS, words.toString()).with(RunOption.RESUME).refusal();
    assertTrue(refusal.contains("the list of tokens to add was "), refusal);
    refused(
        run(scratch.resolve("no")).with(RunOption.ADD_TOKENS, ","),
        "--add-tokens , has an empty name");
  }
}
