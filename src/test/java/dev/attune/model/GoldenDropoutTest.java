package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

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
import dev.attune.testkit.Steps;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tiny models with dropout against Transformers with the same masks: each family drops where
 * Transformers does and nowhere else, what it keeps is scaled alike, backward drops what forward
 * did, and the next step has other masks.
 */
class GoldenDropoutTest {
  private static final JsonNode GOLDEN = Goldens.json(Path.of("src/test/resources/dropout.json"));

  static Stream<Arguments> cases() {
    return Stream.of(
            "bert",
            "roberta",
            "distilbert",
            "electra",
            "albert",
            "mpnet",
            "modernbert",
            "deberta_own",
            "gpt2",
            "gpt_neox",
            "llama")
        .flatMap(family -> Backends.all().map(backend -> Arguments.of(family, backend)));
  }

  /** The config has the dropouts. */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void agreesWithTransformers(String family, Backends.Target target) {
    ObjectNode config = ModelFolder.readConfig(folder(family));
    for (JsonNode option : GOLDEN.get("families").get(family).get("dropouts")) {
      config.set(option.asText(), GOLDEN.get("p"));
    }
    check(family, target.backend(), config, null);
  }

  /** The option --dropout has them: it adds none that the family does not have. */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void theOptionMeansTheSame(String family, Backends.Target target) {
    ObjectNode config = ModelFolder.readConfig(folder(family));
    check(family, target.backend(), config, (float) GOLDEN.get("p").asDouble());
  }

  private static Path folder(String family) {
    return Goldens.own(family);
  }

  private static void check(String family, Backend backend, ObjectNode config, Float dropout) {
    Goldens.Tensors sequences = new Goldens.Tensors(folder(family).resolve("golden.safetensors"));
    Task task = GoldenBatch.task(folder(family));
    try (Model model = Families.create(backend, config, task.head(), 5, dropout);
        Tape tape =
            new Tape(
                backend, new Arena(backend, 64 << 20), DType.F32, GOLDEN.get("seed").asLong());
        Staging staging = new Staging(backend);
        Steps.Key key = new Steps.Key(backend)) {
      ModelWeights.load(folder(family), model, 0);
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(sequences, task, model.positionOffset());
      JsonNode steps = GOLDEN.get("families").get(family).get("steps");
      for (int step = 0; step < steps.size(); step++) {
        Inputs inputs = staging.stage(batch, model.batchRotaries());
        if (parameters.rowSparse() != null) {
          parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
        }
        key.step(step);
        tape.begin(true);
        Tensor output = model.forward(tape, inputs);
        int losses = new Objective(task, 0f).apply(tape, model, output, staging);
        double loss = staging.sumLosses(losses) / batch.supervisedTargets();
        double expected = steps.get(step).get("loss").asDouble();
        assertEquals(expected, loss, 1e-5 * expected, "loss of step " + step);
        tape.backward();
        Steps.complete(parameters);
        for (Segment segment : parameters.segments()) {
          checkNorm(steps.get(step).get("gradient_norms"), parameters, segment, batch);
        }
        Steps.end(parameters);
      }
    }
  }

  private static void checkNorm(
      JsonNode norms, Parameters parameters, Segment segment, Batch batch) {
    JsonNode reference = norms.get(segment.name());
    assertNotNull(reference, segment.name());
    double sum = 0;
    for (float g : Host.floats(parameters.gradients(), segment.first(), (int) segment.count())) {
      sum += (double) g * g;
    }
    double expected = reference.asDouble();
    double norm = Math.sqrt(sum) / batch.supervisedTargets();
    // Softmax does not see the bias of keys: its gradient is rounding alone.
    assertEquals(expected, norm, Math.max(1e-3 * expected, 1e-5), segment.name());
  }
}
