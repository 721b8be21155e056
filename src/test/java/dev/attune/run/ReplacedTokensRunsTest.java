package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Discriminators of replaced tokens, trained, measured and used. */
class ReplacedTokensRunsTest {
  @TempDir Path scratch;
  private Path bert;
  private Path model;
  private Path generator;
  private Path train;
  private Path validation;

  @BeforeEach
  void write() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      bert = TinyModel.write(scratch.resolve("bert"), backend);
      model = electra("model", HeadKind.REPLACED_TOKENS, 32, backend);
      generator = electra("generator", HeadKind.MASKED_LANGUAGE_MODEL, 16, backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 40, 2);
  }

  private Path electra(String name, HeadKind head, int width, Backend backend) throws IOException {
    Path folder = Files.createDirectory(scratch.resolve(name));
    for (String file : List.of("vocab.txt", "tokenizer_config.json")) {
      Files.copy(bert.resolve(file), folder.resolve(file));
    }
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"architectures": ["%s"], "model_type": "electra", "vocab_size": 27,
         "hidden_size": %d, "embedding_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 24}
        """
            .formatted(
                head == HeadKind.REPLACED_TOKENS ? "ElectraForPreTraining" : "ElectraForMaskedLM",
                width));
    try (Model made = Families.create(backend, ModelFolder.readConfig(folder), head, 1, null)) {
      ModelWeights.randomize(made, width);
      ModelWeights.write(folder.resolve("model.safetensors"), made);
    }
    return folder;
  }

  private RecordedRun run(Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "replaced-token-detection")
        .with(RunOption.GENERATOR, generator.toString())
        .with(RunOption.VALIDATION_FILE, validation.toString());
  }

  @Test
  void aResumedRunEndsInTheSameBytesWhateverTheThreads() throws IOException {
    Resumption.assertSameBytes(scratch, this::run);
  }

  /** Another generator writes other tokens: its name may change, its content may not. */
  @Test
  void aResumeWantsTheSameGenerator() throws IOException {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "8").stoppedAfter(3).run();
    Path renamed = Files.createDirectory(scratch.resolve("renamed"));
    for (String file : List.of("config.json", "model.safetensors", "vocab.txt")) {
      Files.copy(generator.resolve(file), renamed.resolve(file));
    }
    Files.copy(
        generator.resolve("tokenizer_config.json"), renamed.resolve("tokenizer_config.json"));
    byte[] changed = Resumption.weights(generator);
    changed[changed.length / 2] ^= 1;
    Files.write(generator.resolve("model.safetensors"), changed);
    String refusal = run(output).with(RunOption.MAX_STEPS, "8").with(RunOption.RESUME).refusal();
    assertTrue(refusal.contains("the generator was"), refusal);
    generator = renamed;
    run(output).with(RunOption.MAX_STEPS, "8").with(RunOption.RESUME).run();
  }

  /** Few sentences, which a model knows by heart, and so the tokens that are none of theirs. */
  @Test
  void itLearnsEvaluatesAlikeAndSaysWhichTokensAreOthers() throws IOException {
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
            .with(RunOption.MLM_PROBABILITY, "0.3")
            .with(RunOption.MAX_STEPS, "200")
            .with(RunOption.LEARNING_RATE, "3e-3")
            .run()
            .training()
            .evaluation();
    assertTrue(trained.get("accuracy") > 0.95, trained::toString);
    assertTrue(trained.get("loss") < 0.2, trained::toString);
    RunConfig.Builder evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.FILE, validation.toString())
            .set(RunOption.FORMAT, "lines")
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32");
    InputException e =
        assertThrows(InputException.class, () -> EvaluateRun.run(evaluation.build()));
    assertTrue(RunOption.worded(e.getMessage()).contains("--generator"), e.getMessage());
    evaluation.set(RunOption.GENERATOR, generator.toString());
    assertEquals(trained, EvaluateRun.run(evaluation.build()).values());

    Path texts = Files.writeString(scratch.resolve("texts.txt"), "my chair it is happy and poor\n");
    Path predicted = scratch.resolve("predicted.jsonl");
    PredictRun.run(
        RunConfig.builder(CommandOptions.PREDICT)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.FILE, texts.toString())
            .set(RunOption.FORMAT, "lines")
            .set(RunOption.OUTPUT, predicted.toString())
            .build());
    JsonNode tokens =
        new ObjectMapper().readTree(Files.readString(predicted)).path("predicted_replaced");
    assertEquals(7, tokens.size());
    for (JsonNode token : tokens) {
      boolean isOther = token.path("token").asText().equals("happy");
      assertEquals(isOther, token.path("score").asDouble() > 0.5, tokens::toString);
    }
  }

  /** As Transformers' class for it is called, and its tensors. */
  @Test
  void theFolderIsOneOfElectrasDiscriminator() throws IOException {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "1").run();
    assertEquals("ElectraForPreTraining", ModelFolder.open(output, null).architecture());
    try (WeightSource source = WeightFolder.open(output)) {
      assertTrue(
          source
              .names()
              .containsAll(
                  List.of(
                      "electra.embeddings.word_embeddings.weight",
                      "discriminator_predictions.dense.weight",
                      "discriminator_predictions.dense_prediction.bias")),
          source.names()::toString);
      assertTrue(source.names().stream().noneMatch(n -> n.startsWith("generator")));
    }
  }

  /** Three times the layers that a classifier is made of, without the head. */
  @Test
  void aClassifierIsTrainedFromIt() {
    Path output = scratch.resolve("out");
    run(output).with(RunOption.MAX_STEPS, "1").run();
    RecordedRun classifier = new RecordedRun(output, train, scratch.resolve("classifier"));
    classifier.run();
    assertTrue(
        classifier.notes().stream()
            .anyMatch(n -> n.startsWith("tensors of the folder that are not")),
        classifier.notes()::toString);
  }

  @Test
  void whatCannotBeIsRefusedByName() throws IOException {
    Path out = scratch.resolve("no");
    refused(
        new RecordedRun(model, train, out).with(RunOption.TASK, "replaced-token-detection"),
        "--task replaced-token-detection needs a masked language model",
        "--generator");
    refused(run(out).with(RunOption.GENERATOR, bert.toString()), "no head for masked tokens");
    refused(run(out).with(RunOption.GENERATOR, scratch.resolve("nowhere").toString()), "nowhere");
    refused(run(out).with(RunOption.MAX_LENGTH, "30"), "24");
    refused(
        new RecordedRun(model, train, out).with(RunOption.GENERATOR, generator.toString()),
        "--generator has no meaning for --task classification");
    refused(run(out).with(RunOption.ADD_TOKENS, "zebra"), "another vocabulary", "'zebra'");
    Path vocabulary = generator.resolve("vocab.txt");
    Files.writeString(
        vocabulary, Files.readString(vocabulary).replace("phone\nbook", "book\nphone"));
    refused(run(out), "another vocabulary", "is token");
    model = bert;
    refused(run(out), "ELECTRA's discriminator alone", "'bert'");
  }

  private static void refused(RecordedRun run, String... parts) {
    String refusal = run.refusal();
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
  }

  @Test
  void whatItWillTakeCanBeEstimated() {
    long bytes =
        TrainEstimate.of(run(scratch.resolve("out")).config(), null, run(scratch.resolve("out")))
            .need()
            .bytes();
    assertTrue(bytes > 0);
  }

  /** Copies in bf16 are made of both before the first step, and are weights. */
  @Test
  void anEstimateKnowsTheGeneratorsWeights() {
    long both = narrowBytes(run(scratch.resolve("out")));
    long one = narrowBytes(new RecordedRun(model, train, scratch.resolve("out")));
    assertTrue(both > 1.2 * one, both + " bytes of two models, " + one + " of one");
  }

  private static long narrowBytes(RecordedRun run) {
    long wide = TrainEstimate.of(run.config(), null, run).need().weightBytes();
    run.with(RunOption.PRECISION, "bf16");
    return TrainEstimate.of(run.config(), null, run).need().weightBytes() - wide;
  }
}
