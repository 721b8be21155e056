package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.tape.Tape;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Twenty steps of tiny models against Transformers, of masked ones over the same masks, of a
 * discriminator over the same tokens in the place of others.
 */
class GoldenCurveTest {
  private static final int STEPS = 20;
  private static final int LABELS = 5;

  static Stream<Arguments> cases() {
    return Stream.of(
            "bert_mlm",
            "bert_mlm_untied",
            "deberta",
            "deberta_mlm_own",
            "eurobert_mlm",
            "eurobert_mlm_tied",
            "nomic_bert",
            "nomic_bert_mlm",
            "roberta_mlm",
            "distilbert_mlm",
            "electra_mlm",
            "electra_rtd",
            "albert_mlm",
            "mpnet_mlm",
            "modernbert_mlm",
            "modernbert_mlm_bias")
        .flatMap(name -> Backends.best().map(backend -> Arguments.of(name, backend)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void twentyStepsFollowTransformers(String name, Backends.Target target) {
    Path folder = Goldens.own(name);
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    JsonNode curve = Goldens.json(folder.resolve("golden.json")).get("curve");
    assertEquals(STEPS, curve.size());
    Task task = GoldenBatch.learned(golden, GoldenBatch.task(folder));
    Backend backend = target.backend();
    List<Double> losses = new ArrayList<>();
    try (Model model =
            Families.create(backend, ModelFolder.readConfig(folder), task.head(), LABELS, 0f);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1)) {
      ModelWeights.load(folder, model, 0);
      model.parameters().enableTraining();
      TrainerConfig config =
          new TrainerConfig(
              GoldenBatch.SEQUENCES,
              STEPS,
              0,
              1,
              Rates.of(Schedule.Kind.LINEAR, 1e-3, 0),
              0,
              0,
              1,
              false,
              Evaluations.every(0),
              0);
      try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.01f));
          TrainingLoop loop =
              new TrainingLoop(
                  task, model, optimizer, tape, GoldenBatch.data(golden, task), null, config)) {
        loop.run(
            new TrainListener() {
              @Override
              public void onStep(Step step) {
                losses.add(step.loss());
              }

              @Override
              public void onEvaluation(
                  long step, double epoch, Map<String, Double> metrics, boolean best) {}

              @Override
              public void onCheckpoint(long step) {}
            },
            null,
            () -> false);
      }
    }
    assertEquals(STEPS, losses.size());
    double tolerance = name.equals("electra_rtd") ? 1e-5 : 1e-3;
    for (int i = 0; i < STEPS; i++) {
      double expected = curve.get(i).asDouble();
      assertEquals(expected, losses.get(i), tolerance * expected, "step " + (i + 1));
    }
  }
}
