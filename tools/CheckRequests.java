import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Checks the example requests: the lines, the balance of the labels, lengths, that no text is there
 * twice, and that no sentence that decides a label is in two of the files. Then measures two
 * baselines on the test file.
 *
 * <p>Run: {@code java tools/CheckRequests.java examples/requests}. Each failure is one line that
 * starts with a file and a row, and the exit status is then 1.
 */
public final class CheckRequests {
  private static final List<String> FILES =
      List.of("train.jsonl", "validation.jsonl", "test.jsonl");
  private static final Pattern LINE =
      Pattern.compile("\\{\"text\": \"((?:[^\"\\\\]|\\\\\")*)\", \"labels\": \\[(.*)]}");
  private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}']+");
  private static final int LABELS = 8;
  private static final int MOST_LABELS = 3;
  private static final int MOST_WORDS = 80;
  private static final double SMALLEST_SHARE = 0.1;

  private final List<String> failures = new ArrayList<>();

  private CheckRequests() {}

  private record Row(String file, int line, String text, Set<String> labels) {
    String place() {
      return file + " row " + line;
    }

    Set<String> words() {
      return CheckRequests.words(text);
    }
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/CheckRequests.java FOLDER");
      System.exit(2);
    }
    CheckRequests check = new CheckRequests();
    check.run(Path.of(args[0]));
    check.failures.forEach(System.out::println);
    System.exit(check.failures.isEmpty() ? 0 : 1);
  }

  private void run(Path folder) throws IOException {
    Map<String, List<Row>> files = new LinkedHashMap<>();
    for (String file : FILES) {
      List<Row> rows = read(folder.resolve(file), file);
      files.put(file, rows);
      Map<String, Integer> counts = new TreeMap<>();
      rows.forEach(row -> row.labels().forEach(label -> counts.merge(label, 1, Integer::sum)));
      double words = rows.stream().mapToInt(row -> count(row.text())).average().orElse(0);
      System.out.printf(Locale.ROOT, "%-16s %3d rows, %.1f words, %s%n", file, rows.size(), words, counts);
      if (counts.size() != LABELS) {
        failures.add(file + " row 1: " + counts.size() + " labels instead of " + LABELS);
      }
      counts.forEach(
          (label, count) -> {
            if (count < SMALLEST_SHARE * rows.size()) {
              failures.add(file + " row 1: few rows have " + label);
            }
          });
    }
    twice(files);
    List<Row> train = files.get(FILES.get(0));
    List<Row> test = files.get(FILES.get(2));
    System.out.println("\ntest                                        micro-F1  macro-F1  rows right");
    Set<String> frequent = frequent(train);
    score("always " + String.join(", ", frequent), test, row -> frequent);
    score("labels of the training text most alike", test, row -> nearest(train, row).labels());
  }

  private List<Row> read(Path path, String file) throws IOException {
    List<Row> rows = new ArrayList<>();
    int line = 0;
    for (String text : Files.readAllLines(path)) {
      Matcher matcher = LINE.matcher(text);
      line++;
      if (!matcher.matches()) {
        failures.add(file + " row " + line + ": not {\"text\": ..., \"labels\": [...]}");
        continue;
      }
      Set<String> labels = new TreeSet<>();
      for (String label : matcher.group(2).split(", ")) {
        if (!label.isEmpty() && !labels.add(label.substring(1, label.length() - 1))) {
          failures.add(file + " row " + line + ": a label twice");
        }
      }
      Row row = new Row(file, line, matcher.group(1).replace("\\\"", "\""), labels);
      if (labels.size() > MOST_LABELS || count(row.text()) > MOST_WORDS || count(row.text()) < 3) {
        failures.add(row.place() + ": " + labels.size() + " labels, " + count(row.text()) + " words");
      }
      rows.add(row);
    }
    return rows;
  }

  private static int count(String text) {
    Matcher matcher = WORD.matcher(text);
    int count = 0;
    while (matcher.find()) {
      count++;
    }
    return count;
  }

  private static Set<String> words(String text) {
    Set<String> out = new HashSet<>();
    Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
    while (matcher.find()) {
      out.add(matcher.group());
    }
    return out;
  }

  /** Texts that are there twice, and sentences of several files that always come with a label. */
  private void twice(Map<String, List<Row>> files) {
    Map<String, Row> texts = new HashMap<>();
    Map<String, Set<String>> homes = new HashMap<>();
    Map<String, Set<String>> meanings = new HashMap<>();
    for (List<Row> rows : files.values()) {
      for (Row row : rows) {
        Row earlier = texts.putIfAbsent(row.text(), row);
        if (earlier != null) {
          failures.add(row.place() + ": the text of " + earlier.place());
        }
        for (String sentence : row.text().toLowerCase(Locale.ROOT).split("(?<=[.?!:,]) ")) {
          homes.computeIfAbsent(sentence, s -> new TreeSet<>()).add(row.file());
          meanings.computeIfAbsent(sentence, s -> new TreeSet<>(row.labels())).retainAll(row.labels());
        }
      }
    }
    meanings.forEach(
        (sentence, labels) -> {
          if (!labels.isEmpty() && homes.get(sentence).size() > 1 && count(sentence) > 3) {
            failures.add(homes.get(sentence) + " row 1: \"" + sentence + "\" gives away " + labels);
          }
        });
  }

  /** The labels that, always given, have the best micro-F1 on the training file. */
  private static Set<String> frequent(List<Row> train) {
    Map<String, Integer> counts = new TreeMap<>();
    train.forEach(row -> row.labels().forEach(label -> counts.merge(label, 1, Integer::sum)));
    List<String> sorted =
        counts.keySet().stream().sorted((a, b) -> counts.get(b) - counts.get(a)).toList();
    Set<String> best = Set.of();
    for (int count = 1; count <= sorted.size(); count++) {
      Set<String> given = new TreeSet<>(sorted.subList(0, count));
      best = microF1(train, row -> given) > microF1(train, fixed(best)) ? given : best;
    }
    return best;
  }

  private static Function<Row, Set<String>> fixed(Set<String> labels) {
    return row -> labels;
  }

  private static Row nearest(List<Row> train, Row row) {
    Row best = train.get(0);
    double most = -1;
    for (Row other : train) {
      Set<String> shared = other.words();
      int size = shared.size();
      shared.retainAll(row.words());
      double alike = (double) shared.size() / (size + row.words().size() - shared.size());
      if (alike > most) {
        most = alike;
        best = other;
      }
    }
    return best;
  }

  private static double microF1(List<Row> rows, Function<Row, Set<String>> guess) {
    long right = 0;
    long all = 0;
    for (Row row : rows) {
      Set<String> given = guess.apply(row);
      right += given.stream().filter(row.labels()::contains).count();
      all += given.size() + row.labels().size();
    }
    return 2.0 * right / all;
  }

  private static void score(String name, List<Row> test, Function<Row, Set<String>> guess) {
    Map<String, int[]> counts = new TreeMap<>(); // right, given and held
    int whole = 0;
    for (Row row : test) {
      Set<String> given = guess.apply(row);
      whole += given.equals(row.labels()) ? 1 : 0;
      for (String label : given) {
        counts.computeIfAbsent(label, l -> new int[2])[1]++;
        counts.get(label)[0] += row.labels().contains(label) ? 1 : 0;
      }
      row.labels().forEach(label -> counts.computeIfAbsent(label, l -> new int[2])[1]++);
    }
    double macro =
        counts.values().stream().collect(Collectors.averagingDouble(c -> 2.0 * c[0] / c[1]));
    System.out.printf(
        Locale.ROOT,
        "%-42s  %8.3f  %8.3f  %8.1f %%%n",
        name.length() > 42 ? name.substring(0, 41) + "…" : name,
        microF1(test, guess),
        macro,
        100.0 * whole / test.size());
  }
}
