package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import dev.attune.testkit.Steps;
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
    Task task = GoldenBatch.task(folder);
    ObjectNode config = ModelFolder.readConfig(folder);
    config.setAll((ObjectNode) item.get("set"));
    try (Model model = Families.create(backend, config, task.head(), FEW, null);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      ModelWeights.load(folder, model, 0);
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
      checkLogits(item, golden, model, tape, staging.stage(batch, model.batchRotaries()), name);

      Inputs inputs = staging.stage(batch, model.batchRotaries());
      if (parameters.rowSparse() != null) {
        parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      }
      tape.begin(true);
      Tensor out = model.forward(tape, inputs);
      double loss = staging.sumLosses(new Objective(task, 0f).apply(tape, model, out, staging));
      int targets = batch.supervisedTargets();
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
