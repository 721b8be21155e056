import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Checks the example summaries: the JSON lines and their frame, the lengths of clauses and
 * summaries, that no two resemble each other, and that no summary copies its clause.
 *
 * <p>Run: {@code java tools/CheckSummaries.java examples/legal-summaries}. Prints a short table.
 * Each failure is one line that starts with a file and a row, and the exit status is then 1.
 */
public final class CheckSummaries {
  private static final List<String> FILES = List.of("train.jsonl", "validation.jsonl", "test.jsonl");
  private static final int FEWEST_ROWS = 130;
  private static final int[] CLAUSE_WORDS = {40, 120};
  private static final int[] SUMMARY_WORDS = {15, 45};
  private static final double LARGEST_SHARE = 0.75; // words of a summary to those of its clause
  private static final double OVERLAP = 0.12; // of word triples, shared over all
  private static final int COPIED_WORDS = 10;
  private static final int OPENING_WORDS = 3;
  private static final int OPENING_USES = 2;

  private static final Pattern LINE =
      Pattern.compile(
          "\\{\"prompt\": \"Clause: ((?:[^\"\\\\]|\\\\.)*)\\\\n\\\\nIn plain language:\","
              + " \"completion\": \" ((?:[^\"\\\\]|\\\\.)*)\"\\}");
  private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}]+(?:['’][\\p{L}\\p{N}]+)*");

  private final List<Row> rows = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();

  private CheckSummaries() {}

  private record Row(String place, List<String> clause, List<String> summary) {}

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/CheckSummaries.java FOLDER");
      System.exit(2);
    }
    CheckSummaries check = new CheckSummaries();
    check.run(Path.of(args[0]));
    check.failures.forEach(System.out::println);
    if (!check.failures.isEmpty()) {
      System.out.println(check.failures.size() + " failure(s)");
      System.exit(1);
    }
    System.out.println("all checks passed");
  }

  private void run(Path folder) throws IOException {
    System.out.printf("%-18s%6s%24s%24s%n", "file", "rows", "clause words (mean)", "summary words (mean)");
    for (String file : FILES) {
      int first = rows.size();
      List<String> lines = Files.readAllLines(folder.resolve(file)); // strict UTF-8
      for (int i = 0; i < lines.size(); i++) {
        read(file + " row " + (i + 1), lines.get(i));
      }
      List<Row> part = rows.subList(first, rows.size());
      System.out.printf(
          "%-18s%6d%24s%24s%n", file, part.size(), range(part, Row::clause), range(part, Row::summary));
    }
    if (rows.size() < FEWEST_ROWS) {
      failures.add(FILES.get(0) + " row 1: fewer than " + FEWEST_ROWS + " rows in all");
    }
    rows.forEach(this::single);
    resemblances("clause", Row::clause);
    resemblances("summary", Row::summary);
    openings("clause", Row::clause);
    openings("summary", Row::summary);
  }

  private static String range(List<Row> part, Function<Row, List<String>> side) {
    var words = part.stream().mapToInt(row -> side.apply(row).size()).summaryStatistics();
    return String.format(
        Locale.ROOT, "%d..%d (%.1f)", words.getMin(), words.getMax(), words.getAverage());
  }

  private void read(String place, String line) {
    Matcher matcher = LINE.matcher(line);
    if (!matcher.matches()) {
      failures.add(place + ": not {\"prompt\": \"Clause: ...\", \"completion\": \" ...\"}");
      return;
    }
    for (int side = 1; side <= 2; side++) {
      String text = matcher.group(side).replace("\\\"", "\"");
      if (text.indexOf('\\') >= 0 || text.contains("  ") || !text.equals(text.strip())) {
        failures.add(place + ": an escape or a stray space");
      }
      if (!text.endsWith(".")) {
        failures.add(place + ": a text does not end in a full stop");
      }
    }
    rows.add(new Row(place, words(matcher.group(1)), words(matcher.group(2))));
  }

  private static List<String> words(String text) {
    List<String> out = new ArrayList<>();
    Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
    while (matcher.find()) {
      out.add(matcher.group());
    }
    return out;
  }

  private void single(Row row) {
    length(row.place() + ": clause", row.clause().size(), CLAUSE_WORDS);
    length(row.place() + ": summary", row.summary().size(), SUMMARY_WORDS);
    if (row.summary().size() > LARGEST_SHARE * row.clause().size()) {
      failures.add(row.place() + ": the summary is hardly shorter than the clause");
    }
    Set<List<String>> copied = runs(row.clause(), COPIED_WORDS);
    copied.retainAll(runs(row.summary(), COPIED_WORDS));
    copied.forEach(run -> failures.add(row.place() + ": copies \"" + String.join(" ", run) + '"'));
  }

  private void length(String what, int words, int[] bounds) {
    if (words < bounds[0] || words > bounds[1]) {
      failures.add(what + " of " + words + " words, not " + bounds[0] + ".." + bounds[1]);
    }
  }

  private static Set<List<String>> runs(List<String> words, int length) {
    Set<List<String>> out = new HashSet<>();
    for (int i = 0; i + length <= words.size(); i++) {
      out.add(words.subList(i, i + length));
    }
    return out;
  }

  private void resemblances(String what, Function<Row, List<String>> side) {
    List<Set<List<String>>> triples = rows.stream().map(row -> runs(side.apply(row), 3)).toList();
    double most = 0;
    for (int i = 0; i < rows.size(); i++) {
      for (int j = 0; j < i; j++) {
        Set<List<String>> shared = new HashSet<>(triples.get(i));
        shared.retainAll(triples.get(j));
        double all = triples.get(i).size() + triples.get(j).size() - shared.size();
        double share = shared.size() / Math.max(1, all);
        most = Math.max(most, share);
        if (share > OVERLAP) {
          failures.add(
              String.format(
                  Locale.ROOT,
                  "%s: %s shares %.2f of its word triples with %s",
                  rows.get(i).place(), what, share, rows.get(j).place()));
        }
      }
    }
    System.out.printf(Locale.ROOT, "most alike %s: %.3f of word triples%n", what, most);
  }

  private void openings(String what, Function<Row, List<String>> side) {
    Map<List<String>, Integer> uses = new HashMap<>();
    for (Row row : rows) {
      List<String> opening = side.apply(row).subList(0, Math.min(OPENING_WORDS, side.apply(row).size()));
      if (uses.merge(opening, 1, Integer::sum) > OPENING_USES) {
        failures.add(row.place() + ": another " + what + " begins with " + String.join(" ", opening));
      }
    }
  }
}
