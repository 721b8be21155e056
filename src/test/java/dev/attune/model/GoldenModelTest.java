package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import dev.attune.testkit.Projection;
import dev.attune.testkit.Steps;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tiny random models of each family against Transformers: logits, hidden states, loss, gradient
 * norm and every gradient of a packed batch of four sequences; of large matrices their sums.
 */
class GoldenModelTest {
  private static final double LOGIT_TOLERANCE = 1e-4;
  private static final double GRADIENT_TOLERANCE = 1e-3; // of the tensor's largest entry

  /** Those of our own whose family we have. */
  static final List<String> OWN =
      List.of(
          "bert",
          "bert_token",
          "bert_multi_label",
          "bert_answer",
          "roberta_answer",
          "distilbert_answer",
          "roberta",
          "roberta_token",
          "distilbert",
          "xlm_roberta",
          "camembert",
          "camembert_token",
          "electra",
          "electra_token",
          "albert",
          "albert_token",
          "mpnet",
          "mpnet_token",
          "modernbert",
          "modernbert_bias",
          "modernbert_token",
          "modernbert_answer",
          "bert_mlm",
          "bert_mlm_untied",
          "roberta_mlm",
          "distilbert_mlm",
          "electra_mlm",
          "electra_rtd",
          "albert_mlm",
          "mpnet_mlm",
          "modernbert_mlm",
          "modernbert_mlm_bias",
          "ernie_mlm",
          "data2vec_mlm",
          "deberta_mlm",
          "deberta_mlm_own",
          "deberta",
          "deberta_own",
          "deberta_c2p",
          "deberta_p2c",
          "eurobert",
          "eurobert_mean",
          "eurobert_token",
          "eurobert_mlm",
          "eurobert_mlm_tied",
          "nomic_bert",
          "nomic_bert_token",
          "nomic_bert_mlm",
          "ernie",
          "ernie_token",
          "data2vec_text",
          "gpt2",
          "gpt2_cls",
          "llama",
          "llama_tied",
          "llama_yarn",
          "llama_cls",
          "mistral",
          "qwen2",
          "qwen3",
          "gpt_neox");

  private static final List<String> SHARED =
      List.of(
          "bert",
          "bert_token",
          "bert_mlm",
          "roberta",
          "distilbert",
          "gpt2",
          "gpt2_cls",
          "llama",
          "llama_tied",
          "mistral",
          "qwen2",
          "qwen3",
          "gpt_neox");

  static Stream<Arguments> own() {
    return cases(OWN);
  }

  static Stream<Arguments> shared() {
    return cases(SHARED);
  }

  private static Stream<Arguments> cases(List<String> names) {
    return names.stream()
        .flatMap(name -> Backends.all().map(backend -> Arguments.of(name, backend)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("own")
  void agreesWithTransformers(String name, Backends.Target target) {
    check(Goldens.own(name), target.backend());
  }

  /** Wider models, of other sequences. */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("shared")
  void agreesOnWiderModels(String name, Backends.Target target) {
    check(Goldens.shared(name), target.backend());
  }

  private static void check(Path folder, Backend backend) {
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    JsonNode summary = Goldens.json(folder.resolve("golden.json"));
    Task task = GoldenBatch.task(folder);
    try (Model model =
            Families.create(backend, ModelFolder.readConfig(folder), task.head(), 5, null);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      ModelWeights.Loaded loaded = ModelWeights.load(folder, model, 0);
      assertEquals(List.of(), loaded.created());
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
      checkHidden(golden, model, tape, staging, batch);

      checkLogits(golden, model, tape, staging, batch);

      Inputs inputs = staging.stage(batch, model.batchRotaries());
      if (parameters.rowSparse() != null) {
        parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      }
      tape.begin(true);
      Tensor logits = model.forward(tape, inputs);
      double loss = staging.sumLosses(new Objective(task, 0f).apply(tape, model, logits, staging));
      int targets = batch.supervisedTargets();
      // A span has two: its mean is half the sum of two means.
      int each = task.head() == HeadKind.SPAN ? 2 : 1;
      assertEquals(each * summary.get("targets").asInt(), targets);
      assertEquals(summary.get("loss").asDouble(), loss / targets, 1e-5);
      tape.backward();
      Steps.complete(parameters);
      double expected = summary.get("grad_norm").asDouble();
      assertEquals(expected, Steps.norm(parameters) / targets, 1e-4 * expected);
      for (Segment segment : parameters.segments()) {
        checkGradient(golden, parameters, segment, targets);
      }
    }
  }

  /** Running blocks again in backward gives the same gradients, bit for bit, dropout included. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "bert",
        "bert_token",
        "bert_mlm",
        "gpt2",
        "llama",
        "qwen3",
        "gpt_neox",
        "gpt2_cls",
        "deberta"
      })
  void checkpointsChangeNothing(String family) {
    for (Backends.Target target : Backends.best().toList()) {
      assertArrayEquals(
          gradients(family, target.backend(), false),
          gradients(family, target.backend(), true),
          family + " on " + target);
    }
  }

  private static float[] gradients(String family, Backend backend, boolean checkpoints) {
    Path folder = Goldens.own(family);
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    Task task = GoldenBatch.task(folder);
    try (Model model =
            Families.create(backend, ModelFolder.readConfig(folder), task.head(), 5, 0.1f);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.BF16, 1);
        Staging staging = new Staging(backend);
        Steps.Key key = new Steps.Key(backend)) {
      tape.useCheckpoints(checkpoints);
      ModelWeights.load(folder, model, 0);
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
      Inputs inputs = staging.stage(batch, model.batchRotaries());
      if (parameters.rowSparse() != null) {
        parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      }
      key.step(3);
      tape.begin(true);
      new Objective(task, 0f).apply(tape, model, model.forward(tape, inputs), staging);
      tape.backward();
      Steps.complete(parameters);
      assertEquals(0, tape.arena().liveBytes(), "blocks that nobody freed");
      return Host.floats(parameters.gradients(), 0, (int) parameters.size());
    }
  }

  private static void checkHidden(
      Goldens.Tensors golden, Model model, Tape tape, Staging staging, Batch batch) {
    Inputs inputs = staging.stage(batch, model.batchRotaries());
    tape.begin(false);
    Tensor hidden = ((TransformerModel) model).body().forward(tape, inputs);
    checkRows(golden, "hidden.", hidden, false, tape);
  }

  private static void checkLogits(
      Goldens.Tensors golden, Model model, Tape tape, Staging staging, Batch batch) {
    Inputs inputs = staging.stage(batch, model.batchRotaries());
    tape.begin(false);
    Tensor out = model.forward(tape, inputs);
    boolean isLanguageModel = model.head().hasVocabulary();
    Tensor logits = isLanguageModel ? LanguageModels.logits(tape, model, out) : out;
    checkRows(golden, "logits.", logits, model.head() == HeadKind.SEQUENCE, tape);
  }

  /** Rows of tokens may be padded; those of sequences are not. */
  private static void checkRows(
      Goldens.Tensors golden, String name, Tensor actual, boolean ofSequences, Tape tape) {
    FloatBuffer values = Host.floats(tape.backend(), actual.address(), actual.sizeBytes());
    int cols = Math.toIntExact(actual.cols());
    int rows = 0;
    for (int s = 0; s < GoldenBatch.SEQUENCES; s++) {
      int ofSequence = ofSequences ? 1 : golden.ints("input_ids." + s).length;
      float[] found = new float[ofSequence * cols];
      values.get(found);
      Projection.check(golden.floats(name + s), found, cols, any -> LOGIT_TOLERANCE, name + s);
      rows += ofSequence;
    }
    assertEquals(ofSequences ? rows : tape.backend().paddedRows(rows), actual.rows());
  }

  private static void checkGradient(
      Goldens.Tensors golden, Parameters parameters, Segment segment, int targets) {
    String name = "grad." + segment.name();
    assertTrue(golden.has(name), name);
    Projection.check(
        golden.floats(name),
        Steps.meanGradient(parameters, segment, targets),
        Math.toIntExact(segment.shape()[segment.shape().length - 1]),
        // Attention ignores a constant added to all keys: the key bias has no gradient but
        // rounding.
        largest -> GRADIENT_TOLERANCE * Math.max(largest, 1e-4),
        name);
  }
}
