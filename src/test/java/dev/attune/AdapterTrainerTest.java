package dev.attune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.LetterWriter;
import dev.attune.testkit.TinyDecoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Training by somebody who writes the loop himself. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class AdapterTrainerTest {
  @TempDir static Path shared;
  @TempDir Path folder;
  private static Path model;

  @BeforeAll
  static void write() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyDecoder.write(shared.resolve("model"), backend, 32);
    }
  }

  private static AdapterTrainer open() {
    return open(options -> {});
  }

  private static AdapterTrainer open(Consumer<AdapterTrainer.Options> more) {
    return AdapterTrainer.open(
        model,
        options -> {
          options.rank(4).device(Device.CPU).precision(Precision.FP32).threads(1);
          more.accept(options);
        });
  }

  private static int[] bytes(String text) {
    return text.chars().toArray();
  }

  private static int[] ended(String text) {
    int[] ids = Arrays.copyOf(bytes(text), text.length() + 1);
    ids[text.length()] = ByteTokenizer.END;
    return ids;
  }

  private static List<TokenExample> batch(int step, float weight) {
    List<TokenExample> batch = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      char c = (char) ('a' + (4 * step + i) % 7);
      batch.add(TokenExample.completion(bytes("say " + c + ":"), ended(" " + c + c), weight));
    }
    return batch;
  }

  private static float[] weights(Path adapter) {
    Goldens.Tensors tensors = new Goldens.Tensors(adapter.resolve("adapter_model.safetensors"));
    List<String> names = new ArrayList<>();
    tensors.names().forEach(names::add);
    names.remove("__metadata__");
    names.sort(null);
    int count = 0;
    float[] all = new float[0];
    for (String name : names) {
      float[] values = tensors.floats(name);
      all = Arrays.copyOf(all, count + values.length);
      System.arraycopy(values, 0, all, count, values.length);
      count += values.length;
    }
    return all;
  }

  /**
   * The weights of a mean are divided on the way, before the gradient, where the trainer divides
   * the gradient: so the two are equal to what rounding makes of that, and no further.
   */
  @Test
  void fiveStepsAreThoseOfTheTrainer() {
    List<LanguageExample> examples = new ArrayList<>();
    for (int step = 0; step < 5; step++) {
      for (int i = 0; i < 4; i++) {
        char c = (char) ('a' + (4 * step + i) % 7);
        examples.add(LanguageExample.completion("say " + c + ":", " " + c + c));
      }
    }
    List<Double> expected = new ArrayList<>();
    Path whole = folder.resolve("whole");
    Trainer.causalLm(model.toString())
        .train(examples)
        .shuffle(false)
        .batchSize(4)
        .epochs(1)
        .lora(4)
        .learningRate(1e-2)
        .schedule(LearningRateSchedule.CONSTANT)
        .warmupRatio(0)
        .device(Device.CPU)
        .precision(Precision.FP32)
        .threads(1)
        .onStep(step -> expected.add(step.loss()))
        .saveTo(whole);
    Path own = folder.resolve("own");
    try (AdapterTrainer trainer = open()) {
      AdamSettings adam = AdamSettings.of(1e-2).withWeightDecay(0.01).withMaxGradientNorm(1);
      List<CompletableFuture<ForwardBackwardResult>> results = new ArrayList<>();
      for (int step = 0; step < 5; step++) {
        results.add(trainer.forwardBackward(batch(step, 1f / 16), LossFunction.crossEntropy()));
        trainer.optimStep(adam);
      }
      trainer.saveAdapter(own).join();
      for (int step = 0; step < 5; step++) {
        assertEquals(expected.get(step), results.get(step).join().loss(), 1e-5, "step " + step);
      }
    }
    float[] one = weights(whole);
    float[] other = weights(own);
    assertEquals(one.length, other.length);
    double largest = 0;
    for (int i = 0; i < one.length; i++) {
      largest = Math.max(largest, Math.abs(one[i]));
      assertEquals(one[i], other[i], 1e-5, "weight " + i);
    }
    assertTrue(largest > 0.03, "nothing was learned");
  }

  /** Gradients of two calls add up to that of one. */
  @Test
  void callsBeforeAnUpdateAddUp() {
    double[] norms = new double[2];
    for (int way = 0; way < 2; way++) {
      try (AdapterTrainer trainer = open()) {
        List<TokenExample> all = batch(0, 0.25f);
        if (way == 0) {
          trainer.forwardBackward(all, LossFunction.crossEntropy());
        } else {
          trainer.forwardBackward(all.subList(0, 1), LossFunction.crossEntropy());
          trainer.forwardBackward(all.subList(1, 4), LossFunction.crossEntropy());
        }
        OptimStepResult result = trainer.optimStep(AdamSettings.of(1e-3)).join();
        assertEquals(1, result.steps());
        norms[way] = result.gradientNorm();
      }
    }
    assertEquals(norms[0], norms[1], 1e-5 * norms[0]);
  }

  /** Of a text that has just been sampled all ratios are one: its advantage is a weight. */
  @Test
  void onPolicyThePolicyLossesAreAWeightedCrossEntropy() {
    double[] norms = new double[3];
    for (int way = 0; way < 3; way++) {
      try (AdapterTrainer trainer = open()) {
        int[] prompt = bytes("once");
        SampledTokens sampled = trainer.sample(prompt, SampleOptions.of(12), 1).join().get(0);
        TokenExample policy = TokenExample.sampled(prompt, sampled, 0.75f);
        TokenExample plain = TokenExample.completion(prompt, sampled.tokens(), 0.75f);
        ForwardBackwardResult found =
            trainer
                .forwardBackward(
                    List.of(way == 0 ? plain : policy),
                    way == 0
                        ? LossFunction.crossEntropy()
                        : way == 1 ? LossFunction.importanceSampling() : LossFunction.ppo(0.2))
                .join();
        float[] logprobs = found.logprobs().get(0);
        for (int t = 0; t < logprobs.length; t++) {
          if (t < prompt.length - 1) {
            assertTrue(Float.isNaN(logprobs[t]));
          } else {
            assertEquals(sampled.logprobs()[t - prompt.length + 1], logprobs[t], 1e-4);
          }
        }
        if (way > 0) {
          assertEquals(-0.75 * sampled.tokens().length, found.loss(), 1e-3);
        }
        norms[way] = trainer.optimStep(AdamSettings.of(1e-3)).join().gradientNorm();
      }
    }
    assertEquals(norms[0], norms[1], 1e-3 * norms[0]);
    assertEquals(norms[0], norms[2], 1e-3 * norms[0]);
  }

  @Test
  void whatIsClippedHasNoGradient() {
    try (AdapterTrainer trainer = open()) {
      int[] prompt = bytes("once");
      SampledTokens sampled = trainer.sample(prompt, SampleOptions.of(5), 1).join().get(0);
      double[] halved = Arrays.stream(sampled.logprobs()).map(p -> p - 1).toArray();
      SampledTokens rarer = new SampledTokens(sampled.tokens(), halved, FinishReason.LENGTH);
      trainer
          .forwardBackward(List.of(TokenExample.sampled(prompt, rarer, 1f)), LossFunction.ppo(0.2))
          .join();
      assertEquals(0, trainer.optimStep(AdamSettings.of(1e-3)).join().gradientNorm());
    }
  }

  /** The program of docs/low-level.md, with a model that writes small letters and capitals. */
  @Test
  void policyGradientRaisesTheReward() throws Exception {
    String page = Files.readString(Path.of("docs/low-level.md"));
    int begin = page.indexOf("```java\n") + 8;
    Path source = folder.resolve("TeachByReward.java");
    Files.writeString(source, page.substring(begin, page.indexOf("```", begin)));
    String classPath = System.getProperty("java.class.path");
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, null, "-d", folder.toString(), "-cp", classPath, source.toString());
    assertEquals(0, status, "the program does not compile");
    Path writer = LetterWriter.write(model, folder.resolve("writer"));
    Path adapter = folder.resolve("adapter");
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()})) {
      loader
          .loadClass("TeachByReward")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {writer.toString(), adapter.toString()});
    } finally {
      System.setOut(before);
    }
    double[] rewards =
        printed
            .toString(StandardCharsets.UTF_8)
            .lines()
            .mapToDouble(line -> Double.parseDouble(line.split(" ")[1]))
            .toArray();
    assertEquals(40, rewards.length);
    double first = Arrays.stream(rewards, 0, 5).average().orElseThrow();
    double last = Arrays.stream(rewards, 35, 40).average().orElseThrow();
    assertTrue(last > first + 0.2, "the reward went from " + first + " to " + last);
    assertTrue(Files.exists(adapter.resolve("adapter_config.json")));
  }

  @Test
  void aStateGoesOnToTheSameBytes() throws IOException {
    Consumer<AdapterTrainer.Options> dropping = options -> options.loraDropout(0.2);
    AdamSettings adam = AdamSettings.of(1e-2);
    Path state = folder.resolve("state");
    Path whole = folder.resolve("whole");
    try (AdapterTrainer trainer = open(dropping)) {
      for (int step = 0; step < 6; step++) {
        trainer.forwardBackward(batch(step, 0.1f), LossFunction.crossEntropy());
        trainer.optimStep(adam);
        if (step == 2) {
          trainer.saveState(state);
          trainer.sample(bytes("x"), SampleOptions.of(3), 2);
        }
      }
      trainer.saveAdapter(whole).join();
    }
    Path gone = folder.resolve("gone");
    try (AdapterTrainer trainer = open(dropping)) {
      trainer.forwardBackward(batch(9, 1f), LossFunction.crossEntropy());
      trainer.loadState(state);
      for (int step = 3; step < 6; step++) {
        trainer.forwardBackward(batch(step, 0.1f), LossFunction.crossEntropy());
        assertEquals(step + 1, trainer.optimStep(adam).join().steps());
      }
      trainer.saveAdapter(gone).join();
    }
    assertArrayEquals(
        Files.readAllBytes(whole.resolve("adapter_model.safetensors")),
        Files.readAllBytes(gone.resolve("adapter_model.safetensors")));
    try (AdapterTrainer trainer = open(options -> options.rank(2))) {
      String refusal = failure(trainer.loadState(state), InvalidInputException.class);
      assertTrue(refusal.contains("adapter"), refusal);
      assertTrue(
          failure(trainer.loadState(folder.resolve("none")), InvalidInputException.class)
              .contains("no sound state"));
    }
    try (AdapterTrainer trainer = AdapterTrainer.open(whole);
        Generator generator = Generator.open(whole)) {
      assertEquals(6, generator.generate("say a:", o -> o.maxNewTokens(6)).tokens(), 6);
      SampleOptions greedy = SampleOptions.of(6).withTemperature(0);
      SampledTokens sampled = trainer.sample("say a:", greedy, 1).join().get(0);
      Generation generated = generator.generate("say a:", o -> o.maxNewTokens(6).topLogprobs(3));
      assertEquals(generated.text(), trainer.decode(sampled.tokens()));
      GeneratedToken token = generated.logprobs().get(0);
      assertEquals(sampled.tokens()[0], token.id());
      assertEquals(3, token.topLogprobs().size());
      assertEquals(token.id(), token.topLogprobs().get(0).id());
      assertEquals(token.logprob(), token.topLogprobs().get(0).logprob());
    }
  }

  @Test
  void failuresAreTypedAndChangeNothing() throws IOException {
    AdapterTrainer trainer = open();
    failure(trainer.optimStep(AdamSettings.of(1e-3)), IllegalStateException.class);
    TokenExample good = TokenExample.completion(bytes("a"), bytes("b"), 1);
    TokenExample bad = TokenExample.completion(bytes("a"), new int[] {999}, 1);
    CompletableFuture<?> one = trainer.forwardBackward(List.of(good), LossFunction.crossEntropy());
    String refusal =
        failure(
            trainer.forwardBackward(List.of(good, bad), LossFunction.crossEntropy()),
            InvalidInputException.class);
    assertTrue(refusal.contains("target 0 of example 1 is 999"), refusal);
    one.join();
    failure(
        trainer.forwardBackward(List.of(good), LossFunction.ppo(0.2)), InvalidInputException.class);
    String waiting =
        failure(trainer.saveState(folder.resolve("state")), IllegalStateException.class);
    assertTrue(waiting.contains("1 call"), waiting);
    assertEquals(1, trainer.optimStep(AdamSettings.of(1e-3)).join().steps());
    failure(trainer.sample(new int[] {4000}, SampleOptions.of(3), 1), InvalidInputException.class);
    failure(trainer.sample(new int[0], SampleOptions.of(3), 1), InvalidInputException.class);
    String whole = failure(trainer.saveAdapter(model), InvalidInputException.class);
    assertTrue(whole.contains("the model that is trained"), whole);
    TokenExample wild = TokenExample.completion(bytes("a"), bytes("b"), Float.MAX_VALUE);
    trainer.forwardBackward(List.of(wild, wild), LossFunction.crossEntropy());
    failure(trainer.optimStep(AdamSettings.of(1e-3)), TrainingDivergedException.class);
    trainer.forwardBackward(List.of(good), LossFunction.crossEntropy());
    assertEquals(2, trainer.optimStep(AdamSettings.of(1e-3)).join().steps());
    trainer.close();
    trainer.close();
    assertThrows(IllegalStateException.class, () -> trainer.sample("a", SampleOptions.of(1), 1));
    assertThrows(InvalidInputException.class, () -> new LossFunction("dpo", 0));
    assertThrows(InvalidInputException.class, () -> AdamSettings.of(0));
    assertThrows(InvalidInputException.class, () -> SampleOptions.of(0));
    assertThrows(
        InvalidInputException.class, () -> AdapterTrainer.open(model, o -> o.device(Device.CPU)));
  }

  private static String failure(
      CompletableFuture<?> future, Class<? extends RuntimeException> type) {
    CompletionException e = assertThrows(CompletionException.class, future::join);
    return assertInstanceOf(type, e.getCause()).getMessage();
  }

  /** Nobody waits, and all that was asked for before the end is done. */
  @Test
  void callsFromManyThreadsAreDoneInTurn() throws Exception {
    List<CompletableFuture<OptimStepResult>> updates = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    try (AdapterTrainer trainer = open()) {
      for (int i = 0; i < 4; i++) {
        int at = i;
        Thread thread =
            new Thread(
                () -> {
                  for (int k = 0; k < 5; k++) {
                    synchronized (updates) {
                      trainer.forwardBackward(batch(at, 0.1f), LossFunction.crossEntropy());
                      updates.add(trainer.optimStep(AdamSettings.of(1e-3)));
                    }
                  }
                });
        threads.add(thread);
        thread.start();
      }
      for (Thread thread : threads) {
        thread.join();
      }
      // What follows a result may ask the trainer again, and wait for it.
      int count =
          updates
              .get(0)
              .thenApply(done -> trainer.sample("a", SampleOptions.of(2), 1).join().size())
              .join();
      assertEquals(1, count);
    }
    for (int i = 0; i < updates.size(); i++) {
      assertTrue(updates.get(i).isDone());
      assertEquals(i + 1, updates.get(i).join().steps());
    }
  }
}
