package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.model.Names.Module;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each switch of the block, alone and with others, against {@link TransformerRef}: the hidden
 * states, and for every tensor the derivative of a random function of them along a random
 * direction, by differences of the reference.
 */
class BlockTest {
  private static final int V = 13;
  private static final int C = 16;
  private static final int[] LENGTHS = {1, 7, 4};
  private static final Rotary ROTARY = new Rotary(4, new float[] {0.7f, 0.11f}, 1f, null);
  private static final Rotary SLOWER = new Rotary(4, new float[] {0.31f, 0.02f}, 1f, null);

  private static final Names NAMES =
      Names.of("body", "layers.%s.")
          .with(Module.WORD, "word")
          .with(Module.POSITION, "position")
          .with(Module.TYPE, "type")
          .with(Module.RELATIVE_POSITION, "relative")
          .with(Module.EMBEDDING_NORM, "embedding_norm")
          .with(Module.EMBEDDING_PROJECTION, "projection")
          .with(Module.FINAL_NORM, "final_norm")
          .with(Module.ATTENTION_NORM, "attention_norm")
          .with(Module.ATTENTION_OUT_NORM, "attention_out_norm")
          .with(Module.QUERY, "query")
          .with(Module.KEY, "key")
          .with(Module.VALUE, "value")
          .with(Module.QUERY_NORM, "query_norm")
          .with(Module.KEY_NORM, "key_norm")
          .with(Module.ATTENTION_OUT, "out")
          .with(Module.FEED_FORWARD_NORM, "feed_norm")
          .with(Module.FEED_FORWARD_OUT_NORM, "feed_out_norm")
          .with(Module.GATE, "gate")
          .with(Module.UP, "up")
          .with(Module.DOWN, "down");

  private static final Map<String, TransformerConfig> CASES = new LinkedHashMap<>();

  static {
    Norms before = Norms.layerNorm(Place.BEFORE, 1e-5f);
    Norms after = Norms.layerNorm(Place.AFTER, 1e-12f);
    Norms rms = Norms.rms(Place.BEFORE, 1e-6f);
    Attention encoder = Attention.bidirectional(4, 4).biases(true, true);
    Attention decoder = Attention.causal(4, 4);
    FeedForward plain = FeedForward.plain(24, Activation.GELU).bias(true);
    FeedForward gated = FeedForward.gated(24, Activation.SILU);
    Embeddings table = Embeddings.ofWidth(C).positions(12, 2).types(2).normalized();
    CASES.put("after", of(after, encoder, plain, layers(2)).embeddings(table).build());
    CASES.put("before", of(before, encoder, plain, layers(2)).embeddings(table).build());
    CASES.put(
        "both",
        of(Norms.rms(Place.BOTH, 1e-6f), decoder, gated, turning(layers(2), ROTARY)).build());
    CASES.put(
        "both, layer norms",
        of(Norms.layerNorm(Place.BOTH, 1e-5f), encoder, plain, layers(2)).build());
    CASES.put(
        "after, root mean square",
        of(Norms.rms(Place.AFTER, 1e-6f), encoder, gated.bias(true), layers(2)).build());
    CASES.put("rotary", of(rms, decoder, gated, turning(layers(2), ROTARY)).build());
    CASES.put(
        "fewer key heads, normalized heads",
        of(rms, decoder.keyValueHeads(2).normalizedHeads(), gated, turning(layers(2), ROTARY))
            .build());
    CASES.put(
        "one window",
        of(
                rms,
                decoder,
                gated,
                List.of(Layer.named(0).rotary(ROTARY).window(3), Layer.named(1).rotary(SLOWER)))
            .build());
    CASES.put(
        "windows to both sides",
        of(
                after,
                encoder,
                plain,
                List.of(Layer.named(0).rotary(ROTARY).window(3), Layer.named(1).rotary(SLOWER)))
            .build());
    // Offsets beyond 5 share the bucket of the farthest.
    CASES.put(
        "relative positions",
        of(after, encoder, plain, layers(2)).relative(new RelativePositions(8, 8, 5)).build());
    CASES.put(
        "relative positions in a window",
        of(after, encoder, plain, List.of(Layer.named(0).window(3), Layer.named(1)))
            .relative(new RelativePositions(8, 8, 5))
            .build());
    CASES.put(
        "parallel",
        of(before, decoder.biases(true, true), plain, turning(layers(2), ROTARY))
            .parallel(true)
            .build());
    CASES.put(
        "no first norm, no biases in norms",
        of(
                before.bias(false),
                Attention.bidirectional(4, 4),
                FeedForward.gated(24, Activation.GELU),
                List.of(
                    Layer.named(0).rotary(ROTARY).withoutFirstNorm(),
                    Layer.named(1).rotary(SLOWER)))
            .embeddings(Embeddings.ofWidth(C).normalized())
            .build());
    CASES.put(
        "shared layers, projected embeddings",
        of(
                after,
                encoder,
                plain,
                List.of(Layer.named("a"), Layer.named("b"), Layer.named("a"), Layer.named("b")))
            .embeddings(Embeddings.ofWidth(8).positions(12, 0).types(2).normalized().projected())
            .build());
  }

  private static TransformerConfig.Builder of(
      Norms norms, Attention attention, FeedForward feedForward, List<Layer> layers) {
    return TransformerConfig.of(V, C, 10)
        .norms(norms)
        .attention(attention)
        .feedForward(feedForward)
        .layers(layers);
  }

  private static List<Layer> layers(int count) {
    return IntStream.range(0, count).mapToObj(Layer::named).toList();
  }

  private static List<Layer> turning(List<Layer> layers, Rotary rotary) {
    return layers.stream().map(layer -> layer.rotary(rotary)).toList();
  }

  static Stream<Arguments> cases() {
    return CASES.keySet().stream()
        .flatMap(
            name ->
                Stream.of(true, false)
                    .flatMap(
                        all -> Backends.best().map(target -> Arguments.of(name, all, target))));
  }

  @ParameterizedTest(name = "{0}, all rows: {1}, on {2}")
  @MethodSource("cases")
  void agreesWithTheReference(String name, boolean allRows, Backends.Target target) {
    check(CASES.get(name), allRows, target.backend(), false);
  }

  @ParameterizedTest(name = "{0}, all rows: {1}, on {2}")
  @MethodSource("cases")
  void soItDoesWhenBlocksRunTwice(String name, boolean allRows, Backends.Target target) {
    check(CASES.get(name), allRows, target.backend(), true);
  }

  private static void check(
      TransformerConfig config, boolean allRows, Backend backend, boolean recompute) {
    ParameterBuilder builder = new ParameterBuilder();
    Transformer body = new Transformer(builder, config, NAMES, false);
    try (Parameters parameters = builder.build(backend);
        Tape tape = new Tape(backend, new Arena(backend, 16 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      body.allocate(backend);
      Map<String, double[]> weights = randomize(parameters);
      parameters.enableTraining();
      Random random = new Random(5);
      Batch batch = batch(config);
      Inputs inputs = staging.stage(batch, body.batchRotaries());
      parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      tape.useCheckpoints(recompute);
      tape.begin(true);
      Tensor out =
          allRows
              ? body.forward(tape, inputs)
              : config.attention().isCausal()
                  ? body.forwardLastRows(tape, inputs)
                  : body.forwardFirstRows(tape, inputs);
      double[] expected = reference(config, weights, allRows);
      FloatBuffer actual = Host.floats(backend, out.address(), out.sizeBytes());
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], actual.get(i), 1e-5 * Math.max(1, Math.abs(expected[i])));
      }
      double[] dout = random.doubles(expected.length, -1, 1).map(x -> (float) x).toArray();
      // Rows that only fill the batch up have no gradient.
      backend.upload(tape.gradientOf(out), floats(dout, Math.toIntExact(out.sizeBytes() / 4)));
      tape.backward();
      Steps.complete(parameters);
      assertEquals(0, tape.arena().liveBytes(), "blocks that nobody freed");
      for (Segment segment : parameters.segments()) {
        checkGradient(config, weights, allRows, dout, parameters, segment, random);
      }
    } finally {
      body.close();
    }
  }

  private static void checkGradient(
      TransformerConfig config,
      Map<String, double[]> weights,
      boolean allRows,
      double[] dout,
      Parameters parameters,
      Segment segment,
      Random random) {
    double[] values = weights.get(segment.name());
    double[] direction = random.doubles(values.length, -1, 1).toArray();
    double step = 1e-5;
    double[] difference = new double[2];
    for (int side = 0; side < 2; side++) {
      double[] moved = values.clone();
      for (int i = 0; i < moved.length; i++) {
        moved[i] += (side == 0 ? step : -step) * direction[i];
      }
      Map<String, double[]> there = new HashMap<>(weights);
      there.put(segment.name(), moved);
      double[] out = reference(config, there, allRows);
      for (int i = 0; i < out.length; i++) {
        difference[side] += out[i] * dout[i];
      }
    }
    double expected = (difference[0] - difference[1]) / (2 * step);
    float[] gradient = Host.floats(parameters.gradients(), segment.first(), values.length);
    double actual = 0;
    double norm = 0;
    for (int i = 0; i < values.length; i++) {
      actual += gradient[i] * direction[i];
      norm += gradient[i] * gradient[i];
    }
    assertEquals(expected, actual, 1e-4 * Math.max(0.1, Math.sqrt(norm)), segment.name());
  }

  /** Random weights, norms around 1: what the reference computes with is what the store holds. */
  private static Map<String, double[]> randomize(Parameters parameters) {
    Random random = new Random(3);
    Map<String, double[]> weights = new HashMap<>();
    for (Segment segment : parameters.segments()) {
      double mean = segment.name().endsWith("norm.weight") ? 1 : 0;
      double[] values = new double[(int) segment.count()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (mean + 0.3 * random.nextGaussian());
      }
      parameters.write(
          segment,
          (first, room) -> {
            for (int i = (int) first; room.hasRemaining(); i++) {
              room.put((float) values[i]);
            }
          });
      weights.put(segment.name(), values);
    }
    return weights;
  }

  private static int[] ids(int sequence) {
    return new Random(sequence).ints(LENGTHS[sequence], 0, V).toArray();
  }

  private static int[] types(int sequence) {
    return IntStream.range(0, LENGTHS[sequence]).map(i -> i / 3 % 2).toArray();
  }

  private static Batch batch(TransformerConfig config) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    for (int s = 0; s < LENGTHS.length; s++) {
      builder.add(ids(s), types(s), 0);
    }
    Batch batch = new Batch();
    new Packer(builder.build(), config.embeddings().positionOffset())
        .pack(new int[] {0, 1, 2}, batch);
    return batch;
  }

  private static double[] reference(
      TransformerConfig config, Map<String, double[]> weights, boolean allRows) {
    TransformerRef reference = new TransformerRef(config, NAMES, weights);
    return IntStream.range(0, LENGTHS.length)
        .mapToObj(s -> reference.forward(ids(s), types(s)))
        .flatMap(
            rows ->
                allRows
                    ? Stream.of(rows)
                    : Stream.of(rows[config.attention().isCausal() ? rows.length - 1 : 0]))
        .flatMapToDouble(Arrays::stream)
        .toArray();
  }

  private static ByteBuffer floats(double[] values, int count) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(count * Float.BYTES).order(ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      bytes.putFloat(i < values.length ? (float) values[i] : 0f);
    }
    return bytes.flip();
  }

  @Test
  void whatDoesNotFitTogetherIsNoConfig() {
    TransformerConfig.Builder narrow =
        of(
                Norms.rms(Place.BEFORE, 1e-6f),
                Attention.causal(4, 4),
                FeedForward.gated(24, Activation.SILU),
                layers(1))
            .embeddings(Embeddings.ofWidth(8));
    assertThrows(IllegalStateException.class, narrow::build);
    TransformerConfig.Builder parallel =
        of(
                Norms.rms(Place.BEFORE, 1e-6f),
                Attention.causal(4, 4),
                FeedForward.gated(24, Activation.SILU),
                layers(1))
            .parallel(true);
    assertThrows(IllegalStateException.class, parallel::build);
  }
}
