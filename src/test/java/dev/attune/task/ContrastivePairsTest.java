package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import java.util.BitSet;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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
    List<Pair> listed =
        new ContrastivePairs(Strategy.UNIQUE, 0).list(new LabelledRows(labels), labels.length);
    assertEquals(20 * 21 / 2, listed.size());
    assertEquals(listed.size(), new HashSet<>(listed).size());
    for (Pair pair : listed) {
      assertTrue(pair.first() <= pair.second() && pair.second() < 20, pair::toString);
      assertEquals(labels[pair.first()] == labels[pair.second()], pair.alike(), pair::toString);
    }
  }

  /** Sets of one label are what labels are. */
  @Test
  void setsOfOneLabelMakeTheSamePairs() {
    int[] labels = labels(20);
    LabelledRows one = new LabelledRows(labels);
    RowPairs sets =
        new LabelSetRows(
            Arrays.stream(labels).mapToObj(id -> BitSet.valueOf(new long[] {1L << id})).toList());
    assertEquals(one.alike(), sets.alike());
    assertEquals(one.others(), sets.others());
    for (boolean alike : new boolean[] {true, false}) {
      for (long i = 0; i < (alike ? one.alike() : one.others()); i++) {
        assertArrayEquals(one.pair(alike, i), sets.pair(alike, i), alike + " " + i);
      }
    }
  }

  /**
   * As SetFit has it: one label in common is enough; a row without any is like none, nor itself.
   */
  @Test
  void rowsThatShareALabelAreAlike() {
    List<BitSet> rows =
        Stream.of(0b011, 0b110, 0b000, 0b100)
            .map(bits -> BitSet.valueOf(new long[] {bits}))
            .toList();
    Set<List<Integer>> alike =
        new ContrastivePairs(Strategy.UNIQUE, 0)
            .list(new LabelSetRows(rows), rows.size()).stream()
                .filter(Pair::alike)
                .map(pair -> List.of(pair.first(), pair.second()))
                .collect(Collectors.toSet());
    assertEquals(
        Set.of(List.of(0, 0), List.of(0, 1), List.of(1, 1), List.of(1, 3), List.of(3, 3)), alike);
    assertEquals(5, new LabelSetRows(rows).others());
    String refusal =
        assertThrows(
                InputException.class,
                () -> new LabelSetRows(Collections.nCopies(4_001, new BitSet())))
            .getMessage();
    assertTrue(refusal.contains("4,001") && refusal.contains("4,000"), refusal);
  }

  /** As SetFit takes them: as many as are wanted, of however many there are. */
  @Test
  void iterationsCountWhateverAllPairsAre() {
    List<Pair> listed =
        new ContrastivePairs(Strategy.OVERSAMPLING, 20)
            .list(new LabelledRows(labels(2_100)), 2_100);
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
        assertThrows(InputException.class, () -> pairs.list(new LabelledRows(labels(rows)), rows))
            .getMessage());
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
              FewShotLabels.of(
                      FewShotType.ONE_LABEL, LabelMap.ofNames(List.of("class 0", "class 1")), false)
                  ::pairs,
              new ContrastivePairs(Strategy.UNIQUE, 0));
      String refusal =
          assertThrows(InputException.class, () -> pairs.pack(rows, encoded)).getMessage();
      assertTrue(
          refusal.startsWith("rows.csv: the 20,100 pairs of the rows hold 4,020,000,000 tokens"),
          refusal);
    }
  }
}
