package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * The names of classes that a file has as numbers, where they lie beside it as Hugging Face's
 * datasets keeps them ({@link DescribedClasses}): in the file's folder, or in one of the two above
 * it, as a data set's repository has its card above the folder of its files. What lies further up
 * may be of other data: it counts where it describes all columns of the file and names all its
 * numbers. As in the note within a file ({@link ClassNames}), -1 means that there is no class.
 */
final class ClassesBeside {
  private static final int FOLDERS = 3;
  private static final int SHOWN = 6;
  private static final int NO_CLASS = -1;
  private static final int NO_NUMBER = Integer.MIN_VALUE;

  /** As programs write whole numbers, those that hold columns with gaps as floats among them. */
  private static final Pattern NUMBER = Pattern.compile("-?\\d{1,9}(\\.0+)?");

  private final Path file;
  private final boolean isWanted;
  private final boolean isStrict; // whether a number without a name is an error
  private final Map<String, List<String>> noted; // by column: names that the file itself has
  private final Map<String, List<String>> classes = new HashMap<>(); // by column; empty: no names
  private final Map<String, Path> sources = new HashMap<>(); // of those that have names
  private final Map<String, Finding> findings = new LinkedHashMap<>();

  /**
   * Those of a file.
   *
   * @param noted the names that numbers have got already, by column
   */
  ClassesBeside(Path file, ReadOptions options, Map<String, List<String>> noted) {
    this.file = file;
    this.noted = noted;
    isWanted = options.wantsNames() && Files.isRegularFile(file);
    isStrict = options.classes() == ClassNumbers.NAMED;
  }

  /** The files beside a file that may describe it, the nearest first. */
  static List<Path> sources(Path file) {
    List<Path> found = new ArrayList<>();
    Path folder = file.toAbsolutePath().normalize().getParent();
    for (int i = 0; i < FOLDERS && folder != null; i++, folder = folder.getParent()) {
      for (String name : DescribedClasses.FILES) {
        Path source = folder.resolve(name);
        if (Files.isRegularFile(source)) {
          found.add(source);
        }
      }
    }
    return found;
  }

  /** Whether names may be those of other data, which all rows are to be asked of. */
  boolean looksAhead() {
    return isWanted && isStrict && sources(file).stream().anyMatch(this::isFurtherUp);
  }

  /** Looks at a row before any number gets a name: see the class comment. */
  void look(int row, Map<ColumnRole, String> roles, Map<String, Object> values) {
    ColumnRole.OF_CLASSES.forEach(role -> look(row, role, roles.get(role), values));
  }

  private void look(int row, ColumnRole role, String column, Map<String, Object> values) {
    Object value = column == null ? null : values.get(column);
    boolean isList = value instanceof List<?> || role == ColumnRole.TAGS;
    List<?> items =
        value instanceof List<?> list
            ? list
            : isList && value instanceof String text ? Example.words(text) : Arrays.asList(value);
    for (Object item : items) {
      int number = number(column, item == null ? null : item.toString(), values.keySet());
      boolean isNone = number == NO_NUMBER || number == NO_CLASS && !isList;
      if (!isNone && isFurtherUp(sources.get(column)) && !has(column, number)) {
        findings.remove(column + Finding.Severity.NOTE);
        classes.put(column, unnamed(column, "row " + row + ": " + nameless(column, number)));
        return;
      }
    }
  }

  /**
   * The class of a row by its name; itself where it is no number, or nothing names it.
   *
   * @param columns of the row, by which its description is known
   * @return null where the row has no class
   */
  String label(int row, String column, String label, Set<String> columns) {
    int number = number(column, label, columns);
    return number == NO_CLASS
        ? null
        : number == NO_NUMBER ? label : name(row, column, label, number);
  }

  /** The same of several; null stays null. */
  List<String> labels(int row, String column, List<String> labels, Set<String> columns) {
    if (labels == null) {
      return null;
    }
    List<String> named = new ArrayList<>(labels.size());
    for (String label : labels) {
      int number = number(column, label, columns);
      named.add(number == NO_NUMBER ? label : name(row, column, label, number));
    }
    return named;
  }

  /** What the report says of names. */
  List<Finding> findings() {
    return List.copyOf(findings.values());
  }

  /** The names that numbers have got, here or before, by column; none where some may have none. */
  Map<String, List<String>> names() {
    if (!isWanted || !isStrict) {
      return Map.of();
    }
    Map<String, List<String>> names = new HashMap<>(classes);
    names.values().removeIf(List::isEmpty);
    names.putAll(noted);
    return names;
  }

  /** The number of a class, or that which says that there is none. */
  private int number(String column, String label, Set<String> columns) {
    boolean isNumber =
        isWanted
            && label != null
            && !noted.containsKey(column)
            && NUMBER.matcher(label.strip()).matches();
    if (!isNumber || classes.computeIfAbsent(column, c -> find(c, columns)).isEmpty()) {
      return NO_NUMBER;
    }
    return Integer.parseInt(label.strip().replaceFirst("\\..*", ""));
  }

  private boolean has(String column, int number) {
    return number >= 0 && number < classes.get(column).size();
  }

  private String name(int row, String column, String label, int number) {
    if (has(column, number)) {
      return classes.get(column).get(number);
    }
    if (!isStrict) {
      return label;
    }
    throw new InputException(
        String.format("%s, row %d: ", file, row)
            + nameless(column, number)
            + ". Correct one of the two; "
            + Term.LABEL_NAMES
            + " says what the numbers mean, whatever lies beside the file");
  }

  private String nameless(String column, int number) {
    int count = classes.get(column).size();
    return String.format(
        "\"%s\" is %d, and %s names %s of it, 0 to %d",
        column,
        number,
        shown(sources.get(column)),
        Count.many(count, "class", "classes"),
        count - 1);
  }

  private boolean isFurtherUp(Path source) {
    return !source.getParent().equals(file.toAbsolutePath().normalize().getParent());
  }

  private List<String> find(String column, Set<String> columns) {
    for (Path source : sources(file)) {
      List<DescribedClasses> described;
      try {
        described = DescribedClasses.read(source);
      } catch (InputException e) {
        unnamed(column, e.getMessage());
        continue;
      }
      List<DescribedClasses> having =
          fitting(described, source, columns).stream()
              .filter(each -> each.columns().contains(column))
              .toList();
      if (!having.isEmpty()) {
        return chosen(source, column, columns, having);
      }
    }
    return List.of();
  }

  /**
   * Of several configurations those that describe all columns of the file, those whose name its
   * path has, and those that describe no more: each unless there are none.
   */
  private List<DescribedClasses> fitting(
      List<DescribedClasses> all, Path source, Set<String> columns) {
    Set<String> words = new HashSet<>();
    Path below = source.getParent().relativize(file.toAbsolutePath().normalize());
    below.forEach(part -> words.add(part.toString()));
    List<DescribedClasses> left = narrowed(all, each -> each.columns().containsAll(columns));
    left = narrowed(left, each -> words.contains(each.config()));
    return narrowed(left, each -> each.columns().equals(columns));
  }

  private static List<DescribedClasses> narrowed(
      List<DescribedClasses> all, Predicate<DescribedClasses> fits) {
    List<DescribedClasses> some = all.stream().filter(fits).toList();
    return some.isEmpty() ? all : some;
  }

  private List<String> chosen(
      Path source, String column, Set<String> columns, List<DescribedClasses> described) {
    List<List<String>> differing =
        described.stream()
            .map(each -> each.classes().getOrDefault(column, List.of()))
            .distinct()
            .toList();
    String ofColumn = "of \"" + column + "\"";
    if (differing.size() > 1) {
      return unnamed(
          column,
          shown(source)
              + " names the classes "
              + ofColumn
              + " in several configurations ("
              + String.join(", ", described.stream().map(DescribedClasses::config).toList())
              + ") that differ");
    }
    List<String> names = differing.get(0);
    if (names.isEmpty() || areOwn(names)) {
      return List.of();
    }
    Set<String> others = new LinkedHashSet<>(columns);
    others.removeAll(described.get(0).columns());
    if (isFurtherUp(source) && !others.isEmpty()) {
      return unnamed(
          column,
          shown(source)
              + " names the classes "
              + ofColumn
              + " and does not describe "
              + Excerpt.quoted(List.copyOf(others))
              + ", so that it may be of other data");
    }
    if (names.stream().anyMatch(String::isBlank) || Set.copyOf(names).size() < names.size()) {
      return unnamed(
          column,
          shown(source) + " has names of the classes " + ofColumn + " that are blank or repeated");
    }
    if (names.stream().anyMatch(name -> NUMBER.matcher(name).matches())) {
      return unnamed(
          column,
          shown(source)
              + " has numbers as the names of the classes "
              + ofColumn
              + ", so that a number may be either");
    }
    sources.put(column, source);
    note(
        Finding.Severity.NOTE,
        column,
        "the numbers "
            + ofColumn
            + " are classes, which "
            + shown(source)
            + " names: "
            + Excerpt.quoted(names.subList(0, Math.min(SHOWN, names.size())))
            + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : ""));
    return names;
  }

  /** Whether each number is its own name. */
  private static boolean areOwn(List<String> names) {
    return IntStream.range(0, names.size()).allMatch(i -> names.get(i).equals(Integer.toString(i)));
  }

  /** As the file itself is named, from here or from the root. */
  private String shown(Path source) {
    return (file.isAbsolute() ? source : Path.of("").toAbsolutePath().relativize(source))
        .toString();
  }

  /** Says why the numbers of a column get no names. */
  private List<String> unnamed(String column, String why) {
    note(
        Finding.Severity.WARNING,
        column,
        String.format(
            "%s. The numbers of \"%s\" stay numbers; %s names them",
            why, column, Term.LABEL_NAMES));
    return List.of();
  }

  private void note(Finding.Severity severity, String column, String message) {
    findings.put(column + severity, Finding.ofFile(severity, "class_names", message));
  }
}
