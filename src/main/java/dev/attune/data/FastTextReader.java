package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One text a line with its labels among its words, as fastText has them: {@code __label__good
 * __label__short A text}. Rows have a list of labels where any has several.
 */
final class FastTextReader {
  private static final String PREFIX = "__label__";
  private static final Pattern LABEL = Pattern.compile("(?<!\\S)" + PREFIX + "(\\S*)\\s*");

  private final Path file;
  private final ReadOptions options;
  private final BadRows bad;

  FastTextReader(Path file, ReadOptions options) {
    this.file = file;
    this.options = options;
    this.bad = new BadRows(options.skipBadRows(), "row");
  }

  /** Whether a file begins so. */
  static boolean isIn(byte[] head) {
    String text = new String(head, StandardCharsets.UTF_8);
    String unmarked = text.startsWith("\uFEFF") ? text.substring(1) : text; // no white space
    return unmarked.stripLeading().startsWith(PREFIX);
  }

  /** A running text with what to do where it is one of such lines, and labels turn out missing. */
  static Dataset advised(Dataset text) {
    boolean isOfLabels =
        text.size() > 0
            && text.get(0).text() != null
            && text.get(0).text().stripLeading().startsWith(PREFIX);
    String advice =
        "Its lines begin with "
            + PREFIX
            + ", as fastText has labels; say so: "
            + Term.FORMAT.of(Format.FASTTEXT);
    return isOfLabels
        ? new Dataset(text.source(), text.examples(), text.reading().advising(advice), text.parts())
        : text;
  }

  Dataset read(TextLines lines) {
    options.columns().checkNone(file, "has a text with its labels a line and no columns");
    List<Integer> numbers = new ArrayList<>();
    List<List<String>> labels = new ArrayList<>();
    List<String> texts = new ArrayList<>();
    for (String raw = bad.read(lines::next); raw != null; raw = bad.read(lines::next)) {
      String line = TextLines.chomp(raw);
      if (line.isBlank()) {
        continue;
      }
      try {
        labels.add(labels(line, lines.number()));
      } catch (InputException e) {
        bad.add(lines.number(), e);
        continue;
      }
      numbers.add(lines.number());
      texts.add(LABEL.matcher(line).replaceAll("").strip());
    }
    Check.input(!texts.isEmpty() || bad.count() > 0, "%s has no rows", file);
    boolean several = labels.stream().anyMatch(each -> each.size() > 1);
    List<ExampleReader.Row> rows = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("text", texts.get(i));
      fields.put("label", several ? labels.get(i) : labels.get(i).get(0));
      rows.add(new ExampleReader.Row(numbers.get(i), fields, fields));
    }
    return new ExampleReader(file, options, false, bad, Map.of())
        .read(rows)
        .written(PREFIX + " is in front of labels");
  }

  private List<String> labels(String line, int row) {
    List<String> labels = new ArrayList<>();
    for (Matcher label = LABEL.matcher(line); label.find(); ) {
      Check.input(!label.group(1).isEmpty(), "%s, row %d: nothing follows %s", file, row, PREFIX);
      labels.add(label.group(1));
    }
    Check.input(
        !labels.isEmpty(),
        "%s, row %d has no label: no word begins with %s: %s",
        file,
        row,
        PREFIX,
        Excerpt.quoted(List.of(line)));
    return labels;
  }
}
