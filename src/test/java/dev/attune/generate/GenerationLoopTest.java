package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.TransformerModel;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Generation with the tiny models of each family. */
class GenerationLoopTest {
  private static final int CONTEXT = 64;

  static Stream<Arguments> cases() {
    return Stream.of("gpt2", "llama", "mistral", "qwen3", "gpt_neox")
        .flatMap(family -> Backends.best().map(backend -> Arguments.of(family, backend)));
  }

  /** A tiny model with weights that do not change, and a tape. */
  private static final class Opened implements AutoCloseable {
    final TransformerModel model;
    final Tape tape;

    Opened(String family, Backend backend, DType dtype) {
      this(family, backend, dtype, new Arena(backend, 64 << 20));
    }

    Opened(String family, Backend backend, DType dtype, Arena arena) {
      Path folder = Goldens.shared(family);
      ParameterBuilder builder = new ParameterBuilder();
      builder.freeze(dtype, dtype);
      model =
          (TransformerModel)
              Families.create(
                  backend,
                  ModelFolder.readConfig(folder),
                  HeadKind.LANGUAGE_MODEL,
                  0,
                  null,
                  builder);
      ModelWeights.load(folder, model, 0);
      tape = new Tape(backend, arena, dtype, 0);
    }

    /** What each prompt becomes, with so many in work at a time. */
    int[][] generate(List<int[]> prompts, Sampling sampling, int newTokens, int slots) {
      try (GenerationLoop generator = new GenerationLoop(model, tape, slots, CONTEXT)) {
        return generate(generator, prompts, sampling, newTokens);
      }
    }

    static int[][] generate(
        GenerationLoop generator, List<int[]> prompts, Sampling sampling, int newTokens) {
      int[][] texts = new int[prompts.size()][];
      for (int i = 0; i < prompts.size(); i++) {
        int at = i;
        generator.submit(
            new Request(prompts.get(i), sampling, LogitRules.NONE, newTokens, new int[0], i, null),
            done -> texts[at] = done.tokens());
      }
      generator.run();
      return texts;
    }

    @Override
    public void close() {
      tape.close();
      model.close();
    }
  }

  private static List<int[]> prompts(int count) {
    Random random = new Random(11);
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      prompts.add(random.ints(1 + random.nextInt(30), 0, 320).toArray());
    }
    return prompts;
  }

  /**
   * Every token is the one that a whole forward pass over the text before it finds most probable.
   */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void greedyFollowsTheModel(String family, Backends.Target target) {
    Backend backend = target.backend();
    try (Opened opened = new Opened(family, backend, DType.F32);
        Staging staging = new Staging(backend)) {
      List<int[]> prompts = prompts(5);
      int[][] texts = opened.generate(prompts, Sampling.greedy(), 12, 3);
      for (int i = 0; i < texts.length; i++) {
        assertEquals(12, texts[i].length);
        int[] prompt = prompts.get(i);
        int[] whole = Arrays.copyOf(prompt, prompt.length + 12);
        System.arraycopy(texts[i], 0, whole, prompt.length, 12);
        EncodedDataset.Builder data = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
        data.addNextTokens(whole, null, 0, whole.length);
        Batch batch = new Batch();
        new Packer(data.build(), 0).pack(new int[] {0}, batch);
        opened.tape.begin(false);
        Tensor hidden =
            opened.model.forward(opened.tape, staging.stage(batch, opened.model.batchRotaries()));
        Tensor logits = LanguageModels.logits(opened.tape, opened.model, hidden);
        FloatBuffer values = Host.floats(backend, logits.address(), logits.sizeBytes());
        int V = (int) logits.cols();
        for (int t = 0; t < 12; t++) {
          int row = (prompt.length - 1 + t) * V;
          float chosen = values.get(row + texts[i][t]);
          for (int id = 0; id < V; id++) {
            // Two ways to add up: a tie may fall either way.
            assertTrue(values.get(row + id) <= chosen + 1e-4, "token " + t + " of prompt " + i);
          }
        }
      }
    }
  }

  /** A text depends neither on what else is in the batch nor on how many are. */
  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void textsDoNotDependOnTheBatch(String family, Backends.Target target) {
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      try (Opened opened = new Opened(family, target.backend(), dtype)) {
        List<int[]> prompts = prompts(20);
        Sampling sampling = new Sampling(0.9, 50, 0.95, 0, 1.1, 9);
        int[][] alone = opened.generate(prompts, sampling, 10, 1);
        for (int slots :
            target.backend() instanceof CpuBackend ? new int[] {3, 18, 20} : new int[] {}) {
          assertArrayEquals(alone, opened.generate(prompts, sampling, 10, slots));
        }
        assertArrayEquals(alone, opened.generate(prompts, sampling, 10, 1));
        int[][] other = opened.generate(prompts, new Sampling(0.9, 50, 0.95, 0, 1.1, 10), 10, 1);
        assertTrue(!Arrays.deepEquals(alone, other), "another seed gave the same texts");
      }
    }
  }

  /** The same backend, which counts how often calls are made anew to be kept. */
  private static Backend counting(Backend backend, AtomicInteger made) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("keep")) {
                made.incrementAndGet();
              }
              try {
                return method.invoke(backend, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /**
   * Passes that recur follow weights that change, and memory that moves. New weights lie where the
   * old ones did, so that texts alone would not tell of calls that do not follow them.
   */
  @Test
  void passesRecurWhileNothingChanges() {
    AtomicInteger made = new AtomicInteger();
    Backend backend = counting(Backends.best().toList().get(0).backend(), made);
    Arena arena = Arena.growing(backend, 1 << 30);
    try (Opened opened = new Opened("llama", backend, DType.F32, arena);
        GenerationLoop recurring = new GenerationLoop(opened.model, opened.tape, 18, CONTEXT)) {
      Sampling greedy = Sampling.greedy();
      int[][] first = Opened.generate(recurring, prompts(1), greedy, 10);
      assertEquals(1, made.getAndSet(0), "passes that add one token");
      assertArrayEquals(first, Opened.generate(recurring, prompts(1), greedy, 10));
      assertEquals(0, made.get(), "made anew though nothing has changed");
      assertArrayEquals(opened.generate(prompts(1), greedy, 10, 1), first);
      arena.allocate(arena.reservedBytes() + 1);
      int[][] many = Opened.generate(recurring, prompts(20), greedy, 10);
      assertArrayEquals(opened.generate(prompts(20), greedy, 10, 18), many);
      assertArrayEquals(first, Opened.generate(recurring, prompts(1), greedy, 10));
      ModelWeights.randomize(opened.model, 3);
      made.set(0);
      Opened.generate(recurring, prompts(1), greedy, 10);
      assertEquals(1, made.get(), "made anew for other weights");
      int[][] others = Opened.generate(recurring, prompts(20), greedy, 10);
      assertArrayEquals(opened.generate(prompts(20), greedy, 10, 18), others);
      assertTrue(!Arrays.deepEquals(many, others), "other weights gave the same texts");
    }
  }

  @Test
  void endsWhereItShould() {
    try (Opened opened = new Opened("llama", Backends.best().toList().get(0).backend(), DType.F32);
        GenerationLoop generator = new GenerationLoop(opened.model, opened.tape, 2, 20)) {
      int[] prompt = {5, 6, 7};
      List<Completion> done = new ArrayList<>();
      Sampling greedy = Sampling.greedy();
      generator.submit(
          new Request(prompt, greedy, LogitRules.NONE, 6, new int[0], 0, null), done::add);
      generator.run();
      int[] whole = done.get(0).tokens();
      assertEquals(Finish.LENGTH, done.get(0).finish());
      int third = whole[2];
      int first = 0;
      while (whole[first] != third) {
        first++;
      }
      done.clear();
      generator.submit(
          new Request(prompt, greedy, LogitRules.NONE, 6, new int[] {third}, 0, null), done::add);
      generator.run();
      assertEquals(Finish.END, done.get(0).finish());
      assertArrayEquals(Arrays.copyOf(whole, first), done.get(0).tokens());
      done.clear();
      int[] heard = {0};
      generator.submit(
          new Request(prompt, greedy, LogitRules.NONE, 6, new int[0], 0, token -> ++heard[0] < 4),
          done::add);
      generator.run();
      assertEquals(Finish.STOP, done.get(0).finish());
      assertEquals(4, done.get(0).tokens().length);
      done.clear();
      generator.submit(
          new Request(prompt, greedy, LogitRules.NONE, 100, new int[0], 0, null), done::add);
      generator.run();
      assertEquals(Finish.CONTEXT, done.get(0).finish());
      assertEquals(17, done.get(0).tokens().length);
      assertThrows(
          InputException.class,
          () ->
              generator.submit(
                  new Request(new int[20], greedy, LogitRules.NONE, 1, new int[0], 0, null),
                  done::add));
    }
  }

  /** With as many beams as can differ, the best text of two tokens is that of a full search. */
  @Test
  void beamSearchFindsTheBest() {
    try (Opened opened = new Opened("gpt2", Backends.best().toList().get(0).backend(), DType.F32)) {
      int[] prompt = {17, 4, 250};
      int V = 320;
      double best = Double.NEGATIVE_INFINITY;
      int[] expected = null;
      try (Decoding decoding = new Decoding(opened.model, opened.tape, CONTEXT)) {
        double[] first = logProbabilities(decoding, prompt, V);
        for (int a = 0; a < V; a++) {
          double[] second = logProbabilities(decoding, new int[] {17, 4, 250, a}, V);
          for (int b = 0; b < V; b++) {
            if (first[a] + second[b] > best) {
              best = first[a] + second[b];
              expected = new int[] {a, b};
            }
          }
        }
      }
      BeamSearch.Config config = new BeamSearch.Config(16, 1, 2);
      try (BeamSearch search = new BeamSearch(opened.model, opened.tape, config, CONTEXT)) {
        Completion found = search.run(prompt, new int[0]);
        assertArrayEquals(expected, found.tokens());
        assertEquals(Finish.LENGTH, found.finish());
      }
    }
  }

  /** Of the best continuations all may end, as many as there are tokens that end a text. */
  @Test
  void beamSearchGoesOnWhateverEnds() {
    try (Opened opened = new Opened("gpt2", Backends.best().toList().get(0).backend(), DType.F32)) {
      int[] prompt = {17, 4, 250};
      int V = 320;
      Integer[] order;
      try (Decoding decoding = new Decoding(opened.model, opened.tape, CONTEXT)) {
        double[] first = logProbabilities(decoding, prompt, V);
        order = IntStream.range(0, V).boxed().toArray(Integer[]::new);
        Arrays.sort(order, Comparator.comparingDouble(id -> -first[id]));
      }
      int[] ends = Arrays.stream(order).limit(9).mapToInt(Integer::intValue).sorted().toArray();
      BeamSearch.Config config = new BeamSearch.Config(2, 1, 2);
      try (BeamSearch search = new BeamSearch(opened.model, opened.tape, config, CONTEXT)) {
        Completion found = search.run(prompt, ends);
        assertEquals(Finish.END, found.finish());
        assertEquals(0, found.tokens().length, "the best continuation of all is an end");
      }
    }
  }

  private static double[] logProbabilities(Decoding decoding, int[] ids, int V) {
    FloatBuffer logits = decoding.read(List.of(new Decoding.Part(0, ids, 0, ids.length, null)));
    double sum = 0;
    for (int id = 0; id < V; id++) {
      sum += Math.exp(logits.get(id));
    }
    double[] out = new double[V];
    for (int id = 0; id < V; id++) {
      out[id] = logits.get(id) - Math.log(sum);
    }
    return out;
  }
}
