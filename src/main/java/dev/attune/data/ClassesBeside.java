package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The names of classes that a file has as numbers, where they lie beside it as Hugging Face's
 * datasets keeps them ({@link DescribedClasses}): in the file's folder, or in one of the two above
 * it, as a data set's repository has its card above the folder of its files. As in the note within
 * a file ({@link ClassNames}), -1 means that there is no class.
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
  private final Map<String, List<String>> classes = new HashMap<>(); // by column; empty: no names
  private final Map<String, String> sources = new HashMap<>(); // of those that have names
  private final Map<String, Finding> findings = new LinkedHashMap<>();

  /**
   * Those of a file.
   *
   * @param isWanted whether numbers are to get names
   */
  ClassesBeside(Path file, boolean isWanted) {
    this.file = file;
    this.isWanted = isWanted && Files.isRegularFile(file);
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

  /**
   * The class of a row by its name; itself where it is no number, or nothing names it.
   *
   * @param columns of the row, by which its description is known
   * @return null where the row has no class
   */
  String label(int row, String column, String label, Set<String> columns) {
    int number = number(column, label, columns);
    return number == NO_CLASS ? null : number == NO_NUMBER ? label : name(row, column, number);
  }

  /** The same of several; null stays null. */
  List<String> labels(int row, String column, List<String> labels, Set<String> columns) {
    if (labels == null) {
      return null;
    }
    List<String> named = new ArrayList<>(labels.size());
    for (String label : labels) {
      int number = number(column, label, columns);
      named.add(number == NO_NUMBER ? label : name(row, column, number));
    }
    return named;
  }

  /** What the report says of names. */
  List<Finding> findings() {
    return List.copyOf(findings.values());
  }

  /** The number of a class, or that which says that there is none. */
  private int number(String column, String label, Set<String> columns) {
    boolean isNumber = isWanted && label != null && NUMBER.matcher(label.strip()).matches();
    if (!isNumber || classes.computeIfAbsent(column, c -> find(c, columns)).isEmpty()) {
      return NO_NUMBER;
    }
    return Integer.parseInt(label.strip().replaceFirst("\\..*", ""));
  }

  private String name(int row, String column, int number) {
    List<String> names = classes.get(column);
    if (number < 0 || number >= names.size()) {
      throw new InputException(
          String.format(
                  "%s, row %d: \"%s\" is %d, and %s names %s of it, 0 to %d. Correct one of the two; ",
                  file,
                  row,
                  column,
                  number,
                  sources.get(column),
                  Count.many(names.size(), "class", "classes"),
                  names.size() - 1)
              + Term.LABEL_NAMES
              + " says what the numbers mean, whatever lies beside the file");
    }
    return names.get(number);
  }

  private List<String> find(String column, Set<String> columns) {
    for (Path source : sources(file)) {
      List<DescribedClasses> described;
      try {
        described = DescribedClasses.read(source);
      } catch (InputException e) {
        note(Finding.Severity.WARNING, column, e.getMessage() + unnamed(column));
        continue;
      }
      List<DescribedClasses> having =
          described.stream().filter(each -> each.classes().containsKey(column)).toList();
      if (!having.isEmpty()) {
        return chosen(source, column, fitting(having, source, columns));
      }
    }
    return List.of();
  }

  /** Of several configurations those whose columns are the file's, and whose name its path has. */
  private List<DescribedClasses> fitting(
      List<DescribedClasses> all, Path source, Set<String> columns) {
    Set<String> words = new HashSet<>();
    Path below = source.getParent().relativize(file.toAbsolutePath().normalize());
    below.forEach(part -> words.add(part.toString()));
    List<DescribedClasses> same =
        all.stream().filter(each -> each.columns().equals(columns)).toList();
    List<DescribedClasses> left = same.isEmpty() ? all : same;
    List<DescribedClasses> named =
        left.stream().filter(each -> words.contains(each.config())).toList();
    return named.isEmpty() ? left : named;
  }

  private List<String> chosen(Path source, String column, List<DescribedClasses> described) {
    List<String> names = described.get(0).classes().get(column);
    if (described.stream().anyMatch(each -> !each.classes().get(column).equals(names))) {
      note(
          Finding.Severity.WARNING,
          column,
          shown(source)
              + " names the classes of \""
              + column
              + "\" in several configurations ("
              + String.join(", ", described.stream().map(DescribedClasses::config).toList())
              + ") that differ"
              + unnamed(column));
      return List.of();
    }
    boolean areNumbers = names.stream().anyMatch(name -> NUMBER.matcher(name).matches());
    if (areNumbers) {
      boolean areOwn = true;
      for (int i = 0; i < names.size(); i++) {
        areOwn &= names.get(i).equals(Integer.toString(i));
      }
      if (!areOwn) {
        note(
            Finding.Severity.WARNING,
            column,
            shown(source)
                + " has numbers as the names of the classes of \""
                + column
                + "\", so that a number may be either"
                + unnamed(column));
      }
      return List.of();
    }
    sources.put(column, shown(source));
    note(
        Finding.Severity.NOTE,
        column,
        "the numbers of \""
            + column
            + "\" are classes, which "
            + shown(source)
            + " names: "
            + Excerpt.quoted(names.subList(0, Math.min(SHOWN, names.size())))
            + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : ""));
    return names;
  }

  /** As the file itself is named, from here or from the root. */
  private String shown(Path source) {
    return (file.isAbsolute() ? source : Path.of("").toAbsolutePath().relativize(source))
        .toString();
  }

  private static String unnamed(String column) {
    return ". The numbers of \"" + column + "\" stay numbers; " + Term.LABEL_NAMES + " names them";
  }

  private void note(Finding.Severity severity, String column, String message) {
    findings.put(column + severity, Finding.ofFile(severity, "class_names", message));
  }
}
