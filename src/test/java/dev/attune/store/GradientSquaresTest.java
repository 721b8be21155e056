package dev.attune.store;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The norm's sums are those of the gradients, whoever wrote them last. */
class GradientSquaresTest {
  private static final int N = 5;
  private static final int F = 6;
  private static final int C = 4;

  private final SplittableRandom random = new SplittableRandom(3);

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theSumsAreThoseOfTheGradients(Target target) {
    Backend backend = target.backend();
    ParameterBuilder builder = new ParameterBuilder();
    builder.wordEmbedding("word", 3, C);
    Parameter first = builder.matrix("first", F, C);
    builder.matrix("between", 2, C);
    Parameter second = builder.matrix("second", F, C);
    Parameter bias = builder.vector("bias", F);
    try (Parameters parameters = builder.build(backend);
        Buffer rows = Buffer.allocate(backend, N * (F + C) * Float.BYTES, false, "rows")) {
      parameters.enableTraining();
      write(rows, 0, N * (F + C));
      write(parameters);
      check(parameters, 0); // of nothing a product has told
      product(parameters, rows, first, bias);
      check(parameters, 1);
      product(parameters, rows, second, null);
      check(parameters, 2);

      // Somebody adds to one that a product has summed.
      first.accumulate();
      write(parameters, first);
      check(parameters, 1);
      product(parameters, rows, first, null);
      check(parameters, 2);

      // A step whose ops write nothing.
      parameters.forgetWritten();
      check(parameters, 0);
      write(parameters, second);
      parameters.zeroUnwritten();
      check(parameters, 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void tensorsThatAProductWritesAtOnceHaveOneSum(Target target) {
    Backend backend = target.backend();
    ParameterBuilder builder = new ParameterBuilder();
    builder.matrix("before", 3, C);
    Parameter fused =
        builder.stacked(List.of(new Part("q", F / 2), new Part("k", F / 2)), C, Layout.PLAIN);
    builder.matrix("behind", 2, C);
    try (Parameters parameters = builder.build(backend);
        Buffer rows = Buffer.allocate(backend, N * (F + C) * Float.BYTES, false, "rows")) {
      parameters.enableTraining();
      write(rows, 0, N * (F + C));
      write(parameters);
      product(parameters, rows, fused, null);
      check(parameters, 1);

      // A part of it: the rest is summed when it is asked for.
      Parameter part = fused.slice(F / 2, F);
      part.accumulate();
      write(parameters, part);
      check(parameters, 0);
      product(parameters, rows, fused, null);
      check(parameters, 1);

      // The part alone.
      parameters.forgetWritten();
      product(parameters, rows, part, null);
      check(parameters, 1);
    }
  }

  /** All gradients; what lies between tensors for their alignment stays zero. */
  private void write(Parameters parameters) {
    for (Segment segment : parameters.segments()) {
      write(parameters.gradients(), segment.first() * Float.BYTES, segment.count());
    }
  }

  private void write(Parameters parameters, Parameter parameter) {
    long at = parameter.gradient() - parameters.gradients().address();
    write(parameters.gradients(), at, parameter.count());
  }

  private void write(Buffer buffer, long at, long count) {
    ByteBuffer bytes =
        ByteBuffer.allocate((int) count * Float.BYTES).order(ByteOrder.nativeOrder());
    while (bytes.hasRemaining()) {
      bytes.putFloat((float) random.nextDouble(-1, 1));
    }
    buffer.write(at, bytes.flip());
  }

  private static void product(
      Parameters parameters, Buffer rows, Parameter weight, Parameter bias) {
    boolean accumulate = weight.accumulate();
    if (bias != null) {
      bias.accumulate();
    }
    long squares = weight.gradientSquares();
    parameters
        .backend()
        .run(
            new LinearCall.BackwardWeight(
                weight.gradient(),
                bias == null ? 0 : bias.gradient(),
                squares,
                rows.address(),
                rows.address() + (long) N * F * Float.BYTES,
                N,
                C,
                weight.rows(),
                accumulate,
                DType.F32));
  }

  /** left: how many products have told their sums, where the backend wants that. */
  private static void check(Parameters parameters, int left) {
    double expected = 0;
    long begin = parameters.rowSparseEnd();
    for (double value :
        Host.floats(parameters.gradients(), begin, (int) (parameters.size() - begin))) {
      expected += value * value;
    }
    int count = parameters.squares().complete();
    ByteBuffer sums = ByteBuffer.allocate(count * Double.BYTES).order(ByteOrder.nativeOrder());
    parameters.backend().download(sums, parameters.squares().address());
    sums.flip();
    double sum = 0;
    while (sums.hasRemaining()) {
      sum += sums.getDouble();
    }
    assertEquals(expected, sum, 1e-6 * expected);
    int told = parameters.backend().sumsSquares() ? left : 0;
    assertEquals(told, parameters.squares().told());
  }
}
