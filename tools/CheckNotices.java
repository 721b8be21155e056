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
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Checks the example notices, or the example contracts: that each answer stands where it is said to and only there, how many
 * questions have none, lengths, and that no notice is there twice. Then measures two baselines on
 * the test file, by the rules of SQuAD 2.0.
 *
 * <p>Run: {@code java tools/CheckNotices.java examples/notices}, or {@code examples/contracts}. Each failure is one line that
 * starts with a file and a question, and the exit status is then 1.
 */
public final class CheckNotices {
  private static final List<String> FILES = List.of("train.json", "validation.json", "test.json");
  private static final Pattern CONTEXT = Pattern.compile("\"context\": \"([^\"\\\\]*)\"");
  private static final Pattern QUESTION =
      Pattern.compile(
          "\\{\"id\": \"([^\"]*)\", \"question\": \"([^\"\\\\]*)\", \"answers\": \\[(?:\\{\"text\":"
              + " \"([^\"\\\\]*)\", \"answer_start\": (\\d+)})?], \"is_impossible\": (true|false)}");
  private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}']+");
  private static final int[] WORDS = {15, 140};

  private final List<String> failures = new ArrayList<>();

  private CheckNotices() {}

  /** A question; the answer is null where there is none. */
  private record Row(String place, String context, String question, String answer) {}

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/CheckNotices.java FOLDER");
      System.exit(2);
    }
    CheckNotices check = new CheckNotices();
    check.run(Path.of(args[0]));
    check.failures.forEach(System.out::println);
    System.exit(check.failures.isEmpty() ? 0 : 1);
  }

  private void run(Path folder) throws IOException {
    Map<String, List<Row>> files = new LinkedHashMap<>();
    Set<String> contexts = new HashSet<>();
    for (String file : FILES) {
      files.put(file, read(file, Files.readString(folder.resolve(file)), contexts));
    }
    Set<String> asked = new HashSet<>();
    Set<String> answers = new HashSet<>();
    files.get(FILES.get(0)).forEach(row -> asked.add(row.question()));
    files.get(FILES.get(0)).forEach(row -> answers.add(row.answer()));
    List<Row> test = files.get(FILES.get(2));
    System.out.printf(
        Locale.ROOT,
        "test: %.0f %% of the questions are worded as in the training file, %.0f %% of the answers"
            + " occur there%n",
        100.0 * test.stream().filter(row -> asked.contains(row.question())).count() / test.size(),
        100.0
            * test.stream().filter(r -> r.answer() != null && answers.contains(r.answer())).count()
            / test.stream().filter(r -> r.answer() != null).count());
    System.out.println("\ntest                                              exact match     F1");
    score("always no answer", test, row -> "");
    score("the sentence with most words of the question", test, CheckNotices::sentence);
  }

  private List<Row> read(String file, String text, Set<String> contexts) {
    List<Row> rows = new ArrayList<>();
    int without = 0;
    int notices = 0;
    for (String line : text.split("(?=\"context\": )")) {
      Matcher context = CONTEXT.matcher(line);
      if (!context.lookingAt()) {
        continue;
      }
      notices++;
      if (!contexts.add(context.group(1))) {
        failures.add(file + " text " + notices + ": there twice");
      }
      int words = words(context.group(1)).size();
      if (words < WORDS[0] || words > WORDS[1]) {
        failures.add(file + " text " + notices + ": " + words + " words");
      }
      Matcher matcher = QUESTION.matcher(line);
      while (matcher.find()) {
        Row row = new Row(file + " " + matcher.group(1), context.group(1), matcher.group(2), matcher.group(3));
        rows.add(row);
        without += row.answer() == null ? 1 : 0;
        if (matcher.group(5).equals("true") != (row.answer() == null)) {
          failures.add(row.place() + ": is_impossible is wrong");
        } else if (row.answer() != null) {
          int start = Integer.parseInt(matcher.group(4));
          if (!row.context().startsWith(row.answer(), start)) {
            failures.add(row.place() + ": the answer does not stand at " + start);
          } else if (row.context().indexOf(row.answer()) != row.context().lastIndexOf(row.answer())) {
            failures.add(row.place() + ": the answer stands there more than once");
          }
        }
      }
    }
    int asked = text.split("\"question\": ", -1).length - 1;
    if (asked != rows.size()) {
      failures.add(file + " 0: " + rows.size() + " of " + asked + " questions could be read");
    }
    System.out.printf(
        Locale.ROOT,
        "%-16s %3d texts, %3d questions, %3d without answer%n",
        file,
        notices,
        rows.size(),
        without);
    return rows;
  }

  private static List<String> words(String text) {
    List<String> out = new ArrayList<>();
    Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT));
    while (matcher.find()) {
      out.add(matcher.group());
    }
    return out;
  }

  private static String sentence(Row row) {
    Set<String> asked = new HashSet<>(words(row.question()));
    String best = "";
    long most = -1;
    for (String sentence : row.context().split("(?<=\\.) ")) {
      long shared = words(sentence).stream().distinct().filter(asked::contains).count();
      if (shared > most) {
        most = shared;
        best = sentence;
      }
    }
    return best;
  }

  private static void score(String name, List<Row> test, Function<Row, String> guess) {
    double exact = 0;
    double f1 = 0;
    for (Row row : test) {
      List<String> gold = normalised(row.answer() == null ? "" : row.answer());
      List<String> given = normalised(guess.apply(row));
      exact += gold.equals(given) ? 1 : 0;
      f1 += f1(gold, given);
    }
    System.out.printf(
        Locale.ROOT, "%-48s  %9.1f  %7.1f%n", name, 100 * exact / test.size(), 100 * f1 / test.size());
  }

  private static List<String> normalised(String text) {
    String kept = text.toLowerCase(Locale.ROOT).replaceAll("\\p{Punct}", "").replaceAll("\\b(a|an|the)\\b", " ");
    return kept.isBlank() ? List.of() : List.of(kept.strip().split("\\s+"));
  }

  private static double f1(List<String> gold, List<String> given) {
    if (gold.isEmpty() || given.isEmpty()) {
      return gold.equals(given) ? 1 : 0;
    }
    Map<String, Integer> left = new HashMap<>();
    gold.forEach(word -> left.merge(word, 1, Integer::sum));
    long shared = given.stream().filter(word -> left.merge(word, -1, Integer::sum) >= 0).count();
    return 2.0 * shared / (gold.size() + given.size());
  }
}
