package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How well the cosines of texts' vectors tell what is alike, as sentence-transformers' evaluators
 * measure it. Of pairs with a score: the correlations of cosine and score. Of pairs and triplets:
 * how the positives of each anchor rank among all texts that are not anchors, where equal texts are
 * one; and of triplets how often the positive is nearer than a negative.
 *
 * <p>Keeps every vector, for ranks need them all.
 */
public final class SimilarityMetrics implements Metrics {
  private static final int[] RECALLS = {1, 5, 10};
  private static final int DEPTH = 10;

  private final int columns;
  private final RegressionMetrics scores; // null where there are none
  private final Map<String, Integer> queries = new LinkedHashMap<>();
  private final Map<String, Integer> documents = new LinkedHashMap<>();
  private final List<float[]> queryVectors = new ArrayList<>();
  private final List<float[]> documentVectors = new ArrayList<>();
  private final List<Set<Integer>> relevant = new ArrayList<>();
  private long rows;
  private long triplets;
  private long right;

  /**
   * @param columns texts of a row: an anchor, a positive, negatives
   * @param scored whether rows are two texts with a score
   */
  public SimilarityMetrics(int columns, boolean scored) {
    this.columns = columns;
    this.scores = scored ? new RegressionMetrics() : null;
  }

  /** The names of {@link #values}, in their order. */
  public static List<String> names(int columns, boolean scored) {
    if (scored) {
      return List.of("spearman", "pearson");
    }
    List<String> names = new ArrayList<>();
    if (columns > 2) {
      names.add("accuracy");
    }
    for (int k : RECALLS) {
      names.add("recall@" + k);
    }
    names.add("mrr@" + DEPTH);
    names.add("ndcg@" + DEPTH);
    return names;
  }

  /**
   * Adds a row.
   *
   * @param texts (columns)
   * @param vectors (columns,C), which become unit vectors
   * @param score of scored rows
   */
  public void add(List<String> texts, float[][] vectors, float score) {
    for (float[] vector : vectors) {
      makeUnit(vector);
    }
    rows++;
    double near = dot(vectors[0], vectors[1]);
    if (scores != null) {
      scores.add(score, near);
      return;
    }
    for (int negative = 2; negative < columns; negative++) {
      triplets++;
      right += near > dot(vectors[0], vectors[negative]) ? 1 : 0;
    }
    Integer query = queries.putIfAbsent(texts.get(0), queryVectors.size());
    if (query == null) {
      query = queryVectors.size();
      queryVectors.add(vectors[0]);
      relevant.add(new LinkedHashSet<>());
    }
    for (int column = 1; column < columns; column++) {
      Integer document = documents.putIfAbsent(texts.get(column), documentVectors.size());
      if (document == null) {
        document = documentVectors.size();
        documentVectors.add(vectors[column]);
      }
      if (column == 1) {
        relevant.get(query).add(document);
      }
    }
  }

  /** To length 1, as torch.nn.functional.normalize does. */
  public static void makeUnit(float[] vector) {
    double sum = 0;
    for (float value : vector) {
      sum += (double) value * value;
    }
    float length = (float) Math.max(Math.sqrt(sum), 1e-12);
    for (int i = 0; i < vector.length; i++) {
      vector[i] /= length;
    }
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  @Override
  public long count() {
    return rows;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(rows > 0, "no rows were counted");
    LinkedHashMap<String, Double> values = new LinkedHashMap<>();
    if (scores != null) {
      Map<String, Double> of = scores.values();
      values.put("spearman", of.get("spearman"));
      values.put("pearson", of.get("pearson"));
      return values;
    }
    if (columns > 2) {
      values.put("accuracy", (double) right / triplets);
    }
    rank(values);
    return values;
  }

  private void rank(Map<String, Double> values) {
    double[] recalls = new double[RECALLS.length];
    double reciprocal = 0;
    double gain = 0;
    float[][] byColumn = transposed();
    float[] cosines = new float[documentVectors.size()];
    for (int query = 0; query < queryVectors.size(); query++) {
      cosines(cosines, queryVectors.get(query), byColumn);
      int[] ranks =
          relevant.get(query).stream().mapToInt(document -> place(cosines, document)).toArray();
      Arrays.sort(ranks);
      for (int i = 0; i < recalls.length; i++) {
        int most = RECALLS[i];
        recalls[i] +=
            (double) Arrays.stream(ranks).filter(rank -> rank <= most).count() / ranks.length;
      }
      reciprocal += ranks[0] <= DEPTH ? 1.0 / ranks[0] : 0;
      double found = 0;
      double best = 0;
      for (int i = 0; i < ranks.length; i++) {
        found += ranks[i] <= DEPTH ? discount(ranks[i]) : 0;
        best += i < DEPTH ? discount(i + 1) : 0;
      }
      gain += found / best;
    }
    int count = queryVectors.size();
    for (int i = 0; i < recalls.length; i++) {
      values.put("recall@" + RECALLS[i], recalls[i] / count);
    }
    values.put("mrr@" + DEPTH, reciprocal / count);
    values.put("ndcg@" + DEPTH, gain / count);
  }

  private static double discount(int rank) {
    return Math.log(2) / Math.log(rank + 1.0);
  }

  /** The documents' vectors by their columns, so that the sums below run over neighbours. */
  private float[][] transposed() {
    float[][] byColumn = new float[documentVectors.get(0).length][documentVectors.size()];
    for (int document = 0; document < documentVectors.size(); document++) {
      float[] vector = documentVectors.get(document);
      for (int c = 0; c < vector.length; c++) {
        byColumn[c][document] = vector[c];
      }
    }
    return byColumn;
  }

  private static void cosines(float[] cosines, float[] query, float[][] byColumn) {
    Arrays.fill(cosines, 0f);
    for (int c = 0; c < query.length; c++) {
      float factor = query[c];
      float[] column = byColumn[c];
      for (int document = 0; document < cosines.length; document++) {
        cosines[document] += factor * column[document];
      }
    }
  }

  /** From 1; of equals the earlier one comes first. */
  private static int place(float[] cosines, int document) {
    float own = cosines[document];
    int place = 1;
    for (int i = 0; i < cosines.length; i++) {
      place += cosines[i] > own || cosines[i] == own && i < document ? 1 : 0;
    }
    return place;
  }
}
