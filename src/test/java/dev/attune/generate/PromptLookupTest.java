package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.TransformerModel;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tokens that are proposed because they stand in the text: they change no text, and save passes.
 */
class PromptLookupTest {
  private static final int CONTEXT = 640; // attention divides the keys of long texts

  /** Counts passes, and finds them all equally fast: as much is proposed as may be. */
  private static final class Eager extends PassTimes {
    int passes;
    long rows;

    Eager() {
      super(Decoding.GROUP);
    }

    @Override
    double of(int rows) {
      return 1;
    }

    @Override
    void add(int rows, long taken) {
      passes++;
      this.rows += rows;
    }
  }

  /** Random weights of a family's shape, for texts of some length. */
  private static final class Opened implements AutoCloseable {
    final TransformerModel model;
    final Tape tape;

    Opened(String family, Backend backend, DType dtype, DType products) {
      ObjectNode config = ModelFolder.readConfig(Goldens.own(family));
      config.put("initializer_range", 0.3);
      if (family.equals("gpt2")) {
        config.put("n_positions", CONTEXT).put("n_embd", 64).put("n_inner", 64);
      } else {
        config.put("max_position_embeddings", CONTEXT).put("hidden_size", 64);
        config.put("intermediate_size", 64);
      }
      if (config.has("head_dim")) {
        config.put("head_dim", 16);
      }
      if (family.equals("mistral")) {
        config.put("sliding_window", 19);
      }
      ParameterBuilder builder = new ParameterBuilder();
      builder.freeze(products.sizeBytes() == 0 ? dtype : products, products);
      model =
          (TransformerModel)
              Families.create(backend, config, HeadKind.LANGUAGE_MODEL, 0, null, builder);
      ModelWeights.randomize(model, 5);
      tape = new Tape(backend, new Arena(backend, 64 << 20), dtype, 0);
    }

    /** What becomes of requests, with so many in work at a time. */
    List<Completion> generate(List<Request> requests, int slots, PassTimes times) {
      Completion[] done = new Completion[requests.size()];
      try (GenerationLoop loop =
          new GenerationLoop(model, tape, slots, CONTEXT, slots * CONTEXT, times)) {
        for (int i = 0; i < done.length; i++) {
          int at = i;
          loop.submit(requests.get(i), completion -> done[at] = completion);
        }
        loop.run();
      }
      return Arrays.asList(done);
    }

    @Override
    public void close() {
      tape.close();
      model.close();
    }
  }

  static Stream<Arguments> cases() {
    return Stream.of("gpt2", "llama", "mistral", "qwen3", "gpt_neox")
        .flatMap(family -> Backends.cpu().map(backend -> Arguments.of(family, backend)));
  }

  private static int[] prompt(Random random, int length) {
    int[] piece = random.ints(1 + random.nextInt(25), 0, 80).toArray();
    int[] prompt = new int[length];
    for (int i = 0; i < length; i++) {
      prompt[i] = random.nextInt(20) == 0 ? random.nextInt(80) : piece[i % piece.length];
    }
    return prompt;
  }

  /** Requests of all kinds; the same with and without proposals. */
  private static List<Request> requests(boolean proposes) {
    Random random = new Random(3);
    LogitRules rules = new LogitRules(1.2, 5, Set.of(3), Set.of(4), List.of(List.of(5, 6)), 4, 0);
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 18; i++) {
      int[] prompt = prompt(random, i == 7 ? 500 : 1 + random.nextInt(60));
      Sampling sampling = i % 3 == 2 ? new Sampling(0.7, 9, 0.9, 0, 1, 77) : Sampling.greedy();
      int stopAfter = i % 6 == 5 ? 9 : Integer.MAX_VALUE;
      int[] heard = {0};
      int newTokens = i == 7 ? 200 : 20 + random.nextInt(50);
      int lookupTokens = i % 5 == 4 ? 0 : 1 + random.nextInt(20);
      requests.add(
          new Request(
              prompt,
              sampling,
              i % 4 == 1 ? rules : LogitRules.NONE,
              newTokens,
              new int[] {70 + i % 4, 79},
              i,
              3,
              proposes ? lookupTokens : 0,
              null,
              token -> ++heard[0] < stopAfter));
    }
    return requests;
  }

  private static void assertEqual(List<Completion> expected, List<Completion> done, String why) {
    for (int i = 0; i < expected.size(); i++) {
      Completion one = expected.get(i);
      assertArrayEquals(one.tokens(), done.get(i).tokens(), why + ", text " + i);
      assertEquals(one.finish(), done.get(i).finish(), why + ", text " + i);
      assertEquals(one.logprobs(), done.get(i).logprobs(), why + ", text " + i);
    }
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void textsAreTheSameToTheLastBit(String family, Backends.Target target) {
    DType[][] held = {
      {DType.F32, DType.F32},
      {DType.BF16, DType.BF16},
      {DType.F32, DType.BF16},
      {DType.F32, DType.INT8},
      {DType.BF16, DType.NF4}
    };
    for (DType[] types : held) {
      try (Opened opened = new Opened(family, target.backend(), types[0], types[1])) {
        Eager plain = new Eager();
        List<Completion> expected = opened.generate(requests(false), 1, plain);
        assertEquals(plain.passes, plain.rows, "a token a pass");
        for (int slots : new int[] {1, 5, 18}) {
          Eager proposing = new Eager();
          String name = Arrays.toString(types) + " with " + slots + " at a time";
          assertEqual(expected, opened.generate(requests(true), slots, proposing), name);
          assertTrue(proposing.rows > plain.rows, "no proposal was wrong: nothing was rolled back");
          if (slots == 1) {
            assertTrue(proposing.passes < plain.passes, "no proposal was right");
          }
        }
        // By measured times it proposes now and then, and less.
        assertEqual(
            expected,
            opened.generate(requests(true), 5, new PassTimes(Decoding.GROUP)),
            "as measured");
      }
    }
  }

  @Test
  void aStopInTheMiddleOfWhatWasAcceptedEndsTheText() {
    try (Opened opened =
        new Opened("llama", Backends.cpu().findFirst().get().backend(), DType.F32, DType.F32)) {
      int[] prompt = prompt(new Random(1), 40);
      Request plain = request(prompt, new int[0], 0, 30);
      int[] whole = opened.generate(List.of(plain), 1, new Eager()).get(0).tokens();
      for (int stop = 1; stop <= whole.length; stop++) {
        int most = stop;
        int[] heard = {0};
        Request stopped =
            new Request(
                prompt,
                Sampling.greedy(),
                LogitRules.NONE,
                30,
                new int[0],
                0,
                null,
                20,
                null,
                token -> ++heard[0] < most);
        Completion done = opened.generate(List.of(stopped), 1, new Eager()).get(0);
        assertArrayEquals(Arrays.copyOf(whole, stop), done.tokens());
        assertEquals(Finish.STOP, done.finish());
        assertEquals(stop, heard[0], "tokens that the listener has heard");
        Request shorter = request(prompt, new int[0], 20, stop);
        done = opened.generate(List.of(shorter), 1, new Eager()).get(0);
        assertArrayEquals(Arrays.copyOf(whole, stop), done.tokens());
        assertEquals(Finish.LENGTH, done.finish());
        int end = whole[stop - 1];
        int first = 0;
        while (whole[first] != end) {
          first++;
        }
        Request ending = request(prompt, new int[] {end}, 20, 30);
        done = opened.generate(List.of(ending), 1, new Eager()).get(0);
        assertArrayEquals(Arrays.copyOf(whole, first), done.tokens());
        assertEquals(Finish.END, done.finish());
      }
    }
  }

  private static Request request(int[] prompt, int[] ends, int lookupTokens, int newTokens) {
    return new Request(
        prompt,
        Sampling.greedy(),
        LogitRules.NONE,
        newTokens,
        ends,
        0,
        null,
        lookupTokens,
        null,
        null);
  }

  @Test
  void whereRowsMayDependOnTheirNumberProposalsAreRefused() {
    Backend torch = Backends.best().filter(target -> !target.isOurs()).findFirst().get().backend();
    try (Opened opened = new Opened("gpt2", torch, DType.F32, DType.F32)) {
      List<Request> requests = List.of(request(new int[] {1}, new int[0], 2, 3));
      InputException refused =
          assertThrows(
              InputException.class,
              () -> opened.generate(requests, 1, new PassTimes(Decoding.GROUP)));
      assertTrue(refused.getMessage().contains("torch"), refused.getMessage());
    }
  }

  /** Whoever makes the request. */
  @ParameterizedTest
  @ValueSource(ints = {-1, 64, 100, 2_000_000_000})
  void requestsForTooManyProposalsAreRefused(int tokens) {
    InputException refused =
        assertThrows(InputException.class, () -> request(new int[] {1}, new int[0], tokens, 3));
    assertEquals(
        Term.PROMPT_LOOKUP_NUM_TOKENS + " is " + tokens + "; it must be between 0 and 63",
        refused.getMessage());
  }

  @Test
  void optionsThatCannotBeAreRefused() {
    Sampling greedy = Sampling.greedy();
    BeamSearch.Config beams = new BeamSearch.Config(2, 1, 5);
    for (int tokens : new int[] {-1, 64}) {
      assertThrows(
          InputException.class,
          () -> new GenerationOptions(greedy, List.of(), 1, 5, null, null, tokens));
    }
    assertThrows(
        InputException.class, () -> new GenerationOptions(greedy, List.of(), 1, 5, beams, null, 1));
  }

  @Test
  void theLongestAgreementIsFollowedWhileItIsRight() {
    PromptLookup lookup = new PromptLookup(new int[] {1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3});
    int[] guesses = new int[6];
    lookup.guess(guesses, 0, 3);
    assertArrayEquals(new int[] {4, 9, 2}, Arrays.copyOf(guesses, 3), "1 2 3, not 2 3");
    double before = lookup.trust(1);
    lookup.add(4);
    lookup.add(9);
    lookup.guess(guesses, 0, 2);
    assertArrayEquals(new int[] {2, 3}, Arrays.copyOf(guesses, 2));
    assertTrue(lookup.trust(1) > before);
    assertTrue(lookup.trust(2) < lookup.trust(1));
    lookup.add(7);
    assertEquals(0, lookup.trust(1), "nothing has followed 9 7 before");
  }

  @Test
  void whatGoesRoundIsGuessedToGoRoundAgain() {
    PromptLookup lookup = new PromptLookup(new int[] {6, 7, 8, 7, 8});
    int[] guesses = new int[8];
    lookup.guess(guesses, 1, 7);
    assertArrayEquals(new int[] {0, 7, 8, 7, 8, 7, 8, 7}, guesses);
  }

  /** Where the token lies that is thought to come next, by trying every place; -1: nowhere. */
  private static int scanned(List<Integer> ids) {
    int found = -1;
    int longest = 1;
    for (int end = ids.size() - 1; end > 0; end--) {
      int agree = 0;
      while (agree < Math.min(8, end)
          && ids.get(end - 1 - agree).equals(ids.get(ids.size() - 1 - agree))) {
        agree++;
      }
      if (agree > longest) {
        longest = agree;
        found = end;
      }
    }
    return found;
  }

  @Test
  void placesAreThoseThatTryingEachWouldFind() {
    Random random = new Random(11);
    for (int text = 0; text < 300; text++) {
      int vocabulary = text % 10 == 0 ? Integer.MAX_VALUE : 1 + random.nextInt(40);
      int[] prompt = random.ints(1 + random.nextInt(200), 0, vocabulary).toArray();
      List<Integer> ids = new ArrayList<>(Arrays.stream(prompt).boxed().toList());
      PromptLookup lookup = new PromptLookup(prompt);
      int expected = scanned(ids);
      int[] next = new int[1];
      for (int step = 0; step < 200; step++) {
        assertEquals(expected >= 0, lookup.trust(1) > 0, "text " + text + ", step " + step);
        if (expected >= 0) {
          lookup.guess(next, 0, 1);
          assertEquals(ids.get(expected), next[0], "text " + text + ", step " + step);
        }
        int token = random.nextBoolean() ? next[0] : random.nextInt(vocabulary);
        boolean isRight = expected >= 0 && ids.get(expected) == token;
        ids.add(token);
        lookup.add(token);
        expected = isRight ? expected + 1 : scanned(ids);
      }
    }
  }

  @Test
  void longTextsCostNothingNoticeable() {
    int[] prompt = new Random(1).ints(400_000, 0, Integer.MAX_VALUE).toArray();
    assertTimeoutPreemptively(
        Duration.ofSeconds(5),
        () -> {
          PromptLookup lookup = new PromptLookup(prompt);
          for (int i = 0; i < 50_000; i++) {
            lookup.add(i);
          }
          assertEquals(0, lookup.trust(1));
        });
  }

  @Test
  void textsWithoutRepetitionProposeNothing() {
    PromptLookup lookup = new PromptLookup(new int[] {1, 2, 3, 4, 2});
    assertEquals(0, lookup.trust(1), "one token alone recurs everywhere");
    assertEquals(0, new PromptLookup(new int[] {1}).trust(1));
  }

  /**
   * A text whose guesses are wrong soon costs nothing, and one whose guesses are right is sped up.
   */
  @Test
  void asManyAreProposedAsPay() {
    PassTimes times = new PassTimes(Decoding.GROUP);
    for (int i = 0; i < 20; i++) {
      times.add(1, 1000);
      times.add(5, 1200);
      times.add(9, 1400);
    }
    PromptLookup right = new PromptLookup(new int[] {1, 2, 1, 2});
    PromptLookup wrong = new PromptLookup(new int[] {1, 2, 1, 2});
    for (int i = 0; i < 60; i++) {
      right.add(1 + i % 2);
      wrong.add(3 + i);
      wrong.add(1);
      wrong.add(2);
    }
    int[] counts = new int[2];
    new Proposals(times).count(List.of(right), new int[] {8}, 64, counts);
    assertEquals(8, counts[0]);
    new Proposals(times).count(List.of(wrong), new int[] {8}, 64, counts);
    assertEquals(0, counts[0]);
    // Passes that take as long as they have rows are not worth it, however right the guesses.
    PassTimes dear = new PassTimes(Decoding.GROUP);
    for (int i = 0; i < 300; i++) {
      for (int rows = 1; rows <= 12; rows++) {
        dear.add(rows, 1000L * rows);
      }
    }
    new Proposals(dear).count(List.of(right), new int[] {8}, 12, counts);
    assertEquals(0, counts[0]);
  }
}
