package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
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
import dev.attune.testkit.Steps;
import dev.attune.testkit.TestTasks;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The tiny models of {@link GoldenModelTest} where their config.json says something else, against
 * Transformers: logits, loss, and the norm of every gradient. (Forward alone, of many more keys, is
 * {@link SweepTest}'s.)
 */
class GoldenVariantTest {
  private static final int FEW = 5;
  private static final double LOGIT_TOLERANCE = 1e-4;
  private static final double GRADIENT_TOLERANCE = 1e-3;

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void agreesWithTransformers(Backends.Target target) {
    for (JsonNode item : Goldens.resource("variants.json")) {
      check(item, target.backend(), item.get("folder").asText() + " " + item.get("set"));
    }
  }

  private static void check(JsonNode item, Backend backend, String name) {
    Path folder = Goldens.own(item.get("folder").asText());
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    boolean isRegression = item.get("set").has("problem_type");
    Task task = isRegression ? TestTasks.regression(FEW) : GoldenBatch.task(folder);
    ObjectNode config = ModelFolder.readConfig(folder);
    config.setAll((ObjectNode) item.get("set"));
    try (Model model = Families.create(backend, config, task.head(), FEW, null);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      ModelWeights.load(folder, model, 0);
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch =
          isRegression ? numbers(golden) : GoldenBatch.of(golden, task, model.positionOffset());
      checkLogits(item, golden, model, tape, staging.stage(batch, model.batchRotaries()), name);

      Inputs inputs = staging.stage(batch, model.batchRotaries());
      if (parameters.rowSparse() != null) {
        parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      }
      tape.begin(true);
      Tensor out = model.forward(tape, inputs);
      double loss = staging.sumLosses(new Objective(task, 0f).apply(tape, model, out, staging));
      int targets = (int) task.divisor(batch);
      double expected = item.get("loss").asDouble();
      assertEquals(expected, loss / targets, 2e-5 * Math.max(1, expected), name);
      tape.backward();
      Steps.complete(parameters);
      double norm = item.get("grad_norm").asDouble();
      assertEquals(norm, Steps.norm(parameters) / targets, 1e-4 * norm, name);
      for (Segment segment : parameters.segments()) {
        checkGradient(item, parameters, segment, targets, norm, name);
      }
    }
  }

  /** The sequences of a golden, with the numbers of make_variant_goldens.py. */
  private static Batch numbers(Goldens.Tensors golden) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.numbers(FEW), true);
    for (int s = 0; s < GoldenBatch.SEQUENCES; s++) {
      float[] targets = new float[FEW];
      for (int k = 0; k < FEW; k++) {
        targets[k] = (3 * s + 7 * k) % 11 / 4f - 1;
      }
      builder.add(golden.ints("input_ids." + s), golden.ints("token_type_ids." + s), targets);
    }
    Batch batch = new Batch();
    new Packer(builder.build(), 0).pack(new int[] {0, 1, 2, 3}, batch);
    return batch;
  }

  private static void checkLogits(
      JsonNode item, Goldens.Tensors golden, Model model, Tape tape, Inputs inputs, String name) {
    tape.begin(false);
    Tensor out = model.forward(tape, inputs);
    if (model.head().hasVocabulary()) {
      out = LanguageModels.logits(tape, model, out);
    }
    FloatBuffer values = Host.floats(tape.backend(), out.address(), out.sizeBytes());
    JsonNode expected = item.get("logits");
    int few = expected.size() / GoldenBatch.SEQUENCES;
    int end = 0;
    for (int s = 0; s < GoldenBatch.SEQUENCES; s++) {
      end += model.head() == HeadKind.SEQUENCE ? 1 : golden.ints("input_ids." + s).length;
      for (int k = 0; k < few; k++) {
        double value = expected.get(s * few + k).asDouble();
        double actual = values.get(Math.toIntExact((end - 1) * out.cols() + k));
        double most = LOGIT_TOLERANCE * Math.max(1, Math.abs(value));
        assertEquals(value, actual, most, name + ", logit " + k + " of " + s);
      }
    }
  }

  private static void checkGradient(
      JsonNode item,
      Parameters parameters,
      Segment segment,
      int targets,
      double whole,
      String name) {
    JsonNode norm = item.get("gradients").path(segment.name());
    double sum = 0;
    for (float value : Steps.meanGradient(parameters, segment, targets)) {
      sum += (double) value * value;
    }
    assertTrue(norm.isNumber() || sum == 0, name + " has no " + segment.name());
    // Attention ignores a constant added to all keys: a key's bias has no gradient but rounding.
    double most = GRADIENT_TOLERANCE * Math.max(norm.asDouble(), 1e-3 * whole);
    assertEquals(norm.asDouble(), Math.sqrt(sum), most, name + ", " + segment.name());
  }
}
