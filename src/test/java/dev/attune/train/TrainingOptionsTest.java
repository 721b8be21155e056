package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.RateFactors;
import dev.attune.optim.Schedule;
import dev.attune.optim.Sgd;
import dev.attune.store.Freezing;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.task.Classification;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * 20 steps of a tiny BERT with weights of classes, with frozen parts and with a rate for each
 * layer, against Transformers with PyTorch's losses and optimizers (tools/make_option_goldens.py).
 */
class TrainingOptionsTest {
  private static final JsonNode GOLDEN = Goldens.json(Path.of("src/test/resources/options.json"));
  private static final Path FOLDER = Goldens.own("bert");
  private static final int SEQUENCES = 4;
  private static final int STEPS = 20;
  private static final Set<Integer> NONE = Set.of();

  /**
   * One run of the goldens.
   *
   * @param batchSize of a step of four sequences
   */
  private record Case(
      String name,
      Freezing freezing,
      RateFactors factors,
      boolean weighted,
      float smoothing,
      boolean sgd,
      int batchSize) {
    static Case of(String name) {
      return new Case(name, Freezing.NOTHING, RateFactors.ONE, false, 0f, false, SEQUENCES);
    }

    Case freezing(Freezing parts) {
      return new Case(name, parts, factors, weighted, smoothing, sgd, batchSize);
    }

    Case factors(RateFactors other, boolean isSgd) {
      return new Case(name, freezing, other, weighted, smoothing, isSgd, batchSize);
    }

    Case weighted(float labelSmoothing, int sequences) {
      return new Case(name, freezing, factors, true, labelSmoothing, sgd, sequences);
    }

    @Override
    public String toString() {
      return name + (batchSize == SEQUENCES ? "" : " in batches of " + batchSize);
    }
  }

  static Stream<Arguments> cases() {
    return Stream.of(
            Case.of("plain"),
            Case.of("class_weights").weighted(0f, SEQUENCES),
            Case.of("class_weights").weighted(0f, 1),
            Case.of("class_weights_and_smoothing").weighted(0.1f, SEQUENCES),
            Case.of("class_weights_and_smoothing").weighted(0.1f, 1),
            Case.of("freeze_layers_1").freezing(new Freezing(false, 1, NONE, false)),
            Case.of("freeze_layer_0").freezing(new Freezing(false, 0, Set.of(0), false)),
            Case.of("freeze_embeddings").freezing(new Freezing(true, 0, NONE, false)),
            Case.of("freeze_base").freezing(new Freezing(false, 0, NONE, true)),
            Case.of("layer_decay_and_head").factors(new RateFactors(0.5, 4), false),
            Case.of("layer_decay_sgd").factors(new RateFactors(0.5, 1), true))
        .flatMap(kind -> Backends.all().map(target -> Arguments.of(kind, target)));
  }

  private static EncodedDataset data() {
    Goldens.Tensors golden = new Goldens.Tensors(FOLDER.resolve("golden.safetensors"));
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    for (int s = 0; s < SEQUENCES; s++) {
      builder.add(
          golden.ints("input_ids." + s),
          golden.ints("token_type_ids." + s),
          golden.ints("labels." + s)[0]);
    }
    return builder.build();
  }

  private static Task task(boolean weighted) {
    List<String> names = List.of("0", "1", "2", "3", "4");
    List<String> weights = new ArrayList<>();
    for (int k = 0; k < names.size(); k++) {
      weights.add(k + "=" + GOLDEN.get("weights").get(k).asDouble());
    }
    String option = weighted ? String.join(",", weights) : null;
    return Classification.TYPE.create(
        LabelMap.ofNames(names), null, term -> term == Term.CLASS_WEIGHTS ? option : null);
  }

  private static Optimizer optimizer(Parameters parameters, Case kind) {
    float decay = (float) GOLDEN.get("weight_decay").asDouble();
    return kind.sgd
        ? new Sgd(parameters, new Sgd.Config(0.9f, decay, false), kind.factors)
        : new AdamW(parameters, AdamW.Config.withDecay(decay), kind.factors);
  }

  private static float[] values(Parameters parameters, Segment segment) {
    FloatBuffer all = FloatBuffer.allocate((int) segment.count());
    while (all.hasRemaining()) {
      all.put(parameters.read(segment, all.position()));
    }
    return all.array();
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void twentyStepsFollowPyTorch(Case kind, Backends.Target target) {
    Backend backend = target.backend();
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(kind.freezing);
    try (Model model =
            Families.create(
                backend, ModelFolder.readConfig(FOLDER), HeadKind.SEQUENCE, 5, 0f, builder);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1)) {
      ModelWeights.load(FOLDER, model, 0);
      Parameters parameters = model.parameters();
      Map<String, float[]> before = new HashMap<>();
      parameters.segments().forEach(s -> before.put(s.name(), values(parameters, s)));
      parameters.enableTraining();
      JsonNode golden = GOLDEN.get("runs").get(kind.name);
      checkCurve(golden.get("curve"), train(kind, model, tape));
      for (Segment segment : parameters.segments()) {
        float[] after = values(parameters, segment);
        if (segment.frozen()) {
          assertArrayEquals(before.get(segment.name()), after, segment.name());
        }
        if (segment.name().endsWith("key.bias") && !segment.frozen()) {
          continue; // its gradient is 0 but for rounding, which Adam divides by itself
        }
        double squares = 0;
        for (float value : after) {
          squares += (double) value * value;
        }
        double expected = golden.get("norms").get(segment.name()).asDouble();
        assertEquals(expected, Math.sqrt(squares), 1e-3 * expected + 1e-5, segment.name());
      }
    }
  }

  private static List<TrainListener.Step> train(Case kind, Model model, Tape tape) {
    TrainerConfig config =
        new TrainerConfig(
            kind.batchSize,
            1,
            STEPS,
            SEQUENCES / kind.batchSize,
            Rates.of(Schedule.Kind.LINEAR, GOLDEN.get("rate").asDouble(), 0),
            1.0,
            kind.smoothing,
            1,
            false,
            Evaluations.every(0),
            0);
    List<TrainListener.Step> curve = new ArrayList<>();
    TrainListener listener =
        new TrainListener() {
          @Override
          public void onStep(Step step) {
            curve.add(step);
          }

          @Override
          public void onEvaluation(
              long step, double epoch, Map<String, Double> metrics, boolean best) {}

          @Override
          public void onCheckpoint(long step) {}
        };
    try (Optimizer optimizer = optimizer(model.parameters(), kind);
        TrainingLoop loop =
            new TrainingLoop(task(kind.weighted), model, optimizer, tape, data(), null, config)) {
      // Moments of trained weights alone.
      long bytes = model.parameters().size() * Float.BYTES;
      Map<String, Buffer> moments = new TreeMap<>(optimizer.state());
      moments.remove("adam_rows"); // which there are where rows lag
      moments.values().forEach(state -> assertEquals(bytes, state.sizeBytes()));
      loop.run(listener, null, () -> false);
    }
    return curve;
  }

  private static void checkCurve(JsonNode expected, List<TrainListener.Step> curve) {
    assertEquals(STEPS, curve.size());
    for (int i = 0; i < STEPS; i++) {
      double loss = expected.get(i).get("loss").asDouble();
      double norm = expected.get(i).get("grad_norm").asDouble();
      assertEquals(loss, curve.get(i).loss(), 1e-3 * loss, "loss of step " + (i + 1));
      assertEquals(norm, curve.get(i).gradNorm(), 2e-3 * norm, "norm of step " + (i + 1));
    }
  }

  /** Backward does not come to what lies below all that is trained, which keeps nothing for it. */
  @ParameterizedTest
  @MethodSource("dev.attune.testkit.Backends#best")
  void layersBelowAllThatIsTrainedKeepNoActivations(Backends.Target target) {
    long whole = activations(target.backend(), Freezing.NOTHING);
    long upper = activations(target.backend(), new Freezing(false, 1, NONE, false));
    long head = activations(target.backend(), new Freezing(false, 0, NONE, true));
    assertTrue(upper < 0.8 * whole, upper + " of " + whole);
    assertTrue(head <= upper, head + " of " + upper);
    // Above a trained layer all are kept.
    assertEquals(whole, activations(target.backend(), new Freezing(false, 0, Set.of(1), false)));
  }

  /** Bytes of activations that a step takes. */
  private static long activations(Backend backend, Freezing freezing) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(freezing);
    try (Model model =
            Families.create(
                backend, ModelFolder.readConfig(FOLDER), HeadKind.SEQUENCE, 5, 0f, builder);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1)) {
      ModelWeights.load(FOLDER, model, 0);
      model.parameters().enableTraining();
      train(Case.of("plain").freezing(freezing), model, tape);
      return tape.arena().highWaterBytes();
    }
  }

  /** What is frozen is not in the flat store, whose size the optimizer's state has. */
  @ParameterizedTest
  @MethodSource("dev.attune.testkit.Backends#best")
  void frozenPartsAreOutsideTheTrainedStore(Backends.Target target) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(new Freezing(false, 1, NONE, false));
    try (Model model =
        Families.create(
            target.backend(), ModelFolder.readConfig(FOLDER), HeadKind.SEQUENCE, 5, 0f, builder)) {
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      assertEquals(null, parameters.rowSparse());
      for (Segment segment : parameters.segments()) {
        boolean below =
            segment.name().contains("embeddings") || segment.name().contains("encoder.layer.0.");
        assertEquals(below, segment.frozen(), segment.name());
        assertEquals(DType.F32, segment.dtype());
      }
      assertTrue(parameters.size() < parameters.count());
      assertFalse(parameters.segment("classifier.weight").frozen());
    }
  }
}
