package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.generate.Sampling;
import dev.attune.hub.Progress;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.optim.AdamW;
import dev.attune.task.TokenLoss;
import dev.attune.task.TokenRow;
import dev.attune.testkit.TinyDecoder;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a training step by step is said to take, beside what it takes. */
class AdapterTrainingNeedTest {
  @TempDir Path folder;

  private long now;

  /** A backend, with what is allocated on it counted. */
  private Backend counted(Backend real) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("allocate")) {
                now += (Long) arguments[0];
              } else if (method.getName().equals("free")) {
                now -= (Long) arguments[1];
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static TokenRow row(Random random, int length) {
    int[] ids = random.ints(length, 0, 256).toArray();
    float[] ones = new float[length];
    Arrays.fill(ones, 1);
    return new TokenRow(ids, ids, ones, new float[length], ones);
  }

  /** What an arena has reserved and not touched takes no memory. */
  private void check(AdapterTraining training, AdapterTraining.Need need) {
    Arena arena = training.tape().arena();
    long taken = now - arena.reservedBytes() + arena.highWaterBytes();
    assertTrue(taken <= need.bytes(), taken + " bytes were taken; " + need);
    assertTrue(taken > 0.9 * need.bytes(), taken + " bytes were taken; " + need);
  }

  @Test
  void noCallTakesMoreThanWasSaid() {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(folder.resolve("model"), backend, 32);
    }
    RunConfig config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.TASK, "causal-lm")
            .set(RunOption.MODEL, folder.resolve("model").toString())
            .set(RunOption.LORA_R, "4")
            .set(RunOption.PRECISION, "fp32")
            .build();
    AdapterTraining.Need need = AdapterTraining.need(config, null, Progress.silent());
    assertEquals(TinyDecoder.CONTEXT, need.length());
    assertEquals(257, need.vocabulary());
    Random random = new Random(1);
    try (AdapterTraining training =
        AdapterTraining.open(config, Progress.silent(), this::counted, true)) {
      for (TokenLoss loss :
          List.of(
              new TokenLoss(TokenLoss.Kind.CROSS_ENTROPY, 0),
              new TokenLoss(TokenLoss.Kind.PPO, 0.2))) {
        List<TokenRow> rows = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
          rows.add(row(random, i % 3 == 0 ? 1 + random.nextInt(need.length()) : need.length()));
        }
        training.forwardBackward(rows, loss);
        check(training, need);
      }
      training.step(AdamW.Config.of(0.9, 0.999, 1e-8, 0), 1e-3, 1);
      Sampling sampling = new Sampling(1, 0, 1, 0, 1, 1);
      training.sample(new int[30], new AdapterTraining.Sample(sampling, 34, new int[0]), 20);
      check(training, need);
    }
    assertThrows(InputException.class, () -> AdapterTraining.need(config, 65, Progress.silent()));
  }
}
