import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Divides the labelled part of PubMedQA (Jin et al., 2019; MIT licence, not part of this
 * repository) into rows for a classification of pairs: the question, the conclusion of the abstract
 * that answers it, and yes, no or maybe ("reasoning-free" in its paper).
 *
 * <p>Run: {@code java tools/SplitPubMedQa.java ori_pqal.json test_ground_truth.json OUTPUT}. The
 * same bytes every time: {@code test.jsonl}, the 500 of the official test, {@code train.jsonl}, 450
 * of the others, and {@code validation.jsonl}, the rest. Strings are copied as they stand in the
 * file, which has one a line.
 */
public final class SplitPubMedQa {
  private static final int VALIDATION = 50;
  private static final Pattern ID = Pattern.compile(" {4}\"(\\d+)\": .*");
  private static final Pattern FIELD =
      Pattern.compile(" {8}\"(QUESTION|LONG_ANSWER|final_decision)\": (\".*\"),?");

  private SplitPubMedQa() {}

  public static void main(String[] args) throws IOException {
    Set<String> tested =
        Files.readAllLines(Path.of(args[1])).stream()
            .map(ID::matcher)
            .filter(Matcher::matches)
            .map(line -> line.group(1))
            .collect(Collectors.toSet());
    TreeMap<String, String> others = new TreeMap<>();
    TreeMap<String, String> test = new TreeMap<>();
    String id = null;
    String question = null;
    String answer = null;
    String decision = null;
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      Matcher start = ID.matcher(line);
      Matcher field = FIELD.matcher(line);
      if (start.matches()) {
        id = start.group(1);
      } else if (field.matches()) {
        switch (field.group(1)) {
          case "QUESTION" -> question = field.group(2);
          case "LONG_ANSWER" -> answer = field.group(2);
          default -> decision = field.group(2);
        }
      } else if (line.startsWith("    }")) {
        String row =
            "{\"text\": " + question + ", \"text_pair\": " + answer + ", \"label\": " + decision + "}";
        (tested.contains(id) ? test : others).put(id, row);
      }
    }
    Path output = Files.createDirectories(Path.of(args[2]));
    List<String> rows = new ArrayList<>(others.values());
    Collections.shuffle(rows, new Random(42));
    Files.write(output.resolve("test.jsonl"), test.values());
    Files.write(output.resolve("validation.jsonl"), rows.subList(0, VALIDATION));
    Files.write(output.resolve("train.jsonl"), rows.subList(VALIDATION, rows.size()));
  }
}
