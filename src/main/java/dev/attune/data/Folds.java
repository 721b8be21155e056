package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * A dataset cut into folds, each of which is held out once: a pure function of (examples, count,
 * seed).
 *
 * <p>Equal texts, and the pairs of one row, always land in one fold. Every class is spread evenly:
 * where no text occurs twice, its examples in any two folds differ by one at most, and so do the
 * sizes of folds. Texts that occur several times are placed first, where they disturb that least,
 * and the others level it.
 */
public final class Folds {
  private final Dataset dataset;
  private final int[] foldOf;
  private final Map<String, Integer> textsOfClass = new TreeMap<>();

  private Folds(Dataset dataset, int[] foldOf) {
    this.dataset = dataset;
    this.foldOf = foldOf;
  }

  /**
   * Cuts.
   *
   * @param count of folds, at least 2
   * @param stratum of an example, such as its class; null counts as one of its own
   * @throws InputException if there are fewer texts than folds
   */
  public static Folds of(Dataset dataset, int count, long seed, Function<Example, String> stratum) {
    Folds folds = new Folds(dataset, new int[dataset.size()]);
    Map<String, Integer> classes = new TreeMap<>();
    int[] classOf = new int[dataset.size()];
    for (int i = 0; i < dataset.size(); i++) {
      String name = stratum.apply(dataset.get(i));
      classOf[i] = classes.computeIfAbsent(name == null ? "" : name, k -> classes.size());
    }
    Collection<List<Integer>> groups = TextGroups.of(dataset);
    if (groups.size() < count) {
      throw new InputException(
          String.format(
              "%s has %s: too few for %d folds",
              dataset.source(), Count.many(groups.size(), "different text"), count));
    }
    for (List<Integer> group : groups) {
      String name = stratum.apply(dataset.get(group.get(0)));
      folds.textsOfClass.merge(name == null ? "" : name, 1, Integer::sum);
    }
    List<List<Integer>> order = shuffled(groups, seed);
    order.sort(Comparator.comparingInt((List<Integer> group) -> -group.size())); // stable
    folds.place(order, classOf, new double[classes.size()], count);
    return folds;
  }

  private static List<List<Integer>> shuffled(Iterable<List<Integer>> groups, long seed) {
    List<List<Integer>> shuffled = new ArrayList<>();
    groups.forEach(shuffled::add);
    long stream = RandomStream.FOLDS.of(0);
    for (int i = shuffled.size() - 1; i > 0; i--) {
      long u = Philox.bits64(seed, stream, i);
      int j = (int) (Math.multiplyHigh(u, i + 1L) + (u < 0 ? i + 1L : 0));
      List<Integer> kept = shuffled.get(i);
      shuffled.set(i, shuffled.get(j));
      shuffled.set(j, kept);
    }
    return shuffled;
  }

  private void place(List<List<Integer>> order, int[] classOf, double[] classSizes, int count) {
    for (int each : classOf) {
      classSizes[each]++;
    }
    int[][] has = new int[count][classSizes.length];
    int[] sizes = new int[count];
    for (List<Integer> group : order) {
      int best = 0;
      double least = Double.POSITIVE_INFINITY;
      for (int fold = 0; fold < count; fold++) {
        // How much more unevenly the group's classes lie then: the growth of sums of squares.
        double growth = 0;
        for (int i : group) {
          growth += has[fold][classOf[i]]++ / classSizes[classOf[i]];
        }
        for (int i : group) {
          has[fold][classOf[i]]--;
        }
        if (growth < least || growth == least && sizes[fold] < sizes[best]) {
          least = growth;
          best = fold;
        }
      }
      for (int i : group) {
        has[best][classOf[i]]++;
        foldOf[i] = best;
      }
      sizes[best] += group.size();
    }
  }

  /** The examples of a fold, or all others, in file order. */
  public Dataset examples(int fold, boolean others) {
    List<Example> chosen = new ArrayList<>();
    for (int i = 0; i < foldOf.length; i++) {
      if ((foldOf[i] == fold) != others) {
        chosen.add(dataset.get(i));
      }
    }
    return dataset.withExamples(chosen);
  }

  /** The fold of each example, in their order. */
  int[] foldOf() {
    return Arrays.copyOf(foldOf, foldOf.length);
  }

  /** Classes with fewer texts than folds, which some folds lack; each with that number. */
  public Map<String, Integer> classesThatFoldsLack(int count) {
    Map<String, Integer> few = new TreeMap<>(textsOfClass);
    few.values().removeIf(texts -> texts >= count);
    return few;
  }
}
