package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.run.RunOption;
import dev.attune.task.ContrastivePairs.Pair;
import dev.attune.task.ContrastivePairs.Strategy;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ContrastivePairsTest {
  private static int[] labels(int rows) {
    int[] labels = new int[rows];
    Arrays.setAll(labels, row -> (row * row + row / 3) % 3);
    return labels;
  }

  @Test
  void everyPairIsListedOnce() {
    int[] labels = labels(20);
    List<Pair> listed = new ContrastivePairs(Strategy.UNIQUE, 0).list(labels);
    assertEquals(20 * 21 / 2, listed.size());
    assertEquals(listed.size(), new HashSet<>(listed).size());
    for (Pair pair : listed) {
      assertTrue(pair.first() <= pair.second() && pair.second() < 20, pair::toString);
      assertEquals(labels[pair.first()] == labels[pair.second()], pair.alike(), pair::toString);
    }
  }

  /** As SetFit takes them: as many as are wanted, of however many there are. */
  @Test
  void iterationsCountWhateverAllPairsAre() {
    List<Pair> listed = new ContrastivePairs(Strategy.OVERSAMPLING, 20).list(labels(2_100));
    assertEquals(2 * 20 * 2_100, listed.size());
    Set<Pair> different = new HashSet<>(listed);
    assertEquals(listed.size(), different.size(), "pairs come twice before all came once");
    assertEquals(listed.size() / 2, different.stream().filter(Pair::alike).count());
  }

  @Test
  void whatIsRefusedSaysWhatHelps() {
    String all = refusal(new ContrastivePairs(Strategy.OVERSAMPLING, 0), 3_000);
    assertFalse(all.contains("--num-iterations"), all);
    String some = refusal(new ContrastivePairs(Strategy.OVERSAMPLING, 1_000), 3_000);
    assertTrue(some.contains("a smaller --num-iterations"), some);
  }

  private static String refusal(ContrastivePairs pairs, int rows) {
    return RunOption.worded(
        assertThrows(InputException.class, () -> pairs.list(labels(rows))).getMessage());
  }

  @Test
  void pairsOfTooManyTokensAreRefused() throws URISyntaxException {
    int[] ids = new int[100_000];
    List<Example> examples = new ArrayList<>();
    List<TokenIds> encoded = new ArrayList<>();
    for (int row = 0; row < 200; row++) {
      examples.add(Example.of(row + 1, "text", "class " + row % 2));
      encoded.add(new TokenIds(ids, null, null, 0));
    }
    Dataset rows = new Dataset(Path.of("rows.csv"), examples);
    Path folder = Path.of(ContrastivePairsTest.class.getResource("/tokenizers/electra").toURI());
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      PairRows pairs =
          new PairRows(
              tokenizer,
              64,
              LabelMap.ofNames(List.of("class 0", "class 1")),
              new ContrastivePairs(Strategy.UNIQUE, 0));
      String refusal =
          assertThrows(InputException.class, () -> pairs.pack(rows, encoded)).getMessage();
      assertTrue(
          refusal.startsWith("rows.csv: the 20,100 pairs of the rows hold 4,020,000,000 tokens"),
          refusal);
    }
  }
}
