package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.generate.Finish;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.GenerationTicket;
import dev.attune.generate.LogitAdditions;
import dev.attune.generate.Prompt;
import dev.attune.generate.Sampling;
import dev.attune.generate.ScoredToken;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.GenerationService.Voice;
import dev.attune.store.LoraConfig;
import dev.attune.testkit.TinyAdapter;
import dev.attune.testkit.TinyDecoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Texts of many callers in one batch. */
class GenerationServiceTest {
  private static final int NEW_TOKENS = 16;

  @TempDir Path scratch;
  private Path base;
  private final List<Path> adapters = new ArrayList<>();

  @BeforeEach
  void makeModels() {
    try (CpuBackend backend = new CpuBackend(1)) {
      base = TinyDecoder.write(scratch.resolve("base"), backend, 32);
      adapter(backend, 4, "q_proj", "v_proj");
      adapter(backend, 8, LoraConfig.ALL_LINEAR);
      adapter(backend, 3, "gate_proj", "up_proj", "down_proj");
      adapter(backend, 16, "o_proj", "lm_head");
    }
  }

  private void adapter(CpuBackend backend, int rank, String... targets) {
    LoraConfig lora = new LoraConfig(rank, 2.0 * rank, 0.1f, List.of(targets), false, false);
    int number = adapters.size();
    adapters.add(
        TinyAdapter.write(scratch.resolve("adapter" + number), base, backend, lora, number));
  }

  private static Compute compute(PrecisionOption precision) {
    return new Compute(BackendKind.CPU, precision, 2);
  }

  private static GenerationOptions options(Sampling sampling) {
    return new GenerationOptions(sampling, List.of(), 1, NEW_TOKENS, null, null);
  }

  private static GenerationService open(Path folder, PrecisionOption precision, int rows) {
    return GenerationService.open(
        folder,
        OpenOptions.DEFAULT,
        compute(precision),
        // Two layers of keys and values of 2 heads of 8.
        new GenerationService.Limits(
            40, rows * 2L * 2 * 16 * (precision == PrecisionOption.BF16 ? 2 : 4), 1000));
  }

  /** Hears of a text. */
  private static class Heard implements TextListener {
    final StringBuilder pieces = new StringBuilder();
    final CompletableFuture<GeneratedText> done = new CompletableFuture<>();

    @Override
    public void onPiece(String piece) {
      pieces.append(piece);
    }

    @Override
    public void onText(GeneratedText text) {
      done.complete(text);
    }

    @Override
    public void onFailure(RuntimeException e) {
      done.completeExceptionally(e);
    }

    GeneratedText text() throws Exception {
      return done.get(60, TimeUnit.SECONDS);
    }
  }

  private static List<String> prompts() {
    Random random = new Random(5);
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      int length = 1 + random.nextInt(45);
      prompts.add(
          random
              .ints(length, 'a', 'z' + 1)
              .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
              .toString());
    }
    return prompts;
  }

  private static Sampling sampling(int request) {
    return request % 2 == 0 ? Sampling.greedy() : new Sampling(0.9, 20, 0.95, 0, 0, request);
  }

  /** What a folder, opened alone, writes to each of the prompts. */
  private static List<String> alone(Path folder, PrecisionOption precision) {
    List<String> texts = new ArrayList<>();
    try (LanguageModel model =
        LanguageModel.open(
            folder, OpenOptions.DEFAULT, compute(precision), options(Sampling.greedy()))) {
      List<String> prompts = prompts();
      for (int i = 0; i < prompts.size(); i++) {
        model.generate(
            options(sampling(i)),
            List.of(model.prompt(prompts.get(i))),
            null,
            text -> texts.add(text.tokens() + text.text()));
      }
    }
    return texts;
  }

  @ParameterizedTest
  @EnumSource(
      value = PrecisionOption.class,
      names = {"FP32", "BF16"})
  void adaptersInOneBatchWriteWhatEachWritesAlone(PrecisionOption precision) throws Exception {
    List<List<String>> expected = new ArrayList<>();
    expected.add(alone(base, precision));
    for (Path adapter : adapters) {
      expected.add(alone(adapter, precision));
    }
    for (int i = 1; i < expected.size(); i++) {
      assertNotEquals(expected.get(0), expected.get(i), "adapter " + i + " changes nothing");
    }
    try (GenerationService service = open(base, precision, 1500)) {
      List<Voice> voices = new ArrayList<>(List.of(service.base()));
      for (Path adapter : adapters) {
        Voice voice = service.openBeside(adapter);
        assertNotNull(voice, adapter.toString());
        voices.add(voice);
      }
      List<List<Heard>> heard = new ArrayList<>();
      voices.forEach(voice -> heard.add(new ArrayList<>()));
      for (int i = 0; i < prompts().size(); i++) {
        for (int v = 0; v < voices.size(); v++) {
          Heard text = new Heard();
          Voice voice = voices.get(v);
          service.submit(voice, voice.prompt(prompts().get(i)), options(sampling(i)), 0, text);
          heard.get(v).add(text);
        }
      }
      for (int v = 0; v < voices.size(); v++) {
        List<String> texts = new ArrayList<>();
        for (Heard text : heard.get(v)) {
          texts.add(text.text().tokens() + text.text().text());
          assertEquals(text.text().text(), text.pieces.toString());
        }
        assertEquals(expected.get(v), texts, "voice " + v);
      }
      assertEquals(0, service.unfinished());
      voices.forEach(Voice::close);
    }
  }

  /** With room for little more than one text they come one after the other. */
  @Test
  void textsWaitForRoom() throws Exception {
    List<String> expected = alone(base, PrecisionOption.FP32);
    try (GenerationService service = open(base, PrecisionOption.FP32, 70)) {
      assertEquals(TinyDecoder.CONTEXT, service.context());
      List<Heard> heard = new ArrayList<>();
      for (int i = 0; i < prompts().size(); i++) {
        heard.add(new Heard());
        Voice voice = service.base();
        service.submit(
            voice, voice.prompt(prompts().get(i)), options(sampling(i)), 0, heard.get(i));
      }
      for (int i = 0; i < heard.size(); i++) {
        GeneratedText text = heard.get(i).text();
        assertEquals(expected.get(i), text.tokens() + text.text());
      }
    }
  }

  /** By whoever asks, not by who listens: a stream would have begun. */
  @Test
  void proposalsOnABackendThatCannotTakeThemAreRefusedAtOnce() {
    Compute torch = new Compute(BackendKind.TORCH, PrecisionOption.FP32, 1);
    GenerationOptions proposing =
        new GenerationOptions(Sampling.greedy(), List.of(), 1, NEW_TOKENS, null, null, 3);
    try (GenerationService service =
        GenerationService.open(
            base, OpenOptions.DEFAULT, torch, new GenerationService.Limits(1, 1 << 20, 0))) {
      assertFalse(service.takesProposals());
      Voice voice = service.base();
      Prompt prompt = voice.prompt("abab");
      InputException e =
          assertThrows(
              InputException.class, () -> service.submit(voice, prompt, proposing, 0, new Heard()));
      assertTrue(e.getMessage().contains("torch"), e.getMessage());
      assertEquals(0, service.unfinished());
    }
    try (GenerationService service = open(base, PrecisionOption.FP32, 100)) {
      assertTrue(service.takesProposals());
    }
  }

  @Test
  void aCacheThatHoldsLessThanTheModelBoundsTexts() {
    try (GenerationService service = open(base, PrecisionOption.FP32, 20)) {
      assertEquals(20, service.context());
      Voice voice = service.base();
      Prompt prompt = voice.prompt("a".repeat(20));
      InputException e =
          assertThrows(
              InputException.class,
              () -> service.submit(voice, prompt, options(Sampling.greedy()), 0, new Heard()));
      assertTrue(e.getMessage().contains("the context holds 20"), e.getMessage());
    }
  }

  @Test
  void aCancelledTextMakesRoom() throws Exception {
    try (GenerationService service = open(base, PrecisionOption.FP32, 64)) {
      Voice voice = service.base();
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch goOn = new CountDownLatch(1);
      Heard first =
          new Heard() {
            @Override
            public void onPiece(String piece) {
              begun.countDown();
              try {
                goOn.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            }
          };
      GenerationOptions longest =
          new GenerationOptions(Sampling.greedy(), List.of(), 1, 1000, null, null);
      GenerationTicket ticket = service.submit(voice, voice.prompt("abc"), longest, 0, first);
      Heard second = new Heard();
      service.submit(voice, voice.prompt("abc"), options(Sampling.greedy()), 0, second);
      assertTrue(begun.await(60, TimeUnit.SECONDS));
      ticket.cancel();
      goOn.countDown();
      assertEquals(Finish.CANCELLED, first.text().finish());
      assertEquals(NEW_TOKENS, second.text().tokens());
    }
  }

  @Test
  void whatAListenerThrowsEndsItsTextAlone() throws Exception {
    List<String> expected = alone(base, PrecisionOption.FP32);
    try (GenerationService service = open(base, PrecisionOption.FP32, 500)) {
      Voice voice = service.base();
      Heard broken =
          new Heard() {
            @Override
            public void onPiece(String piece) {
              throw new IllegalStateException("nobody listens");
            }
          };
      service.submit(voice, voice.prompt("abc"), options(Sampling.greedy()), 0, broken);
      Heard sound = new Heard();
      service.submit(voice, voice.prompt(prompts().get(0)), options(sampling(0)), 0, sound);
      assertEquals(Finish.CANCELLED, broken.text().finish());
      assertEquals(expected.get(0), sound.text().tokens() + sound.text().text());
    }
  }

  /** So do its other calls: the thread and the other texts go on. */
  @Test
  void whatAListenerThrowsWhenItHearsTheEndIsItsOwnAffair() throws Exception {
    List<String> expected = alone(base, PrecisionOption.FP32);
    try (GenerationService service = open(base, PrecisionOption.FP32, 500)) {
      Voice voice = service.base();
      Heard broken =
          new Heard() {
            @Override
            public void onToken(ScoredToken token) {
              throw new IllegalStateException("nobody listens");
            }

            @Override
            public void onText(GeneratedText text) {
              super.onText(text);
              throw new AssertionError("nobody listens");
            }
          };
      GenerationOptions scored =
          new GenerationOptions(Sampling.greedy(), List.of(), 1, NEW_TOKENS, null, 0);
      service.submit(voice, voice.prompt("abc"), scored, 0, broken);
      Heard sound = new Heard();
      service.submit(voice, voice.prompt(prompts().get(0)), options(sampling(0)), 0, sound);
      assertEquals(Finish.CANCELLED, broken.text().finish());
      assertEquals(expected.get(0), sound.text().tokens() + sound.text().text());
    }
  }

  /** An adapter whose numbers are beyond floats, and a prompt with a token that nobody knows. */
  @Test
  void whatIsWrongWithOneTextEndsItAlone() throws Exception {
    List<String> expected = alone(base, PrecisionOption.FP32);
    Path huge;
    try (CpuBackend backend = new CpuBackend(1)) {
      LoraConfig lora = new LoraConfig(4, 8, 0, List.of("v_proj"), false, false);
      huge = TinyAdapter.write(scratch.resolve("huge"), base, backend, lora, 1, 1e30f);
    }
    try (GenerationService service = open(base, PrecisionOption.FP32, 1500)) {
      Voice voice = service.base();
      Voice broken = service.openBeside(huge);
      List<Heard> sound = new ArrayList<>();
      List<Heard> wrong = new ArrayList<>();
      for (int i = 0; i < prompts().size(); i++) {
        Prompt prompt = voice.prompt(prompts().get(i));
        sound.add(new Heard());
        service.submit(voice, prompt, options(sampling(i)), 0, sound.get(i));
        wrong.add(new Heard());
        service.submit(broken, prompt, options(sampling(i)), 0, wrong.get(i));
      }
      Heard unknown = new Heard();
      Prompt none = new Prompt("", new int[] {1, service.vocabularySize()});
      service.submit(voice, none, options(Sampling.greedy()), 0, unknown);
      for (int i = 0; i < sound.size(); i++) {
        assertEquals(expected.get(i), sound.get(i).text().tokens() + sound.get(i).text().text());
        ExecutionException e = assertThrows(ExecutionException.class, wrong.get(i)::text);
        assertTrue(e.getMessage().contains("where a number is wanted"), e.getMessage());
      }
      ExecutionException e = assertThrows(ExecutionException.class, unknown::text);
      assertTrue(e.getMessage().contains("belongs to another model"), e.getMessage());
      assertEquals(0, service.unfinished());
      broken.close();
    }
  }

  @Test
  void moreThanMayWaitAreRefused() throws Exception {
    GenerationService.Limits limits = new GenerationService.Limits(1, 1 << 20, 2);
    try (GenerationService service =
        GenerationService.open(base, OpenOptions.DEFAULT, compute(PrecisionOption.FP32), limits)) {
      Voice voice = service.base();
      CountDownLatch goOn = new CountDownLatch(1);
      Heard first =
          new Heard() {
            @Override
            public void onPiece(String piece) {
              try {
                goOn.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            }
          };
      List<Heard> all = new ArrayList<>(List.of(first, new Heard(), new Heard()));
      for (Heard heard : all) {
        service.submit(voice, voice.prompt("abc"), options(Sampling.greedy()), 0, heard);
      }
      assertThrows(
          GenerationService.FullException.class,
          () ->
              service.submit(
                  voice, voice.prompt("abc"), options(Sampling.greedy()), 0, new Heard()));
      goOn.countDown();
      for (Heard heard : all) {
        assertEquals(NEW_TOKENS, heard.text().tokens());
      }
    }
  }

  /** What an adapter does beyond low-rank products, a base that others use cannot do. */
  @Test
  void anAdapterThatChangesMoreIsAModelOfItsOwn() {
    Path dora;
    try (CpuBackend backend = new CpuBackend(1)) {
      LoraConfig lora = new LoraConfig(4, 8, 0, List.of("q_proj"), false, true);
      dora = TinyAdapter.write(scratch.resolve("dora"), base, backend, lora, 1);
    }
    try (GenerationService service = open(base, PrecisionOption.FP32, 100)) {
      assertNull(service.openBeside(dora));
    }
  }

  @Test
  void additionsToLogitsCount() throws Exception {
    try (GenerationService service = open(base, PrecisionOption.FP32, 500)) {
      Voice voice = service.base();
      Heard heard = new Heard();
      Sampling biased =
          new Sampling(0, 0, 1, 0, 0, 0, new LogitAdditions(0, 0, Map.of((int) 'x', 100.0)));
      service.submit(voice, voice.prompt("abc"), options(biased), 0, heard);
      assertEquals("x".repeat(NEW_TOKENS), heard.text().text());
      Heard penalized = new Heard();
      Sampling varied =
          new Sampling(
              0, 0, 1, 0, 0, 0, new LogitAdditions(2, 2, Map.of((int) 'x', 50.0, (int) 'y', 49.0)));
      service.submit(voice, voice.prompt("abc"), options(varied), 0, penalized);
      assertTrue(penalized.text().text().startsWith("xyxyxyxy"), penalized.text().text());
    }
  }
}
