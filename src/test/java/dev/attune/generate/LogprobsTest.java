package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
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
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The log-probabilities of generated tokens. */
class LogprobsTest {
  static Stream<Backends.Target> targets() {
    return Backends.best();
  }

  private static TransformerModel model(String family, Backend backend) {
    Path folder = Goldens.own(family);
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    TransformerModel model =
        (TransformerModel)
            Families.create(
                backend, ModelFolder.readConfig(folder), HeadKind.LANGUAGE_MODEL, 0, null, builder);
    ModelWeights.load(folder, model, 0);
    return model;
  }

  /** As Transformers' {@code log_softmax} has them: before the penalty that the choice heeds. */
  @ParameterizedTest
  @MethodSource("targets")
  void theyAreThoseOfTransformers(Backends.Target target) {
    Backend backend = target.backend();
    int compared = 0;
    for (JsonNode golden : Goldens.resource("generation/logprobs.json")) {
      int[] prompt = ints(golden.get("prompt"));
      JsonNode steps = golden.get("steps");
      List<Completion> done = new ArrayList<>();
      try (TransformerModel model = model(golden.get("model").asText(), backend);
          Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 0);
          GenerationLoop loop = new GenerationLoop(model, tape, 2, 24)) {
        double penalty = golden.get("repetition_penalty").asDouble();
        Sampling greedy = new Sampling(0, 0, 1, 0, penalty, 0);
        Request request =
            new Request(prompt, greedy, LogitRules.NONE, steps.size(), new int[0], 0, 5, null);
        loop.submit(request, done::add);
        loop.run();
      }
      List<TokenLogprobs> logprobs = done.get(0).logprobs();
      assertEquals(steps.size(), logprobs.size());
      for (int i = 0; i < steps.size(); i++) {
        JsonNode step = steps.get(i);
        TokenLogprobs one = logprobs.get(i);
        assertEquals(step.get("token").asInt(), done.get(0).tokens()[i], golden.toString());
        assertEquals(step.get("token").asInt(), one.token());
        assertEquals(step.get("logprob").asDouble(), one.logprob(), 1e-4);
        assertArrayEquals(ints(step.get("top")), one.topTokens());
        for (int k = 0; k < one.topLogprobs().length; k++) {
          assertEquals(step.get("top_logprobs").get(k).asDouble(), one.topLogprobs()[k], 1e-4);
        }
        compared++;
      }
    }
    assertEquals(72, compared);
  }

  private static int[] ints(JsonNode list) {
    int[] out = new int[list.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = list.get(i).asInt();
    }
    return out;
  }

  @Test
  void theMostProbableStandFirstAndOfEqualOnesTheSmallerId() {
    FloatBuffer logits = FloatBuffer.wrap(new float[] {9, 1, 3, 2, 3, 3, 0});
    TokenLogprobs three = TokenLogprobs.of(logits, 1, 6, 2, 3);
    assertArrayEquals(new int[] {1, 3, 4}, three.topTokens());
    double sum = Math.exp(1) + 3 * Math.exp(3) + Math.exp(2) + 1;
    assertEquals(2 - Math.log(sum), three.logprob(), 1e-12);
    assertEquals(3 - Math.log(sum), three.topLogprobs()[2], 1e-12);
    assertEquals(0, logits.position());
    TokenLogprobs all = TokenLogprobs.of(logits, 1, 6, 2, 20);
    assertArrayEquals(new int[] {1, 3, 4, 2, 0, 5}, all.topTokens());
    double mass = 0;
    for (double logprob : all.topLogprobs()) {
      mass += Math.exp(logprob);
    }
    assertEquals(1, mass, 1e-12);
    assertEquals(0, TokenLogprobs.of(logits, 1, 6, 2, 0).topTokens().length);
  }

  @Test
  void whatNoLogitAllowsHasNoProbability() {
    float none = Float.NEGATIVE_INFINITY;
    TokenLogprobs one = TokenLogprobs.of(FloatBuffer.wrap(new float[] {none, 5, none}), 0, 3, 1, 3);
    assertEquals(0, one.logprob());
    assertArrayEquals(new int[] {1, 0, 2}, one.topTokens());
    assertEquals(Double.NEGATIVE_INFINITY, one.topLogprobs()[1]);
  }

  @Test
  void tooManyAndBeamsAreRefused() {
    Sampling greedy = Sampling.greedy();
    BeamSearch.Config beams = new BeamSearch.Config(2, 1, 5);
    for (int top : new int[] {-1, 21}) {
      InputException refused =
          assertThrows(
              InputException.class,
              () -> new GenerationOptions(greedy, List.of(), 1, 5, null, top));
      assertTrue(refused.getMessage().contains("between 0 and 20"), refused.getMessage());
    }
    InputException refused =
        assertThrows(
            InputException.class, () -> new GenerationOptions(greedy, List.of(), 1, 5, beams, 0));
    assertTrue(refused.getMessage().contains("beam"), refused.getMessage());
  }
}
