import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Divides the medical abstracts of the Medical-Abstracts-TC-Corpus (Schopf et al., 2022; CC BY-SA
 * 3.0, not part of this repository) for the measurement of domain adaptation in
 * examples/domain/README.md.
 *
 * <p>Run: {@code java tools/SplitAbstracts.java medical_tc_test.csv OUTPUT}. The same bytes every
 * time: {@code test.jsonl}, 600 abstracts with their class; {@code train.jsonl}, all others; {@code
 * train-1.jsonl} to {@code train-3.jsonl}, 100 of them each; {@code texts.txt}, all of them, one a
 * line, without class. Abstracts that occur twice are taken once.
 */
public final class SplitAbstracts {
  private static final int TEST = 600;
  private static final int LABELLED = 100;
  private static final int SETS = 3;

  private SplitAbstracts() {}

  public static void main(String[] args) throws IOException {
    Map<String, String> classes = new LinkedHashMap<>();
    List<List<String>> rows = rows(Files.readString(Path.of(args[0])));
    rows.subList(1, rows.size()).forEach(row -> classes.putIfAbsent(row.get(1), row.get(0)));
    List<String> texts = new ArrayList<>(classes.keySet());
    Collections.shuffle(texts, new Random(42));
    Path output = Files.createDirectories(Path.of(args[1]));
    write(output.resolve("test.jsonl"), texts.subList(0, TEST), classes);
    for (int set = 0; set < SETS; set++) {
      int from = TEST + set * LABELLED;
      Path file = output.resolve("train-" + (set + 1) + ".jsonl");
      write(file, texts.subList(from, from + LABELLED), classes);
    }
    write(output.resolve("train.jsonl"), texts.subList(TEST, texts.size()), classes);
    List<String> lines =
        texts.subList(TEST, texts.size()).stream().map(t -> t.replaceAll("\\s+", " ")).toList();
    Files.write(output.resolve("texts.txt"), lines);
  }

  private static void write(Path file, List<String> texts, Map<String, String> classes)
      throws IOException {
    List<String> lines = new ArrayList<>();
    for (String text : texts) {
      String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\s+", " ");
      lines.add("{\"text\": \"" + escaped + "\", \"label\": \"class " + classes.get(text) + "\"}");
    }
    Files.write(file, lines);
  }

  /** The fields of a CSV file, where one in quotes may hold anything. */
  private static List<List<String>> rows(String csv) {
    List<List<String>> rows = new ArrayList<>(List.of(new ArrayList<>()));
    StringBuilder field = new StringBuilder();
    boolean quoted = false;
    for (int at = 0; at < csv.length(); at++) {
      char c = csv.charAt(at);
      boolean isDoubled = quoted && c == '"' && at + 1 < csv.length() && csv.charAt(at + 1) == '"';
      if (isDoubled) {
        field.append(csv.charAt(++at));
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && (c == ',' || c == '\n')) {
        rows.get(rows.size() - 1).add(field.toString());
        field.setLength(0);
        if (c == '\n') {
          rows.add(new ArrayList<>());
        }
      } else if (quoted || c != '\r') {
        field.append(c);
      }
    }
    rows.removeIf(List::isEmpty);
    return rows;
  }
}
