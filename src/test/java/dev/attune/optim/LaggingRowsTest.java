package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Steps;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows that are updated later hold the bytes of rows that are updated in their step. */
class LaggingRowsTest {
  private static final int V = 150;
  private static final int STEPS = 230;

  /** The same backend, but all rows are updated in their step. */
  private static Backend eager(Backend backend) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("updatesRowsLater")) {
                return false;
              }
              try {
                return method.invoke(backend, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** A model of one table, and its optimizer. */
  private static final class Job implements AutoCloseable {
    final Parameters parameters;
    final Parameter word;
    private final GradientNorm norm;
    AdamW optimizer;

    Job(Backend backend, int C, AdamW.Config config) {
      ParameterBuilder builder = new ParameterBuilder();
      word = builder.wordEmbedding("word", V, C);
      builder.vector("bias", 4);
      parameters = builder.build(backend);
      Random random = new Random(5);
      parameters.write(
          parameters.segment("word"),
          (at, room) -> {
            while (room.hasRemaining()) {
              room.put(weight(random));
            }
          });
      parameters.enableTraining();
      norm = new GradientNorm(parameters);
      optimizer = new AdamW(parameters, config);
    }

    /** Of many magnitudes, with zeros of both signs. */
    private static float weight(Random random) {
      int kind = random.nextInt(20);
      if (kind < 2) {
        return kind == 0 ? 0f : -0f;
      }
      return (float) (random.nextGaussian() * Math.pow(10, -random.nextInt(kind == 2 ? 40 : 4)));
    }

    void step(int[][] microBatches, float rate, long seed, boolean bad) {
      Random random = new Random(seed);
      int C = (int) word.cols();
      ByteBuffer row = ByteBuffer.allocateDirect(C * Float.BYTES).order(ByteOrder.nativeOrder());
      for (int[] rows : microBatches) {
        parameters.rowSparse().mark(rows, rows.length);
        for (int id : rows) {
          double scale = Math.pow(10, -random.nextInt(6));
          row.clear();
          for (int c = 0; c < C; c++) {
            row.putFloat((float) (random.nextGaussian() * scale));
          }
          if (bad) {
            row.putFloat(0, Float.NaN);
          }
          parameters.gradients().write((long) id * C * Float.BYTES, row.flip());
        }
      }
      parameters.backend().run(new StepCall.StreamBase(seed << 8));
      int listed = parameters.rowSparse().publish(0);
      optimizer.announce(rate, 3);
      norm.clip(listed, 1);
      optimizer.step();
      Steps.end(parameters);
      if (bad) {
        parameters.backend().run(new StepCall.Reset());
        optimizer.restore(optimizer.steps() - 1);
      }
    }

    /** What a checkpoint keeps goes into another optimizer, as when a run is resumed. */
    void resume(AdamW.Config config) {
      AdamW fresh = new AdamW(parameters, config);
      for (Map.Entry<String, Buffer> entry : optimizer.state().entrySet()) {
        fresh.state().get(entry.getKey()).write(0, ByteBuffer.wrap(bytes(entry.getValue())));
      }
      fresh.restore(optimizer.steps());
      optimizer.close();
      optimizer = fresh;
    }

    byte[] weights() {
      return bytes(parameters.weights());
    }

    /** Each at the place of its weight. */
    byte[] moments(String name) {
      byte[] stored = bytes(optimizer.state().get(name));
      Buffer notes = optimizer.state().get("adam_rows");
      if (notes == null) {
        return stored;
      }
      byte[] ordered = new byte[stored.length];
      int elements = V * (int) word.cols();
      int width = stored.length / (int) parameters.size();
      int table = elements * width;
      System.arraycopy(stored, table, ordered, table, stored.length - table);
      for (int row = 0; row < V; row++) {
        int place = place(notes, row);
        if (place > 0) {
          System.arraycopy(stored, (place - 1) * table / V, ordered, row * table / V, table / V);
        }
      }
      return ordered;
    }

    /** The row of the moments, from 1 on, that belongs to one of the table; 0: it has none. */
    int place(int row) {
      return place(optimizer.state().get("adam_rows"), row);
    }

    private static int place(Buffer notes, int row) {
      int at = Math.toIntExact(AdamWCall.lagBytes(V)) - (V - row) * Integer.BYTES;
      return ByteBuffer.wrap(bytes(notes)).order(ByteOrder.nativeOrder()).getInt(at);
    }

    /** The table through the address that ops and exports read it at. */
    byte[] table() {
      byte[] bytes = new byte[Math.toIntExact(word.count() * Float.BYTES)];
      ByteBuffer target = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
      parameters.backend().download(target, word.address());
      target.rewind().get(bytes);
      return bytes;
    }

    /** Rows as a training pass reads them once they are marked. */
    byte[] marked(int row) {
      byte[] bytes = new byte[Math.toIntExact(word.cols() * Float.BYTES)];
      ByteBuffer target = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
      parameters.backend().download(target, word.markedAddress() + (long) row * bytes.length);
      target.rewind().get(bytes);
      return bytes;
    }

    private static byte[] bytes(Buffer buffer) {
      byte[] bytes = new byte[Math.toIntExact(buffer.sizeBytes())];
      ByteBuffer target = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
      buffer.read(0, target);
      target.rewind().get(bytes);
      return bytes;
    }

    @Override
    public void close() {
      // Tests share a backend.
      parameters.backend().run(new StepCall.StreamBase(0));
      optimizer.close();
      norm.close();
      parameters.close();
    }
  }

  private static int[] distinct(Random random, int[] but) {
    // A few rows often, the others rarely, the last ones never.
    int most = random.nextInt(4) == 0 ? V - 20 : 12;
    return random
        .ints(random.nextInt(6), 0, most)
        .distinct()
        .filter(row -> Arrays.stream(but).noneMatch(other -> other == row))
        .toArray();
  }

  private static void sameForAllSteps(Backend backend, int C, DType moments) {
    Random random = new Random(C);
    AdamW.Config config = new AdamW.Config(0.9f, 0.999f, 1e-8f, 0.1f, moments, 17);
    backend.run(new StepCall.Reset());
    try (Job lazy = new Job(backend, C, config);
        Job dense = new Job(eager(backend), C, config)) {
      for (int step = 0; step < STEPS; step++) {
        int[] first = distinct(random, new int[0]);
        int[][] microBatches = {first, distinct(random, first)};
        float rate =
            random.nextInt(9) == 0 ? 0f : (float) Math.pow(10, -1 - 3 * random.nextDouble());
        boolean bad = random.nextInt(12) == 0;
        lazy.step(microBatches, rate, step, bad);
        dense.step(microBatches, rate, step, bad);
        String at = backend.description() + ", " + moments + ", C=" + C + ", step " + step;
        for (int row : distinct(random, new int[0])) {
          lazy.parameters.rowSparse().mark(new int[] {row}, 1);
          dense.parameters.rowSparse().mark(new int[] {row}, 1);
          assertArrayEquals(dense.marked(row), lazy.marked(row), at);
        }
        switch (random.nextInt(40)) {
          case 0 -> assertArrayEquals(dense.weights(), lazy.weights(), at);
          case 1 -> assertArrayEquals(dense.moments("adam_m"), lazy.moments("adam_m"), at);
          case 2 -> assertArrayEquals(dense.moments("adam_v"), lazy.moments("adam_v"), at);
          case 3 -> assertArrayEquals(dense.table(), lazy.table(), at);
          case 4 -> {
            lazy.resume(config);
            dense.resume(config);
          }
          case 5 -> {
            config =
                new AdamW.Config(
                    0.8f, 0.99f, 1e-6f, random.nextInt(2) * 0.3f, moments, random.nextLong());
            lazy.optimizer.become(config);
            dense.optimizer.become(config);
          }
          default -> {}
        }
      }
      String at = backend.description() + ", " + moments + ", C=" + C + ", in the end";
      assertArrayEquals(dense.weights(), lazy.weights(), at);
      assertArrayEquals(dense.moments("adam_m"), lazy.moments("adam_m"), at);
      assertArrayEquals(dense.moments("adam_v"), lazy.moments("adam_v"), at);
    } finally {
      backend.run(new StepCall.Reset());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theBytesAreThoseOfRowsUpdatedInTheirStep(Target target) {
    for (int C : new int[] {5, 37, 64}) {
      sameForAllSteps(target.backend(), C, DType.F32);
      sameForAllSteps(target.backend(), C, DType.BF16);
    }
  }

  /** A model goes on to be used when its training has ended. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void nothingLagsOnceTheOptimizerIsClosed(Target target) {
    AdamW.Config config = AdamW.Config.withDecay(0.1f);
    try (Job lazy = new Job(target.backend(), 7, config);
        Job dense = new Job(eager(target.backend()), 7, config)) {
      for (Job job : new Job[] {lazy, dense}) {
        for (int step = 0; step < 5; step++) {
          job.step(new int[][] {{step, 9}}, 0.01f, step, false);
        }
        job.optimizer.close();
      }
      assertArrayEquals(dense.weights(), lazy.weights());
      lazy.optimizer = new AdamW(lazy.parameters, config);
      dense.optimizer = new AdamW(dense.parameters, config);
    }
  }

  /** That rows lag is no idle claim: unread, the table is as it was. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void rowsThatNobodyReadsAreLeftAlone(Target target) {
    try (Job job = new Job(target.backend(), 7, AdamW.Config.withDecay(0.1f))) {
      assertTrue(target.backend().updatesRowsLater());
      byte[] before = job.marked(V - 1);
      job.step(new int[][] {{3}}, 0.01f, 1, false);
      assertArrayEquals(before, job.marked(V - 1));
      job.parameters.rowSparse().settle();
      assertTrue(!Arrays.equals(before, job.marked(V - 1)));
    }
  }

  /** Words that were met lie together, so that the others' moments take no memory. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void momentsLieInTheOrderOfFirstGradients(Target target) {
    int C = 7;
    target.backend().run(new StepCall.Reset());
    try (Job job = new Job(target.backend(), C, AdamW.Config.withDecay(0.1f))) {
      job.step(new int[][] {{140, 3}}, 0.01f, 1, true); // such a step leaves no moments
      job.step(new int[][] {{90, 3}, {71}}, 0.01f, 2, false);
      job.step(new int[][] {{3, 5, 90}}, 0.01f, 3, false);
      int[] rows = {90, 3, 71, 5, 140};
      assertArrayEquals(new int[] {1, 2, 3, 4, 0}, Arrays.stream(rows).map(job::place).toArray());
      byte[] m = Job.bytes(job.optimizer.state().get("adam_m"));
      int used = 4 * C * Float.BYTES;
      assertTrue(Arrays.compare(m, 0, used, new byte[used], 0, used) != 0);
      assertArrayEquals(
          new byte[(V - 4) * C * Float.BYTES], Arrays.copyOfRange(m, used, V * C * Float.BYTES));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void rowsThatWereNotSettledAreRefused(Target target) {
    Backend backend = target.backend();
    try (Buffer table = Buffer.allocate(backend, 4 * V * Float.BYTES, false);
        Buffer states = Buffer.allocate(backend, V, false);
        Buffer rows = Buffer.allocate(backend, Integer.BYTES, false);
        Buffer lag = Buffer.allocate(backend, AdamWCall.lagBytes(V), false)) {
      long[] parts = new long[4];
      Arrays.setAll(parts, i -> table.address() + (long) i * V * Float.BYTES);
      ByteBuffer two = ByteBuffer.allocateDirect(1).put((byte) 2).flip();
      AdamWCall.LazyRows call =
          new AdamWCall.LazyRows(
              parts[0],
              parts[1],
              parts[2],
              parts[3],
              states.address(),
              rows.address(),
              lag.address(),
              1,
              V,
              1,
              0.9f,
              0.999f,
              1e-8f,
              0.1f,
              1,
              0,
              0,
              DType.F32);
      assertEquals(
          "adamw_lazy_rows: rows[0] is 0, whose state is 0, must have a gradient and be settled",
          assertThrows(IllegalArgumentException.class, () -> backend.run(call)).getMessage());
      states.write(0, two.duplicate());
      backend.run(call);
      AdamWCall.SettleRows settle =
          new AdamWCall.SettleRows(
              parts[0],
              parts[1],
              parts[2],
              lag.address(),
              states.address(),
              rows.address(),
              1,
              V,
              1,
              DType.F32);
      rows.write(
          0,
          ByteBuffer.allocateDirect(Integer.BYTES).order(ByteOrder.nativeOrder()).putInt(V).flip());
      assertEquals(
          "adamw_settle_rows: rows[0] is 150, must be 0..149",
          assertThrows(IllegalArgumentException.class, () -> backend.run(settle)).getMessage());
    }
  }
}
