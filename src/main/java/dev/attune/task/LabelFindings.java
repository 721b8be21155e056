package dev.attune.task;

import static dev.attune.core.Count.many;

import dev.attune.core.Term;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.LabelNumbers;
import dev.attune.data.Numbers;
import java.math.BigDecimal;
import java.text.Normalizer;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The rules of the data report on named classes. */
final class LabelFindings {
  /** What programs write where there is no value. */
  private static final Set<String> GAPS =
      Set.of("nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nat", "-");

  /** Not with an exponent: 1e999999999 written out would fill the memory. */
  private static final Pattern NUMBER = Pattern.compile("[+-]?\\d+(\\.\\d*)?");

  private static final Pattern TAG = Pattern.compile("O|[BIESLU]-\\S+");

  /** Characters that no one sees: zero-width spaces, marks of byte order and direction. */
  private static final Pattern INVISIBLE = Pattern.compile("\\p{Cf}");

  private static final Pattern COUNT = Pattern.compile("\\d+");
  private static final String NO_CLASS = "-1";
  private static final String FIRST_CLASS = "0";

  private static final int FEW_EXAMPLES = 10;
  private static final int SHOWN = 5;
  private static final int CLEAR_ROWS = 4;
  private static final int CLEAR_WORDS = 3;
  private static final int MANY_CLASSES = 20;
  private static final double NEARLY_ALL = 0.9;

  private final Findings found;
  private final LabelMap labels;
  private final Map<String, Integer> counts;
  private final Term named;

  /**
   * @param labels of the training set
   * @param counts of the split's classes
   */
  LabelFindings(Findings found, LabelMap labels, Map<String, Integer> counts) {
    this(found, labels, counts, null);
  }

  /**
   * @param labels of the training set, or those that were named
   * @param counts of the split's classes
   * @param named what labels are named by; null: they are those of the training set
   */
  LabelFindings(Findings found, LabelMap labels, Map<String, Integer> counts, Term named) {
    this.found = found;
    this.labels = labels;
    this.counts = counts;
    this.named = named;
  }

  /**
   * Classes that the training set, or the list of labels, lacks.
   *
   * @param has whether an example has one
   * @param one "row has a label"
   * @param more "rows have labels"
   * @param noun "labels"
   */
  void unknown(Predicate<Example> has, String one, String more, String noun) {
    List<String> unknown =
        counts.keySet().stream().filter(name -> !labels.contains(name)).limit(SHOWN).toList();
    String names = quoted(unknown);
    String advice =
        unknown.stream()
            .map(name -> LabelNumbers.advice(name, labels.names()))
            .filter(said -> !said.isEmpty())
            .findFirst()
            .orElse("");
    found.examples(
        Severity.FATAL,
        "unknown_label",
        has,
        n ->
            many(n, one, more)
                + (named == null
                    ? " that is not among those to learn ("
                    : " that " + named + " lacks (")
                + names
                + "). Known "
                + noun
                + ": "
                + labels.describe()
                + (named == null ? advice : "; correct the row, or add its label to " + named));
  }

  /** Whether only one class occurs; then there is nothing to learn. */
  boolean isSingle(String noun) {
    List<String> present = present().map(Map.Entry::getKey).toList();
    if (present.size() != 1) {
      return false;
    }
    found.add(
        Severity.FATAL,
        "single_class",
        "every row has the same "
            + noun
            + ", \""
            + present.get(0)
            + "\": there is nothing to learn");
    return true;
  }

  /**
   * Labels that are rather something else: texts, numbers, row names, several labels in one.
   *
   * @return whether training on them would mean nothing
   */
  boolean areOther() {
    long rows = found.data().examples().stream().filter(LabelFindings::isLabelled).count();
    List<String> names = present().map(Map.Entry::getKey).toList();
    return areSwapped(rows, names) || areMeasures(rows, names) || areUnique(rows, names);
  }

  private static boolean isLabelled(Example example) {
    return LabelMap.isPresent(example.label());
  }

  /** The rows that have a label, which may be more than memory holds. */
  private Stream<Example> labelled() {
    return found.data().examples().stream().filter(LabelFindings::isLabelled);
  }

  private boolean areSwapped(long rows, List<String> names) {
    double label = mean(Example::label);
    double text = mean(Example::text);
    if (label <= text) {
      return false; // almost always: no text is held then
    }
    long texts = labelled().map(Example::text).distinct().limit(names.size()).count();
    boolean isMany = names.size() >= MANY_CLASSES;
    if (!(names.size() > texts && (isMany || areClearlySwapped(rows, names.size(), texts)))) {
      return false;
    }
    String option = found.data().reading().exchanged();
    found.add(
        Severity.FATAL,
        "columns_swapped",
        String.format(
            Locale.ROOT,
            "the labels are longer (%.0f characters on average) and more varied (%d) than the texts"
                + " (%.0f; %d): text and label seem to be exchanged%s",
            label,
            names.size(),
            text,
            texts,
            option == null ? "" : ". Give " + option));
    return true;
  }

  /** In a file of few rows: labels that are sentences, each its own, of texts that are one word. */
  private boolean areClearlySwapped(long rows, int labels, long texts) {
    return rows >= CLEAR_ROWS
        && labels == rows
        && 2 * texts <= labels
        && labelled().allMatch(e -> e.text() != null && words(e.text()) == 1)
        && labelled().mapToInt(e -> words(e.label())).average().orElse(0) >= CLEAR_WORDS;
  }

  private static int words(String text) {
    return text.strip().split("\\s+").length;
  }

  private double mean(Function<Example, String> part) {
    return labelled()
        .map(part)
        .filter(Objects::nonNull)
        .mapToInt(String::length)
        .average()
        .orElse(0);
  }

  /** Numbers that are no classes: a score, a price. */
  private boolean areMeasures(long rows, List<String> names) {
    List<String> points = names.stream().map(name -> name.replace(',', '.')).toList();
    boolean measures =
        points.stream().allMatch(name -> Numbers.parse(name) != null)
            && points.stream().anyMatch(name -> name.contains("."));
    if (!measures || names.size() <= FEW_EXAMPLES) {
      return false;
    }
    found.add(
        Severity.FATAL,
        "numeric_labels",
        String.format(
                Locale.ROOT,
                "the labels are %d different numbers (%s …) in %d rows, which as classes would have"
                    + " nothing to do with each other. To learn numbers give ",
                names.size(),
                quoted(names.subList(0, 3)),
                rows)
            + Term.TASK.of("regression"));
    return true;
  }

  private boolean areUnique(long rows, List<String> names) {
    if (names.size() < MANY_CLASSES || names.size() < NEARLY_ALL * rows) {
      return false;
    }
    boolean numbers = names.stream().allMatch(name -> Numbers.parse(name) != null);
    found.add(
        Severity.FATAL,
        "unique_labels",
        String.format(
                "%d rows have %d different labels (%s …): an identifier or a text of its own rather than"
                    + " a class. ",
                rows, names.size(), quoted(names.subList(0, 3)))
            + (numbers
                ? "To learn numbers give " + Term.TASK.of("regression") + "; else name"
                : "Name")
            + " the column of classes: "
            + Term.COLUMNS.of("text=NAME,label=NAME"));
    return true;
  }

  /** Names that look like several labels in one. */
  void several() {
    List<String> barred = present().map(Map.Entry::getKey).filter(n -> n.contains("|")).toList();
    if (!barred.isEmpty()) {
      joined(
          barred.get(0),
          " are learned as one class each; if | parts several labels of a row, give "
              + Term.TASK.of("multi-label-classification"));
      return;
    }
    joined(names())
        .ifPresent(
            name ->
                joined(
                    name,
                    " are learned as one class each, and a part of them is a class too. Where a row"
                        + " has several labels, part them by |, "
                        + parted(name)
                        + ", and give "
                        + Term.TASK.of("multi-label-classification")));
  }

  /** Warns of a name that may be several in one. */
  private void joined(String name, String what) {
    found.add(Severity.WARNING, "joined_labels", suchAs(name) + what);
  }

  private static String suchAs(String name) {
    return "labels such as " + quoted(List.of(name));
  }

  /** The name as several are written. */
  private static String parted(String name) {
    return '"' + String.join("|", parts(name)) + '"';
  }

  private Set<String> names() {
    return present().map(Map.Entry::getKey).collect(Collectors.toSet());
  }

  /** A name that is several in one, of which another name is a part. */
  private static Optional<String> joined(Set<String> names) {
    return names.stream()
        .filter(name -> parts(name).size() > 1 && parts(name).stream().anyMatch(names::contains))
        .min(String::compareTo);
  }

  /**
   * Of rows with several labels: lists that say of each class whether it holds, which would be
   * learned as labels of the names 0 and 1.
   */
  boolean areVectors() {
    List<String> names = present().map(Map.Entry::getKey).toList();
    if (names.isEmpty() || !Set.of("0", "1").containsAll(names)) {
      return false;
    }
    List<Integer> sizes =
        found.data().examples().stream()
            .map(example -> example.labels() == null ? 0 : example.labels().size())
            .distinct()
            .limit(2)
            .toList();
    if (sizes.size() != 1 || sizes.get(0) < 2) {
      return false;
    }
    found.add(
        Severity.FATAL,
        "vector_labels",
        "the lists of labels hold 0 and 1 for each of "
            + sizes.get(0)
            + " classes and no names. Write the names of the labels that a row has; or a column of 0"
            + " and 1 for each label: "
            + Term.COLUMNS.of("text=NAME,labels=NAME;NAME"));
    return true;
  }

  /**
   * Of rows with several labels: names that are several in one, where no row has more than one.
   *
   * @param of the labels of an example
   */
  boolean areJoined(Function<Example, Set<String>> of) {
    Set<String> names = names();
    String joined = joined(names).orElse(null);
    if (found.data().examples().stream().anyMatch(e -> of.apply(e).size() > 1)) {
      return false;
    }
    if (joined == null) {
      shareParts(names);
      return false;
    }
    found.add(
        Severity.FATAL,
        "joined_labels",
        suchAs(joined)
            + " would be learned as one label each, and no row has several. Part the labels of a row"
            + " by |: "
            + parted(joined));
    return true;
  }

  /** Names that have a part in common may be several each, none of which stands alone. */
  private void shareParts(Set<String> names) {
    Map<String, Long> shared =
        names.stream()
            .filter(name -> parts(name).size() > 1)
            .flatMap(name -> parts(name).stream().distinct())
            .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    names.stream()
        .filter(name -> parts(name).stream().anyMatch(part -> shared.getOrDefault(part, 0L) > 1))
        .min(String::compareTo)
        .ifPresent(
            name ->
                joined(
                    name,
                    " are learned as one each, and have parts in common with others. Where they are"
                        + " several, part them by |: "
                        + parted(name)));
  }

  private static List<String> parts(String name) {
    return Stream.of(name.split("[,;]")).map(String::strip).filter(p -> !p.isEmpty()).toList();
  }

  /** Words that are the tags of a file whose columns stand the other way round. */
  boolean areWords() {
    Stream<String> words =
        found.data().examples().stream()
            .filter(example -> example.tokens() != null)
            .flatMap(example -> example.tokens().stream());
    Set<String> kinds = new HashSet<>();
    boolean tags =
        words.allMatch(
            word -> {
              kinds.add(word);
              return TAG.matcher(word).matches();
            });
    if (!tags || kinds.size() < 2 || !kinds.contains("O")) {
      return false;
    }
    found.add(
        Severity.FATAL,
        "columns_swapped",
        "the words are tags ("
            + quoted(kinds.stream().sorted().limit(SHOWN).toList())
            + "): words and tags seem to be exchanged. Where the tag comes first, give "
            + Term.COLUMNS.of("tags,tokens"));
    return true;
  }

  /** A first row that looks like a header, where the file is said to have none. */
  void header() {
    Example first = found.data().size() == 0 ? null : found.data().get(0);
    String option = first == null ? null : found.data().reading().asHeader(first);
    if (option == null || !LabelMap.isPresent(first.label())) {
      return;
    }
    boolean alone = counts.getOrDefault(first.label(), 0) == 1;
    boolean others =
        present().filter(e -> !e.getKey().equals(first.label())).allMatch(e -> e.getValue() > 1);
    if (alone && others && found.data().size() > FEW_EXAMPLES) {
      found.add(
          Severity.WARNING,
          "header_row",
          "row 1 alone has the label \""
              + first.label()
              + "\": if it is a header, "
              + Term.COLUMNS
              + " by position makes it an example. Name the columns instead: "
              + option);
    }
  }

  /** Names that a typing error, or another program's spelling of numbers, may have made. */
  void alike() {
    List<String> gaps = present().map(Map.Entry::getKey).filter(this::isGap).toList();
    if (!gaps.isEmpty()) {
      found.add(
          Severity.WARNING,
          "gap_labels",
          (gaps.size() == 1 ? "the label " : "the labels ")
              + quoted(gaps)
              + (gaps.size() == 1 ? " is" : " are")
              + " what programs write where there is no value, and "
              + (gaps.size() == 1 ? "is a class" : "are classes")
              + " here");
    }
    present()
        .map(Map.Entry::getKey)
        .filter(name -> !name.equals(name.strip()))
        .min(String::compareTo)
        .ifPresent(
            name ->
                found.add(
                    Severity.WARNING,
                    "padded_labels",
                    "labels such as "
                        + quoted(List.of(name))
                        + " begin or end in white space, which is learned as a part of their names."
                        + " In a table no space stands beside a delimiter, nor before a quote"));
    present()
        .map(Map.Entry::getKey)
        .collect(Collectors.groupingBy(LabelFindings::plain))
        .values()
        .stream()
        .filter(names -> names.size() > 1)
        .forEach(
            names ->
                found.add(
                    Severity.WARNING,
                    "similar_labels",
                    "the labels "
                        + quoted(names)
                        + " differ only in case, spaces, accents' form or the spelling of a number,"
                        + " and are different classes"));
  }

  /** Of classes that are numbered from 0 on, -1 is where data sets have no class. */
  private boolean isGap(String name) {
    return GAPS.contains(plain(name))
        || name.equals(NO_CLASS)
            && counts.getOrDefault(FIRST_CLASS, 0) > 0
            && present()
                .map(Map.Entry::getKey)
                .allMatch(n -> n.equals(NO_CLASS) || COUNT.matcher(n).matches());
  }

  /** The same for labels that people would call one: "Pos", "pos " and, of numbers, 1 and 1.0. */
  private static String plain(String label) {
    String composed = Normalizer.normalize(label, Normalizer.Form.NFKC);
    String folded = INVISIBLE.matcher(composed).replaceAll("").strip().toLowerCase(Locale.ROOT);
    if (NUMBER.matcher(folded).matches()) {
      return new BigDecimal(folded).stripTrailingZeros().toPlainString();
    }
    return folded;
  }

  private Stream<Map.Entry<String, Integer>> present() {
    return counts.entrySet().stream().filter(e -> e.getValue() > 0);
  }

  private static String quoted(List<String> names) {
    return names.stream().map(name -> '"' + name + '"').collect(Collectors.joining(", "));
  }
}
