package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.batch.EncodedDataset;
import dev.attune.core.DType;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Philox;
import dev.attune.data.TargetKind;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.testkit.TinyModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Many threads on one model, and its end while they use it. */
@Timeout(120)
class LanesTest {
  private static final int THREADS = 8;
  private static final int INPUTS = 40;

  @TempDir private Path folder;
  private Backend backend;
  private Model model;
  private Lanes lanes;
  private final List<EncodedDataset> inputs = new ArrayList<>();
  private final List<float[]> alone = new ArrayList<>();

  @BeforeEach
  void open() {
    backend = new CpuBackend(4);
    TinyModel.write(folder, backend);
    model = Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null);
    ModelWeights.load(folder, model, 3);
    lanes = new Lanes(backend, DType.F32);
    for (int i = 0; i < INPUTS; i++) {
      inputs.add(input(i));
      alone.add(logits(lanes, i));
    }
  }

  @AfterEach
  void close() {
    lanes.close();
    model.close();
    backend.close();
  }

  /** One text, or for every fifth a batch of them, of random tokens. */
  private static EncodedDataset input(int index) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetKind.NONE, false);
    int texts = index % 5 == 0 ? 30 : 1;
    for (int t = 0; t < texts; t++) {
      int[] ids = new int[2 + (int) Math.floorMod(Philox.bits64(1, index, t), 20L)];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = (int) Math.floorMod(Philox.bits64(2 + t, index, i), 25L);
      }
      builder.add(ids, null);
    }
    return builder.build();
  }

  private float[] logits(Lanes from, int input) {
    EncodedDataset data = inputs.get(input);
    float[] out = new float[2 * data.size()];
    from.use(
        lane -> {
          lane.inference()
              .run(
                  model,
                  lane.tape(),
                  data,
                  null,
                  (batch, values, rows, cols, loss) ->
                      values.get(0, out, 2 * batch.exampleIndex()[0], rows * cols));
          return null;
        });
    return out;
  }

  /** Runs the same on every thread, and hands on what any of them threw. */
  private static void together(int threads, ThrowingRunnable work) throws Exception {
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        int thread = t;
        running.add(
            executor.submit(
                () -> {
                  work.run(thread);
                  return null;
                }));
      }
      for (Future<?> future : running) {
        future.get();
      }
    } finally {
      executor.shutdownNow();
    }
  }

  private interface ThrowingRunnable {
    void run(int thread) throws Exception;
  }

  @Test
  void answersAreThoseOfALoneCallerBitForBit() throws Exception {
    together(
        THREADS,
        thread -> {
          for (int call = 0; call < 10_000 / THREADS; call++) {
            int input = (call * 7 + thread * 13) % INPUTS;
            assertArrayEquals(alone.get(input), logits(lanes, input));
          }
        });
  }

  @Test
  void closingWaitsForCallsThatHaveBegunAndRefusesOthers() throws Exception {
    for (int round = 0; round < 30; round++) {
      Lanes opened = new Lanes(backend, DType.F32);
      AtomicInteger calls = new AtomicInteger();
      int delay = 1 + round % 7;
      CountDownLatch begun = new CountDownLatch(THREADS);
      Thread closer =
          new Thread(
              () -> {
                try {
                  begun.await();
                  Thread.sleep(delay);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
                opened.close();
              });
      closer.start();
      together(
          THREADS,
          thread -> {
            begun.countDown();
            while (true) {
              int input = calls.incrementAndGet() % INPUTS;
              try {
                assertArrayEquals(alone.get(input), logits(opened, input));
              } catch (IllegalStateException e) {
                assertEquals("the model is closed", e.getMessage());
                return;
              }
            }
          });
      closer.join();
      opened.close();
    }
  }

  @Test
  void anInterruptedCallerLeavesTheModelAsItWas() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger interrupted = new AtomicInteger();
    List<Thread> callers = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      int thread = t;
      Thread caller =
          new Thread(
              () -> {
                for (int call = 0; !over.get(); call++) {
                  int input = (call + thread) % INPUTS;
                  try {
                    assertArrayEquals(alone.get(input), logits(lanes, input));
                  } catch (InterruptedCallException e) {
                    assertTrue(Thread.interrupted(), "the flag is set again");
                    interrupted.incrementAndGet();
                  }
                }
              });
      caller.setUncaughtExceptionHandler((where, e) -> failures.add(e));
      callers.add(caller);
      caller.start();
    }
    for (int i = 0; i < 300; i++) {
      callers.get(i % THREADS).interrupt();
      Thread.sleep(0, 300_000);
    }
    over.set(true);
    for (Thread caller : callers) {
      caller.join();
    }
    assertEquals(List.of(), failures);
    assertTrue(interrupted.get() > 0);
    assertArrayEquals(alone.get(3), logits(lanes, 3));
  }

  @Test
  void aCallInsideACallHasALaneOfItsOwn() throws Exception {
    together(
        THREADS,
        thread ->
            lanes.use(
                outer -> {
                  assertArrayEquals(alone.get(thread), logits(lanes, thread));
                  assertThrows(IllegalStateException.class, lanes::close);
                  return null;
                }));
  }

  @Test
  void aFailedCallGivesItsLaneBack() {
    for (int i = 0; i < 100; i++) {
      assertThrows(
          ArithmeticException.class,
          () ->
              lanes.use(
                  lane -> {
                    throw new ArithmeticException();
                  }));
    }
    assertArrayEquals(alone.get(0), logits(lanes, 0));
  }

  @Test
  void closingTwiceIsFineAndUseAfterwardsIsRefused() {
    lanes.close();
    lanes.close();
    assertThrows(IllegalStateException.class, () -> logits(lanes, 0));
  }

  @Test
  void twoModelsDoNotMeet() throws Exception {
    try (Backend other = new CpuBackend(2);
        Model second =
            Families.create(other, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null)) {
      ModelWeights.load(folder, second, 3);
      try (Lanes others = new Lanes(other, DType.F32)) {
        together(
            THREADS,
            thread -> {
              for (int call = 0; call < 300; call++) {
                int input = (call + thread) % INPUTS;
                assertArrayEquals(
                    alone.get(input), logits(thread % 2 == 0 ? lanes : others, input));
              }
            });
      }
    }
  }

  @Test
  void aSecondThreadInAContextIsRefused() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    long bytes = 1 << 24;
    long first = backend.allocate(bytes, false);
    long second = backend.allocate(bytes, false);
    AtomicInteger done = new AtomicInteger();
    Thread busy =
        new Thread(
            () -> {
              while (!over.get()) {
                try {
                  backend.run(new FillZeroCall(first, bytes));
                  done.incrementAndGet();
                } catch (IllegalStateException e) {
                  Thread.onSpinWait(); // the other one was inside
                }
              }
            });
    busy.start();
    boolean refused = false;
    long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!(refused && done.get() > 0) && System.nanoTime() < deadline) {
      try {
        backend.run(new FillZeroCall(second, 1 << 12));
      } catch (IllegalStateException e) {
        assertEquals("fill_zero: another thread is using the context", e.getMessage());
        refused = true;
      }
    }
    over.set(true);
    busy.join();
    backend.free(first, bytes);
    backend.free(second, bytes);
    assertTrue(refused);
    assertFalse(done.get() == 0);
  }

  @Test
  void threadsMayBeTakenAwayAndGivenBackDuringWork() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    Thread other =
        new Thread(
            () -> {
              for (int i = 0; !over.get(); i++) {
                backend.share(1 + i % 4);
              }
            });
    other.start();
    assertTimeoutPreemptively(
        Duration.ofSeconds(60),
        () -> {
          for (int call = 0; call < 2_000; call++) {
            int input = call % INPUTS;
            assertArrayEquals(alone.get(input), logits(lanes, input));
          }
        });
    over.set(true);
    other.join();
    assertThrows(IllegalArgumentException.class, () -> backend.share(0));
    assertThrows(IllegalArgumentException.class, () -> backend.share(5));
  }
}
