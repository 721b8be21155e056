import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/**
 * Writes the example notices: announcements of a small town with questions on them, in SQuAD 2.0's
 * own format. Notices are put together from the sentences in {@code tools/notices}, which the
 * Attune authors wrote.
 *
 * <p>Run: {@code java tools/MakeNotices.java tools/notices examples/notices}. The same bytes every
 * time. A sentence and a question on each fact, the last of its block, are kept for validation and
 * test; so are names, streets and things that the training file does not have. One question in
 * three is about a fact that the notice does not tell.
 */
public final class MakeNotices {
  private static final int FACTS_TOLD = 5;
  private static final String TITLE = "# ";
  private static final Map<String, int[]> NOTICES = new LinkedHashMap<>();

  static {
    NOTICES.put("train", new int[] {320, 3}); // notices, questions on each
    NOTICES.put("validation", new int[] {40, 3});
    NOTICES.put("test", new int[] {60, 3});
  }

  /**
   * What a kind of notice may tell.
   *
   * @param kind of value
   * @param sentences that tell it, with {@code {}} in its place
   * @param questions for it
   */
  private record Fact(String kind, List<String> sentences, List<String> questions) {}

  private record Told(Fact fact, String value, String sentence) {}

  private final Map<String, List<Fact>> kinds; // facts of notices, by their titles
  private final Map<String, List<String>> values; // by their kinds
  private final boolean training;
  private final Random random;
  private int questions;

  private MakeNotices(
      Map<String, List<Fact>> kinds,
      Map<String, List<String>> values,
      boolean training,
      Random random) {
    this.kinds = kinds;
    this.values = values;
    this.training = training;
    this.random = random;
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      System.err.println("usage: java tools/MakeNotices.java SENTENCES FOLDER");
      System.exit(2);
    }
    Map<String, List<Fact>> kinds = kinds(Files.readString(Path.of(args[0], "facts.txt")));
    Map<String, List<String>> values = values(Files.readString(Path.of(args[0], "values.txt")));
    for (Map.Entry<String, int[]> split : NOTICES.entrySet()) {
      String name = split.getKey();
      MakeNotices make =
          new MakeNotices(kinds, values, name.equals("train"), new Random(name.hashCode()));
      StringBuilder out = new StringBuilder("{\"version\": \"v2.0\", \"data\": [\n");
      for (int i = 0; i < split.getValue()[0]; i++) {
        out.append(i == 0 ? "" : ",\n").append(make.notice(name, split.getValue()[1]));
      }
      Files.writeString(Path.of(args[1], name + ".json"), out + "\n]}\n");
    }
  }

  private String notice(String split, int asked) {
    List<String> titles = List.copyOf(kinds.keySet());
    String title = titles.get(random.nextInt(titles.size()));
    List<Fact> facts = new ArrayList<>(kinds.get(title));
    Collections.shuffle(facts, random);
    List<Told> told = new ArrayList<>();
    List<String> parts = new ArrayList<>(List.of(title + "."));
    for (Fact fact : facts.subList(0, FACTS_TOLD)) {
      String value = value(fact.kind());
      // "The" at the start of a sentence is written large.
      String sentence = capital(of(fact.sentences()).replace("{}", value));
      told.add(new Told(fact, value, sentence));
      parts.add(sentence);
    }
    String context = String.join(" ", parts);
    if (told.stream().anyMatch(one -> stands(context, one.value()) != 1)) {
      return notice(split, asked); // an answer stands in a notice once
    }
    List<String> rows = new ArrayList<>();
    Collections.shuffle(told, random);
    for (int i = 0; i < asked; i++) {
      boolean isTold = i < asked - 1;
      Fact fact = isTold ? told.get(i).fact() : facts.get(FACTS_TOLD + random.nextInt(facts.size() - FACTS_TOLD));
      rows.add(question(split, context, of(fact.questions()), isTold ? told.get(i) : null));
    }
    return "{\"title\": \""
        + title
        + "\", \"paragraphs\": [{\"context\": \""
        + context
        + "\", \"qas\": [\n  "
        + String.join(",\n  ", rows)
        + "]}]}";
  }

  private static int stands(String context, String value) {
    String lower = context.toLowerCase(Locale.ROOT);
    return lower.split(Pattern.quote(value.toLowerCase(Locale.ROOT)), -1).length - 1;
  }

  private String question(String split, String context, String question, Told told) {
    String answers = "";
    if (told != null) {
      int sentence = context.indexOf(told.sentence());
      int start = context.toLowerCase(Locale.ROOT).indexOf(told.value().toLowerCase(Locale.ROOT), sentence);
      String text = context.substring(start, start + told.value().length());
      answers = "{\"text\": \"" + text + "\", \"answer_start\": " + start + "}";
    }
    return "{\"id\": \""
        + split
        + "-"
        + questions++
        + "\", \"question\": \""
        + question
        + "\", \"answers\": ["
        + answers
        + "], \"is_impossible\": "
        + (told == null)
        + "}";
  }

  /** The last of the sentences or questions is not for training. */
  private String of(List<String> ways) {
    int known = ways.size() - 1;
    return ways.get(training ? random.nextInt(known) : random.nextInt(2) == 0 ? known : random.nextInt(known));
  }

  private String value(String kind) {
    return switch (kind) {
      case "person" -> pick("first") + " " + pick("last");
      case "time" -> String.format("%d:%02d", 8 + random.nextInt(14), 5 * random.nextInt(12));
      case "date" -> (1 + random.nextInt(28)) + " " + values.get("month").get(random.nextInt(12));
      case "number" -> Integer.toString(11 + random.nextInt(280));
      case "price" -> (5 + random.nextInt(900)) + " euros";
      default -> pick(kind);
    };
  }

  /** The last third of the names, places and things is not for training. */
  private String pick(String kind) {
    List<String> all = values.get(kind);
    int known = all.size() * 2 / 3;
    return all.get(random.nextInt(training ? known : all.size()));
  }

  private static String capital(String sentence) {
    return sentence.substring(0, 1).toUpperCase(Locale.ROOT) + sentence.substring(1);
  }

  private static String[] blocks(String text) {
    return text.strip().split("\n\\s*\n");
  }

  /**
   * A heading, which is the title of notices, then one block a fact: the kind of value, sentences
   * that tell it, questions that ask for it.
   */
  private static Map<String, List<Fact>> kinds(String text) {
    Map<String, List<Fact>> kinds = new LinkedHashMap<>();
    List<Fact> facts = new ArrayList<>();
    for (String block : blocks(text)) {
      List<String> lines = block.lines().toList();
      if (lines.get(0).startsWith(TITLE)) {
        facts = new ArrayList<>();
        kinds.put(lines.get(0).substring(TITLE.length()), facts);
      } else {
        facts.add(
            new Fact(
                lines.get(0),
                lines.stream().filter(line -> line.contains("{}")).toList(),
                lines.stream().filter(line -> line.endsWith("?")).toList()));
      }
    }
    return kinds;
  }

  /** One block a kind of value: its name, then the values with commas between them. */
  private static Map<String, List<String>> values(String text) {
    Map<String, List<String>> values = new LinkedHashMap<>();
    for (String block : blocks(text)) {
      String[] parts = block.split("\n", 2);
      values.put(parts[0], List.of(parts[1].split(",\\s+")));
    }
    return values;
  }
}
