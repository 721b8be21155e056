package dev.attune.data;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The files that paths stand for: a file itself, the files of a folder, those that a pattern
 * matches ({@code data/train-*.csv}), each sorted by name. A folder holds data of one format and
 * nothing else, and no two splits, or it is refused: what a folder holds beside the training data
 * is most often the test data. So is what a pattern matches that says no more than their kind.
 */
final class DataFiles {
  private static final Pattern PATTERN = Pattern.compile("[*?\\[{]");

  /** Words in names that say which split a file is of. */
  private static final List<Pattern> SPLITS =
      Stream.of("train(ing)?", "validation|valid|val|dev|eval", "test(ing)?")
          .map(words -> "(?<![a-z])(" + words + ")(?![a-z])")
          .map(words -> Pattern.compile(words, Pattern.CASE_INSENSITIVE))
          .toList();

  /** The name of a pattern that says no more of files than their kind. */
  private static final Pattern ANY_NAME = Pattern.compile("\\*+(\\.[^*?\\[{]*)?");

  /** What Hugging Face's datasets writes beside data, which is no data itself. */
  private static final Set<String> DESCRIPTIONS =
      Set.of("README.md", "dataset_info.json", "dataset_infos.json", "dataset_dict.json");

  /** Beside {@code dataset_info.json}, one of those too. */
  private static final String STATE = "state.json";

  private static final int DEEPEST = 3;

  private DataFiles() {}

  /**
   * The files, in the order of the paths.
   *
   * @throws InputException where a path stands for nothing, for two kinds of files, or for a file
   *     that another one stands for
   */
  static List<Path> of(List<String> paths, FileOptions options) {
    List<Path> files = new ArrayList<>();
    for (String path : paths) {
      files.addAll(of(path, options));
    }
    Set<Path> distinct = new LinkedHashSet<>();
    for (Path file : files) {
      if (!distinct.add(file.toAbsolutePath().normalize())) {
        throw new InputException(file + " is given twice");
      }
    }
    return files;
  }

  private static List<Path> of(String given, FileOptions options) {
    try {
      Path path = Path.of(given);
      if (Files.isDirectory(path)) {
        return ofFolder(path, options);
      }
      if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS) && PATTERN.matcher(given).find()) {
        return ofPattern(path);
      }
      return List.of(path);
    } catch (PatternSyntaxException e) {
      throw new InputException(
          given
              + " does not exist, and is no pattern of files either: "
              + e.getDescription()
              + ". In a pattern * is any name, ? a letter, [ab] one of some and {a,b} one of several"
              + " words",
          e);
    } catch (InvalidPathException e) {
      throw new InputException("'" + given + "' is no path: " + e.getReason(), e);
    } catch (IOException e) {
      throw new InputException(given + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static List<Path> ofFolder(Path folder, FileOptions options) throws IOException {
    List<Path> files;
    try (Stream<Path> entries = Files.list(folder)) {
      files = entries.filter(DataFiles::isVisible).sorted().toList();
    }
    if (files.isEmpty()) {
      throw new InputException("the folder " + folder + " holds no file");
    }
    boolean hasState = Files.isRegularFile(folder.resolve("dataset_info.json"));
    files =
        files.stream()
            .filter(file -> !isDescription(file.getFileName().toString(), hasState))
            .toList();
    if (files.isEmpty()) {
      throw new InputException("the folder " + folder + " holds no file of data");
    }
    Map<Format, Path> formats = new LinkedHashMap<>();
    for (Path file : files) {
      Format format =
          options.format() != null
              ? options.format()
              : Format.ofExtension(DataFile.uncompressed(file));
      if (Files.isDirectory(file) || format == null) {
        throw new InputException(
            "the folder "
                + folder
                + " holds "
                + file.getFileName()
                + (Files.isDirectory(file)
                    ? ", a folder. Give one that holds the files of one split, or"
                    : ", which is no data file. Give")
                + " a pattern of the files to read, such as "
                + example(folder));
      }
      formats.putIfAbsent(format, file);
    }
    if (formats.size() > 1) {
      throw new InputException(
          "the folder "
              + folder
              + " holds files of several formats: "
              + formats.values().stream()
                  .map(file -> file.getFileName().toString())
                  .collect(Collectors.joining(", "))
              + ". Give a pattern of the files to read, such as "
              + folder.resolve("*." + formats.keySet().iterator().next()));
    }
    checkSplits("the folder " + folder + " holds", folder, files);
    return files;
  }

  private static boolean isDescription(String name, boolean hasState) {
    return DESCRIPTIONS.contains(name) || hasState && name.equals(STATE);
  }

  /** A pattern of files of data in a folder or below it, those to learn if it has such. */
  private static Path example(Path folder) throws IOException {
    try (Stream<Path> entries = Files.walk(folder, DEEPEST)) {
      List<Path> files =
          entries
              .filter(path -> !Files.isDirectory(path) && areVisible(folder.relativize(path)))
              .filter(path -> !isDescription(path.getFileName().toString(), true))
              .filter(path -> Format.ofExtension(DataFile.uncompressed(path)) != null)
              .sorted(Comparator.comparing(Path::getNameCount).thenComparing(path -> path))
              .toList();
      return files.isEmpty() ? folder.resolve("train.csv") : example(folder, files);
    }
  }

  /** A pattern of one split of files: the training data, if they are among them. */
  private static Path example(Path folder, List<Path> files) {
    Path file =
        files.stream()
            .filter(each -> split(folder.relativize(each)) == 0)
            .findFirst()
            .orElse(files.get(0));
    String name = file.getFileName().toString();
    int split = split(file.getFileName());
    if (split < 0) {
      return file.resolveSibling("*" + name.substring(Math.max(0, name.lastIndexOf('.'))));
    }
    Matcher word = SPLITS.get(split).matcher(name);
    word.find();
    int dot = name.indexOf('.', word.end());
    return file.resolveSibling(
        name.substring(0, word.end()) + "*" + (dot < 0 ? "" : name.substring(dot)));
  }

  /** Which split a file is of by its name, or else by those of its folders; -1: not said. */
  private static int split(Path file) {
    for (int i = file.getNameCount() - 1; i >= 0; i--) {
      for (int split = 0; split < SPLITS.size(); split++) {
        if (SPLITS.get(split).matcher(file.getName(i).toString()).find()) {
          return split;
        }
      }
    }
    return -1;
  }

  /**
   * Refuses files of several splits.
   *
   * @param what they are, to stand before them
   * @param from whose folders say splits too
   */
  private static void checkSplits(String what, Path from, List<Path> files) {
    Map<Integer, String> splits = new TreeMap<>();
    for (Path file : files) {
      Path name = from.relativize(file);
      int split = split(name);
      if (split >= 0) {
        splits.putIfAbsent(split, name.toString());
      }
    }
    if (splits.size() > 1) {
      throw new InputException(
          what
              + " several splits by their names: "
              + String.join(", ", splits.values())
              + ". Give the files of one, or a pattern such as "
              + example(from, files));
    }
  }

  private static List<Path> ofPattern(Path pattern) throws IOException {
    Path from = pattern.isAbsolute() ? pattern.getRoot() : Path.of("");
    for (Path part : pattern) {
      if (PATTERN.matcher(part.toString()).find()) {
        break;
      }
      from = from.resolve(part);
    }
    PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
    int depth =
        pattern.toString().contains("**")
            ? Integer.MAX_VALUE
            : pattern.getNameCount() - from.getNameCount() + (from.toString().isEmpty() ? 1 : 0);
    List<Path> files = List.of();
    if (Files.isDirectory(from.toAbsolutePath())) {
      try (Stream<Path> entries = Files.walk(from, depth)) {
        files =
            entries
                .filter(path -> matcher.matches(path) && isVisible(path))
                .filter(path -> !Files.isDirectory(path))
                .sorted()
                .toList();
      }
    }
    if (files.isEmpty()) {
      throw new InputException("the pattern " + pattern + " matches no file");
    }
    if (ANY_NAME.matcher(pattern.getFileName().toString()).matches()) {
      checkSplits("the pattern " + pattern + " matches", from, files);
    }
    return files;
  }

  /** Names that begin with a point, or as Hadoop's with an underscore, are of no data. */
  private static boolean isVisible(Path file) {
    String name = file.getFileName().toString();
    return !name.startsWith(".") && !name.startsWith("_");
  }

  private static boolean areVisible(Path names) {
    return StreamSupport.stream(names.spliterator(), false).allMatch(DataFiles::isVisible);
  }
}
