package dev.attune.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** PEFT's rules of which modules get an adapter, and Python's regular expressions in them. */
class ModuleTargetsTest {
  private static final String QUERY = "model.layers.1.self_attn.q_proj";

  private static ModuleTargets named(List<String> names, List<String> excluded, List<Integer> in) {
    return new ModuleTargets(names, null, excluded, null, in, List.of());
  }

  @Test
  void aNameMeansWholeLastPartsInTheLayersThatAreChosen() {
    assertTrue(ModuleTargets.of(List.of("q_proj")).matches(QUERY));
    assertTrue(ModuleTargets.of(List.of("self_attn.q_proj")).matches(QUERY));
    assertFalse(ModuleTargets.of(List.of("proj")).matches(QUERY));
    assertTrue(named(List.of("q_proj"), List.of(), List.of(1)).matches(QUERY));
    assertFalse(named(List.of("q_proj"), List.of(), List.of(0)).matches(QUERY));
    assertTrue(named(List.of(QUERY), List.of(), List.of(0)).matches(QUERY), "named in full");
    assertFalse(named(List.of("q_proj"), List.of("self_attn.q_proj"), List.of()).matches(QUERY));
  }

  @Test
  void whatIsInNoLayerGetsNoneWhereLayersAreChosen() {
    for (List<Integer> layers : List.of(List.of(1), List.of(0, 1), List.of(0, 1, 2))) {
      assertFalse(
          named(List.of("embed_tokens"), List.of(), layers).matchesByName("model.embed_tokens"));
    }
  }

  @Test
  void allLinearMeansProductsButNotTablesUnlessTheyAreNamed() {
    ModuleTargets all = ModuleTargets.of(List.of(ModuleTargets.ALL_LINEAR));
    assertTrue(all.matches(QUERY));
    assertFalse(all.matchesByName("lm_head"));
    assertTrue(ModuleTargets.of(List.of("lm_head")).matchesByName("lm_head"));
  }

  @Test
  void aRegularExpressionMeansWholeNames() {
    PythonPattern pattern = PythonPattern.compile(".*\\.(?P<one_of>q|v)_proj", "target_modules");
    assertTrue(pattern.matchesAll(QUERY));
    assertFalse(pattern.matchesAll(QUERY + ".base"));
    assertTrue(PythonPattern.compile("(?i)MODEL\\..*PROJ\\Z", "x").matchesAll(QUERY));
    assertTrue(PythonPattern.compile("model\\.layers\\.[^0]\\.(?!mlp).*", "x").matchesAll(QUERY));
  }

  @ParameterizedTest
  @ValueSource(strings = {"\\Qa\\E", "[a[b]]", "[a&&b]", "a(?i)b", "(?P=x)", "(a", "\\pL", "[]a]"})
  void whatJavaWouldReadOtherwiseIsRefused(String python) {
    String message =
        assertThrows(InputException.class, () -> PythonPattern.compile(python, "target_modules"))
            .getMessage();
    assertTrue(message.startsWith("target_modules: '" + python + "'"), message);
  }

  @Test
  void theFirstPatternThatMatchesTheEndOfANameCounts() {
    Map<String, Integer> ranks = new LinkedHashMap<>();
    ranks.put("0.self_attn.q_proj", 2);
    ranks.put("q_proj|v_proj", 3);
    ranks.put(".*", 4);
    LoraConfig lora =
        new LoraConfig(
            8,
            16,
            0f,
            ModuleTargets.of(List.of("q_proj")),
            true,
            false,
            new LoraConfig.Patterns(ranks, Map.of("layers\\.1\\..*", 6.0)),
            Initialization.TRUE,
            TrainedBeside.NOTHING);
    assertEquals(2, lora.rank("model.layers.0.self_attn.q_proj"));
    assertEquals(3, lora.rank(QUERY));
    assertEquals(4, lora.rank("model.layers.1.mlp.up_proj"));
    assertEquals((float) (6 / Math.sqrt(3)), lora.scale(QUERY));
    assertEquals((float) (16 / Math.sqrt(2)), lora.scale("model.layers.0.self_attn.q_proj"));
  }
}
