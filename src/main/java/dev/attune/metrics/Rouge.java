package dev.attune.metrics;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * ROUGE (Lin 2004) as the reference implementation {@code rouge_score} computes it without stemmer:
 * words are runs of a to z and 0 to 9 in lower case, scores are F1 of an example, and a corpus has
 * their mean. ROUGE-Lsum takes each line for a sentence.
 */
final class Rouge {
  private double one;
  private double two;
  private double longest;
  private double longestOfLines;

  void add(String prediction, String reference) {
    List<String> words = tokens(prediction);
    List<String> expected = tokens(reference);
    one += runs(words, expected, 1);
    two += runs(words, expected, 2);
    longest += f1(commonLength(expected, words), words.size(), expected.size());
    longestOfLines += lines(prediction, reference);
  }

  void merge(Rouge other) {
    one += other.one;
    two += other.two;
    longest += other.longest;
    longestOfLines += other.longestOfLines;
  }

  void put(Map<String, Double> out, long count) {
    out.put("rouge1", one / count);
    out.put("rouge2", two / count);
    out.put("rougeL", longest / count);
    out.put("rougeLsum", longestOfLines / count);
  }

  static List<String> tokens(String text) {
    String plain = text.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", " ").strip();
    return plain.isEmpty() ? List.of() : List.of(plain.split(" "));
  }

  private static double runs(List<String> words, List<String> expected, int order) {
    int shared = Words.shared(Words.runs(words, order), Words.runs(expected, order));
    return f1(shared, words.size() - order + 1, expected.size() - order + 1);
  }

  private static double f1(int shared, int predicted, int expected) {
    return shared == 0 ? 0 : 2.0 * shared / (predicted + expected);
  }

  private static int commonLength(List<String> a, List<String> b) {
    int[] row = new int[b.size() + 1];
    for (String word : a) {
      int diagonal = 0;
      for (int j = 1; j <= b.size(); j++) {
        int above = row[j];
        row[j] = word.equals(b.get(j - 1)) ? diagonal + 1 : Math.max(above, row[j - 1]);
        diagonal = above;
      }
    }
    return row[b.size()];
  }

  /** The union of each expected line's common subsequences with all predicted lines. */
  private static double lines(String prediction, String reference) {
    List<List<String>> predicted = sentences(prediction);
    List<List<String>> expected = sentences(reference);
    Map<String, Integer> left = new HashMap<>(); // of the prediction, not yet counted
    Map<String, Integer> wanted = new HashMap<>();
    predicted.forEach(line -> line.forEach(word -> left.merge(word, 1, Integer::sum)));
    expected.forEach(line -> line.forEach(word -> wanted.merge(word, 1, Integer::sum)));
    int hits = 0;
    for (List<String> line : expected) {
      BitSet union = new BitSet();
      predicted.forEach(other -> markCommon(line, other, union));
      for (int i = union.nextSetBit(0); i >= 0; i = union.nextSetBit(i + 1)) {
        String word = line.get(i);
        if (left.getOrDefault(word, 0) > 0 && wanted.get(word) > 0) {
          hits++;
          left.merge(word, -1, Integer::sum);
          wanted.merge(word, -1, Integer::sum);
        }
      }
    }
    return f1(
        hits,
        predicted.stream().mapToInt(List::size).sum(),
        expected.stream().mapToInt(List::size).sum());
  }

  private static List<List<String>> sentences(String text) {
    List<List<String>> out = new ArrayList<>();
    for (String line : text.split("\n")) {
      out.add(tokens(line));
    }
    return out;
  }

  /**
   * Marks the places in {@code line} of one longest common subsequence. Of several it is the one
   * that the reference implementation finds; a bit a cell says which way that goes back.
   */
  private static void markCommon(List<String> line, List<String> other, BitSet marks) {
    int width = other.size() + 1;
    BitSet[] leftwards = new BitSet[line.size() + 1];
    int[] row = new int[width];
    for (int i = 1; i <= line.size(); i++) {
      leftwards[i] = new BitSet(width);
      int diagonal = 0;
      for (int j = 1; j < width; j++) {
        int above = row[j];
        leftwards[i].set(j, row[j - 1] > above);
        boolean equal = line.get(i - 1).equals(other.get(j - 1));
        row[j] = equal ? diagonal + 1 : Math.max(above, row[j - 1]);
        diagonal = above;
      }
    }
    int i = line.size();
    int j = other.size();
    while (i > 0 && j > 0) {
      if (line.get(i - 1).equals(other.get(j - 1))) {
        marks.set(--i);
        j--;
      } else if (leftwards[i].get(j)) {
        j--;
      } else {
        i--;
      }
    }
  }
}
