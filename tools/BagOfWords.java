import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Two simple baselines for a text classification folder: the majority guess, and multinomial
 * logistic regression on word and word-pair counts. Of Chinese, which writes no spaces, each
 * character counts as a word.
 *
 * <p>Run: {@code java tools/BagOfWords.java examples/reviews}. The folder holds {@code train.csv},
 * {@code validation.csv} and {@code test.csv} with the header {@code text,label}. The L2 strength
 * is the one with the best validation macro-F1; the test file is read once, for the model chosen.
 * There is no randomness: the weights start at zero and each step uses every row.
 */
public final class BagOfWords {
  private static final Pattern WORD =
      Pattern.compile("\\p{IsHan}|[\\p{L}\\p{N}'&&[^\\p{IsHan}]]+|[!?！？]");
  private static final double[] STRENGTHS = {0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3};
  private static final int STEPS = 2000;

  private BagOfWords() {}

  private record Row(String text, String label) {}

  /** The features of one row: the columns present and how often each occurs. */
  private record Counts(int[] columns, double[] values) {}

  private record Score(double accuracy, double macroF1) {}

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/BagOfWords.java FOLDER");
      System.exit(2);
    }
    Path folder = Path.of(args[0]);
    List<Row> train = read(folder.resolve("train.csv"));
    List<Row> validation = read(folder.resolve("validation.csv"));
    List<Row> test = read(folder.resolve("test.csv"));

    TreeSet<String> names = new TreeSet<>();
    train.forEach(row -> names.add(row.label()));
    List<String> labels = new ArrayList<>(names);
    Map<String, Integer> columns = vocabulary(train);
    Counts[] trainRows = counts(train, columns);
    Counts[] validationRows = counts(validation, columns);
    int[] trainLabels = labels(train, labels);
    int[] validationLabels = labels(validation, labels);
    int[] testLabels = labels(test, labels);

    System.out.printf(
        Locale.ROOT,
        "%d train, %d validation, %d test rows; %d features%n%n",
        train.size(),
        validation.size(),
        test.size(),
        columns.size());

    System.out.println("L2 strength   validation accuracy   validation macro-F1");
    double[][] best = null;
    double bestStrength = 0;
    Score bestScore = new Score(-1, -1);
    for (double strength : STRENGTHS) {
      double[][] weights = fit(trainRows, trainLabels, labels.size(), columns.size(), strength);
      Score score = score(predict(weights, validationRows), validationLabels, labels.size());
      System.out.printf(
          Locale.ROOT, "%11s   %19s   %19.3f%n", strength, percent(score), score.macroF1());
      if (score.macroF1() > bestScore.macroF1()) {
        bestScore = score;
        best = weights;
        bestStrength = strength;
      }
    }

    int[] sizes = new int[labels.size()];
    for (int label : trainLabels) {
      sizes[label]++;
    }
    int largest = 0;
    for (int k = 1; k < sizes.length; k++) {
      if (sizes[k] > sizes[largest]) {
        largest = k;
      }
    }
    int[] majority = new int[test.size()];
    Arrays.fill(majority, largest);
    int[] predicted = predict(best, counts(test, columns));
    Score majorityScore = score(majority, testLabels, labels.size());
    Score bagScore = score(predicted, testLabels, labels.size());

    System.out.println();
    System.out.println("test                         accuracy   macro-F1");
    printScore("majority (" + labels.get(largest) + ")", majorityScore);
    printScore("bag of words (L2 " + bestStrength + ")", bagScore);

    System.out.println();
    System.out.print("true \\ predicted");
    labels.forEach(name -> System.out.printf("%10s", name));
    System.out.println();
    int[][] table = new int[labels.size()][labels.size()];
    for (int i = 0; i < predicted.length; i++) {
      table[testLabels[i]][predicted[i]]++;
    }
    for (int k = 0; k < table.length; k++) {
      System.out.printf("%-16s", labels.get(k));
      for (int count : table[k]) {
        System.out.printf("%10d", count);
      }
      System.out.println();
    }
  }

  private static void printScore(String name, Score score) {
    System.out.printf(Locale.ROOT, "%-27s  %8s   %8.3f%n", name, percent(score), score.macroF1());
  }

  private static String percent(Score score) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * score.accuracy());
  }

  /** Words and pairs of neighbouring words, lower case; "!" and "?" count as words. */
  private static List<String> features(String text) {
    List<String> words = new ArrayList<>();
    Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
    while (matcher.find()) {
      words.add(matcher.group());
    }
    List<String> all = new ArrayList<>(words);
    for (int i = 1; i < words.size(); i++) {
      all.add(words.get(i - 1) + " " + words.get(i));
    }
    return all;
  }

  /** Every feature of the training rows; column 0 is the constant. */
  private static Map<String, Integer> vocabulary(List<Row> rows) {
    Map<String, Integer> columns = new HashMap<>();
    columns.put("", 0);
    for (Row row : rows) {
      for (String feature : features(row.text())) {
        columns.putIfAbsent(feature, columns.size());
      }
    }
    return columns;
  }

  private static Counts[] counts(List<Row> rows, Map<String, Integer> columns) {
    Counts[] all = new Counts[rows.size()];
    for (int i = 0; i < all.length; i++) {
      TreeMap<Integer, Double> found = new TreeMap<>();
      found.put(0, 1.0);
      for (String feature : features(rows.get(i).text())) {
        Integer column = columns.get(feature);
        if (column != null) {
          found.merge(column, 1.0, Double::sum);
        }
      }
      all[i] =
          new Counts(
              found.keySet().stream().mapToInt(Integer::intValue).toArray(),
              found.values().stream().mapToDouble(Double::doubleValue).toArray());
    }
    return all;
  }

  private static int[] labels(List<Row> rows, List<String> labels) {
    return rows.stream().mapToInt(row -> labels.indexOf(row.label())).toArray();
  }

  /**
   * Minimises mean cross-entropy plus {@code strength / 2} times the squared weights (the constant
   * excepted) with Nesterov's accelerated gradient, restarted when the loss rises.
   */
  private static double[][] fit(
      Counts[] rows, int[] labels, int classes, int width, double strength) {
    double norm = 0;
    for (Counts row : rows) {
      double square = 0;
      for (double value : row.values()) {
        square += value * value;
      }
      norm += square;
    }
    // The loss curves by at most half the mean squared row length, plus the penalty.
    double step = 1 / (norm / rows.length / 2 + strength);
    double[][] weights = new double[classes][width];
    double[][] ahead = new double[classes][width];
    double momentum = 1;
    double previous = Double.POSITIVE_INFINITY;
    for (int iteration = 0; iteration < STEPS; iteration++) {
      double[][] gradient = new double[classes][width];
      double loss = 0;
      for (int i = 0; i < rows.length; i++) {
        double[] chances = softmax(logits(ahead, rows[i]));
        loss -= Math.log(Math.max(chances[labels[i]], 1e-300)) / rows.length;
        for (int k = 0; k < classes; k++) {
          double error = (chances[k] - (k == labels[i] ? 1 : 0)) / rows.length;
          for (int j = 0; j < rows[i].columns().length; j++) {
            gradient[k][rows[i].columns()[j]] += error * rows[i].values()[j];
          }
        }
      }
      for (int k = 0; k < classes; k++) {
        for (int j = 1; j < width; j++) {
          loss += strength / 2 * ahead[k][j] * ahead[k][j];
          gradient[k][j] += strength * ahead[k][j];
        }
      }
      if (loss > previous) {
        momentum = 1;
      }
      previous = loss;
      double next = (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2;
      double carry = (momentum - 1) / next;
      momentum = next;
      for (int k = 0; k < classes; k++) {
        for (int j = 0; j < width; j++) {
          double moved = ahead[k][j] - step * gradient[k][j];
          ahead[k][j] = moved + carry * (moved - weights[k][j]);
          weights[k][j] = moved;
        }
      }
    }
    return weights;
  }

  private static double[] logits(double[][] weights, Counts row) {
    double[] sums = new double[weights.length];
    for (int k = 0; k < sums.length; k++) {
      for (int j = 0; j < row.columns().length; j++) {
        sums[k] += weights[k][row.columns()[j]] * row.values()[j];
      }
    }
    return sums;
  }

  private static double[] softmax(double[] logits) {
    double top = Arrays.stream(logits).max().orElseThrow();
    double total = 0;
    double[] chances = new double[logits.length];
    for (int k = 0; k < logits.length; k++) {
      chances[k] = Math.exp(logits[k] - top);
      total += chances[k];
    }
    for (int k = 0; k < logits.length; k++) {
      chances[k] /= total;
    }
    return chances;
  }

  private static int[] predict(double[][] weights, Counts[] rows) {
    int[] predicted = new int[rows.length];
    for (int i = 0; i < rows.length; i++) {
      double[] sums = logits(weights, rows[i]);
      for (int k = 1; k < sums.length; k++) {
        if (sums[k] > sums[predicted[i]]) {
          predicted[i] = k;
        }
      }
    }
    return predicted;
  }

  private static Score score(int[] predicted, int[] truth, int classes) {
    int right = 0;
    int[] hits = new int[classes];
    int[] guessed = new int[classes];
    int[] present = new int[classes];
    for (int i = 0; i < truth.length; i++) {
      guessed[predicted[i]]++;
      present[truth[i]]++;
      if (predicted[i] == truth[i]) {
        right++;
        hits[truth[i]]++;
      }
    }
    double f1 = 0;
    for (int k = 0; k < classes; k++) {
      int both = guessed[k] + present[k];
      f1 += both == 0 ? 0 : 2.0 * hits[k] / both / classes;
    }
    return new Score((double) right / truth.length, f1);
  }

  /** Reads a CSV file that {@code CheckReviews} accepts: a header, then two fields a record. */
  private static List<Row> read(Path file) throws IOException {
    String all = Files.readString(file, StandardCharsets.UTF_8);
    List<Row> rows = new ArrayList<>();
    List<String> fields = new ArrayList<>();
    StringBuilder field = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < all.length(); i++) {
      char c = all.charAt(i);
      if (quoted && c == '"' && i + 1 < all.length() && all.charAt(i + 1) == '"') {
        field.append(c);
        i++;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && (c == ',' || c == '\n')) {
        fields.add(field.toString());
        field.setLength(0);
        if (c == '\n') {
          rows.add(new Row(fields.get(0), fields.get(1)));
          fields.clear();
        }
      } else if (quoted || c != '\r') {
        field.append(c);
      }
    }
    rows.remove(0);
    return rows;
  }
}
