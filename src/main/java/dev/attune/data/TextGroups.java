package dev.attune.data;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Examples that are held out together or not at all: those of equal texts, and the pairs that one
 * row makes of one anchor. Else validation would ask what training has answered.
 */
final class TextGroups {
  private final int[] earlier; // another example of the group, or itself: the first

  private TextGroups(int size) {
    earlier = new int[size];
  }

  /** The groups by their first examples, each in file order. */
  static Collection<List<Integer>> of(Dataset dataset) {
    TextGroups groups = new TextGroups(dataset.size());
    Map<String, Integer> texts = new HashMap<>();
    Example before = null;
    for (int i = 0; i < dataset.size(); i++) {
      Example example = dataset.get(i);
      groups.earlier[i] = i;
      Integer equal = texts.putIfAbsent(example.normalised(), i);
      if (equal != null) {
        groups.join(equal, i);
      }
      if (before != null && example.row() == before.row() && isOfOneAnchor(before, example)) {
        groups.join(i - 1, i);
      }
      before = example;
    }
    Map<Integer, List<Integer>> members = new LinkedHashMap<>();
    for (int i = 0; i < dataset.size(); i++) {
      members.computeIfAbsent(groups.first(i), k -> new ArrayList<>()).add(i);
    }
    return members.values();
  }

  private static boolean isOfOneAnchor(Example one, Example other) {
    return one.text() != null && one.text().equals(other.text());
  }

  private int first(int example) {
    int first = example;
    while (earlier[first] != first) {
      earlier[first] = earlier[earlier[first]];
      first = earlier[first];
    }
    return first;
  }

  private void join(int one, int other) {
    int a = first(one);
    int b = first(other);
    earlier[Math.max(a, b)] = Math.min(a, b);
  }
}
