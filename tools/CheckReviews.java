import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Checks the example reviews: the CSV itself, the size and balance of each file, the length of each
 * review, and that no two reviews are copies of each other, in words or in pattern.
 *
 * <p>Run: {@code java tools/CheckReviews.java examples/reviews}. Prints a short table. Each failure
 * is one line that starts with a file and a row (the line number an editor shows; the header is row
 * 1), and the exit status is then 1.
 */
public final class CheckReviews {
  private static final List<String> FILES = List.of("train.csv", "validation.csv", "test.csv");
  private static final List<String> LABELS = List.of("negative", "neutral", "positive");
  private static final int FEWEST_ROWS = 900;
  private static final double SMALLEST_SHARE = 0.25;
  private static final int FEWEST_WORDS = 3;
  private static final int MOST_WORDS = 80;
  private static final double WORD_OVERLAP = 0.5;
  private static final double LETTER_OVERLAP = 0.6;
  private static final int OPENING_WORDS = 4;
  private static final int OPENING_USES = 2;
  private static final int[] LENGTHS = {10, 20, 30, 40, 60, 80};

  private static final Pattern WORD = Pattern.compile("[\\p{L}\\p{N}']+");
  private static final Pattern WORD_OR_COMMA = Pattern.compile("[\\p{L}\\p{N}']+|,");
  private static final Pattern SENTENCE_END = Pattern.compile("[.!?;:]+");

  /** The words a sentence pattern keeps; every run of other words becomes one gap. */
  private static final Set<String> KEPT_WORDS =
      Set.of(
          """
          a an the and or but not no nor so yet if of to in on at by for with from as than then
          that this these those it its it's i i'm i'd i've i'll me my we our us you your he his
          him she her they their them is are was were be been has have had do does doesn't don't
          did didn't isn't wasn't can can't could couldn't would wouldn't will won't should what
          which who whoever where when how why there here just only even still never ever too
          very every one two three all any some more most out up off into over after before while
          because since until about\
          """
              .split("\\s+"));

  private final List<Row> rows = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();

  private CheckReviews() {}

  private record Row(String file, int line, String text, String label) {
    String place() {
      return file + " row " + line;
    }
  }

  /** A malformed file, with the row where reading stopped. */
  private static final class CsvException extends Exception {
    private static final long serialVersionUID = 1;

    CsvException(int line, String problem) {
      super("row " + line + ": " + problem);
    }
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: java tools/CheckReviews.java FOLDER");
      System.exit(2);
    }
    CheckReviews check = new CheckReviews();
    check.run(Path.of(args[0]));
    check.failures.forEach(System.out::println);
    if (!check.failures.isEmpty()) {
      System.out.println(check.failures.size() + " failure(s)");
      System.exit(1);
    }
    System.out.println("all checks passed");
  }

  private void run(Path folder) throws IOException {
    System.out.printf("%-15s%6s", "file", "rows");
    LABELS.forEach(label -> System.out.printf("%16s", label));
    System.out.printf("%18s%n", "words (mean)");
    for (String file : FILES) {
      int first = rows.size();
      Path path = folder.resolve(file);
      if (!Files.isRegularFile(path)) {
        failures.add(file + " row 1: no such file");
        continue;
      }
      try {
        read(file, Files.readAllBytes(path));
      } catch (CsvException e) {
        failures.add(file + " " + e.getMessage());
      }
      balance(file, rows.subList(first, rows.size()));
    }
    if (rows.size() < FEWEST_ROWS) {
      failures.add(
          FILES.get(0) + " row 1: " + rows.size() + " rows in all, fewer than " + FEWEST_ROWS);
    }
    lengths();
    rows.forEach(this::single);
    duplicates();
    overlap("word triples", WORD_OVERLAP, CheckReviews::wordTriples);
    overlap("letter fives", LETTER_OVERLAP, CheckReviews::letterFives);
    openings();
    patterns();
  }

  // ---- one file -------------------------------------------------------------------------------

  /** Reads RFC 4180: CRLF ends each record, and a field with a comma or a quote is quoted. */
  private void read(String file, byte[] bytes) throws CsvException {
    ByteBuffer input = ByteBuffer.wrap(bytes);
    CharBuffer output = CharBuffer.allocate(bytes.length);
    if (StandardCharsets.UTF_8.newDecoder().decode(input, output, true).isError()) {
      int row = 1;
      for (int i = 0; i < input.position(); i++) {
        row += bytes[i] == '\n' ? 1 : 0;
      }
      throw new CsvException(row, "not UTF-8");
    }
    String all = output.flip().toString();
    int line = 1;
    int at = 0;
    while (at < all.length()) {
      List<String> fields = new ArrayList<>();
      boolean more = true;
      while (more) {
        StringBuilder field = new StringBuilder();
        at =
            at < all.length() && all.charAt(at) == '"'
                ? quoted(all, at, line, field)
                : bare(all, at, line, field);
        fields.add(field.toString());
        more = at < all.length() && all.charAt(at) == ',';
        at += more ? 1 : 0;
      }
      if (!all.startsWith("\r\n", at)) {
        throw new CsvException(line, "the record does not end with CRLF");
      }
      at += 2;
      if (fields.size() != 2) {
        throw new CsvException(line, fields.size() + " fields, expected text,label");
      }
      if (line == 1 && !fields.equals(List.of("text", "label"))) {
        throw new CsvException(line, "the header is not text,label");
      }
      if (line > 1) {
        rows.add(new Row(file, line, fields.get(0), fields.get(1)));
      }
      line++;
    }
    if (line == 1) {
      throw new CsvException(1, "the file is empty");
    }
  }

  private static int quoted(String all, int start, int line, StringBuilder field)
      throws CsvException {
    int at = start + 1;
    while (at < all.length()) {
      char c = all.charAt(at++);
      if (c != '"') {
        field.append(c);
      } else if (at < all.length() && all.charAt(at) == '"') {
        field.append(c);
        at++;
      } else if (at < all.length() && ",\r".indexOf(all.charAt(at)) < 0) {
        throw new CsvException(line, "text after a closing quote");
      } else {
        return at;
      }
    }
    throw new CsvException(line, "a quote is never closed");
  }

  private static int bare(String all, int start, int line, StringBuilder field)
      throws CsvException {
    int at = start;
    while (at < all.length() && ",\r\n".indexOf(all.charAt(at)) < 0) {
      if (all.charAt(at) == '"') {
        throw new CsvException(line, "a quote inside an unquoted field");
      }
      field.append(all.charAt(at++));
    }
    return at;
  }

  private void balance(String file, List<Row> part) {
    System.out.printf("%-15s%6d", file, part.size());
    for (String label : LABELS) {
      long count = part.stream().filter(row -> row.label().equals(label)).count();
      double share = part.isEmpty() ? 0 : (double) count / part.size();
      System.out.printf(Locale.ROOT, "%8d %5.1f %%", count, 100 * share);
      if (share < SMALLEST_SHARE) {
        failures.add(file + " row 1: less than a quarter of the rows are " + label);
      }
    }
    int[] sizes = part.stream().mapToInt(row -> words(row.text()).size()).sorted().toArray();
    double mean = part.stream().mapToInt(row -> words(row.text()).size()).average().orElse(0);
    System.out.printf(
        Locale.ROOT,
        "%18s%n",
        sizes.length == 0
            ? "-"
            : String.format(Locale.ROOT, "%d..%d (%.1f)", sizes[0], sizes[sizes.length - 1], mean));
  }

  /** Prints how many reviews there are of each length. */
  private void lengths() {
    System.out.println();
    int low = FEWEST_WORDS;
    for (int high : LENGTHS) {
      int from = low;
      long count =
          rows.stream()
              .mapToInt(row -> words(row.text()).size())
              .filter(size -> size >= from && size <= high)
              .count();
      System.out.printf("%2d..%2d words %5d%n", low, high, count);
      low = high + 1;
    }
    System.out.println();
  }

  // ---- one row --------------------------------------------------------------------------------

  private void single(Row row) {
    if (!LABELS.contains(row.label())) {
      fail(row, "unknown label '" + row.label() + "'");
    }
    int size = words(row.text()).size();
    if (size < FEWEST_WORDS || size > MOST_WORDS) {
      fail(row, size + " words, outside " + FEWEST_WORDS + ".." + MOST_WORDS);
    }
    if (!row.text().equals(row.text().strip()) || row.text().contains("  ")) {
      fail(row, "stray spaces");
    }
    boolean control =
        row.text()
            .codePoints()
            .map(Character::getType)
            .anyMatch(
                type ->
                    type == Character.CONTROL
                        || type == Character.FORMAT
                        || type == Character.SURROGATE
                        || type == Character.PRIVATE_USE
                        || type == Character.UNASSIGNED
                        || type == Character.LINE_SEPARATOR
                        || type == Character.PARAGRAPH_SEPARATOR);
    if (control) {
      fail(row, "a control character");
    }
  }

  // ---- pairs of rows --------------------------------------------------------------------------

  private void duplicates() {
    Map<String, Row> seen = new HashMap<>();
    for (Row row : rows) {
      Row earlier = seen.putIfAbsent(String.join(" ", words(row.text())), row);
      if (earlier != null) {
        fail(row, "the same review as " + earlier.place());
      }
    }
  }

  private interface Pieces {
    Set<String> of(String text);
  }

  private static Set<String> wordTriples(String text) {
    List<String> words = words(text);
    Set<String> triples = new LinkedHashSet<>();
    for (int i = 0; i + 3 <= words.size(); i++) {
      triples.add(String.join(" ", words.subList(i, i + 3)));
    }
    return triples;
  }

  private static Set<String> letterFives(String text) {
    String letters = String.join(" ", words(text));
    Set<String> fives = new LinkedHashSet<>();
    for (int i = 0; i + 5 <= letters.length(); i++) {
      fives.add(letters.substring(i, i + 5));
    }
    return fives;
  }

  /** Fails each pair whose pieces have a Jaccard similarity (shared over all) above the limit. */
  private void overlap(String name, double limit, Pieces pieces) {
    Map<String, List<Integer>> owners = new HashMap<>();
    int[] sizes = new int[rows.size()];
    for (int i = 0; i < rows.size(); i++) {
      Set<String> own = pieces.of(rows.get(i).text());
      sizes[i] = own.size();
      int[] shared = new int[i];
      for (String piece : own) {
        List<Integer> earlier = owners.computeIfAbsent(piece, key -> new ArrayList<>());
        earlier.forEach(j -> shared[j]++);
        earlier.add(i);
      }
      for (int j = 0; j < i; j++) {
        double similarity = (double) shared[j] / Math.max(1, sizes[i] + sizes[j] - shared[j]);
        if (similarity > limit) {
          fail(
              rows.get(i),
              String.format(
                  Locale.ROOT, "%s overlap %.2f with %s", name, similarity, rows.get(j).place()));
        }
      }
    }
  }

  private void openings() {
    Map<String, List<Row>> users = new LinkedHashMap<>();
    for (Row row : rows) {
      List<String> words = words(row.text());
      if (words.size() >= OPENING_WORDS) {
        String opening = String.join(" ", words.subList(0, OPENING_WORDS));
        users.computeIfAbsent(opening, key -> new ArrayList<>()).add(row);
      }
    }
    users.forEach((opening, list) -> repeats(list, OPENING_USES, "opening '" + opening + "'"));
  }

  /**
   * Compares sentences with all but their function words and commas taken out. A pattern of at
   * least seven parts may occur in one review, a shorter one in two; the shortest say nothing.
   */
  private void patterns() {
    Map<String, List<Row>> shorter = new LinkedHashMap<>();
    Map<String, List<Row>> longer = new LinkedHashMap<>();
    for (Row row : rows) {
      Set<String> own = new HashSet<>();
      for (String sentence : SENTENCE_END.split(normal(row.text()))) {
        List<String> parts = new ArrayList<>();
        int kept = 0;
        Matcher matcher = WORD_OR_COMMA.matcher(sentence);
        while (matcher.find()) {
          String part = matcher.group();
          boolean function = KEPT_WORDS.contains(part);
          kept += function ? 1 : 0;
          part = function || part.equals(",") ? part : "*";
          if (!part.equals("*") || parts.isEmpty() || !parts.get(parts.size() - 1).equals("*")) {
            parts.add(part);
          }
        }
        String pattern = String.join(" ", parts);
        if (parts.size() >= 5 && kept >= 2 && own.add(pattern)) {
          Map<String, List<Row>> users = parts.size() >= 7 && kept >= 3 ? longer : shorter;
          users.computeIfAbsent(pattern, key -> new ArrayList<>()).add(row);
        }
      }
    }
    shorter.forEach((pattern, list) -> repeats(list, 2, "sentence pattern '" + pattern + "'"));
    longer.forEach((pattern, list) -> repeats(list, 1, "sentence pattern '" + pattern + "'"));
  }

  private void repeats(List<Row> users, int allowed, String what) {
    for (Row row : users.subList(Math.min(allowed, users.size()), users.size())) {
      fail(row, what + " is also in " + users.get(0).place());
    }
  }

  // ---- words ----------------------------------------------------------------------------------

  private static String normal(String text) {
    return Normalizer.normalize(text, Normalizer.Form.NFKC)
        .toLowerCase(Locale.ROOT)
        .replace('\u2019', '\'');
  }

  private static List<String> words(String text) {
    List<String> words = new ArrayList<>();
    Matcher matcher = WORD.matcher(normal(text));
    while (matcher.find()) {
      words.add(matcher.group());
    }
    return words;
  }

  private void fail(Row row, String problem) {
    failures.add(row.place() + ": " + problem);
  }
}
