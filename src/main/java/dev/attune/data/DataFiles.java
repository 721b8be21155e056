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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The files that paths stand for: a file itself, the files of a folder, those that a pattern
 * matches ({@code data/train-*.csv}), each sorted by name. A folder holds data of one format and
 * nothing else, and no two splits, or it is refused: what a folder holds beside the training data
 * is most often the test data.
 */
final class DataFiles {
  private static final Pattern PATTERN = Pattern.compile("[*?\\[{]");

  /** Words in names that say which split a file is of. */
  private static final List<Set<String>> SPLITS =
      List.of(
          Set.of("train", "training"),
          Set.of("validation", "valid", "val", "dev", "eval"),
          Set.of("test", "testing"));

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
                + pattern(file));
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
    checkSplits(folder, files);
    return files;
  }

  private static boolean isDescription(String name, boolean hasState) {
    return DESCRIPTIONS.contains(name) || hasState && name.equals(STATE);
  }

  /** The pattern of the files that lie in a folder or below it, or beside a file. */
  private static Path pattern(Path of) throws IOException {
    Path from = Files.isDirectory(of) ? of : of.getParent();
    try (Stream<Path> entries = Files.walk(from, DEEPEST)) {
      Path data =
          entries
              .filter(path -> !Files.isDirectory(path) && isVisible(path))
              .filter(path -> !isDescription(path.getFileName().toString(), true))
              .filter(path -> Format.ofExtension(DataFile.uncompressed(path)) != null)
              .sorted()
              .findFirst()
              .orElse(from.resolve("train.csv"));
      String name = data.getFileName().toString();
      return data.resolveSibling("*" + name.substring(name.lastIndexOf('.')));
    }
  }

  private static void checkSplits(Path folder, List<Path> files) {
    Map<Integer, Path> splits = new LinkedHashMap<>();
    for (Path file : files) {
      String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
      List<String> words = Arrays.asList(name.split("[^a-z]+"));
      for (int split = 0; split < SPLITS.size(); split++) {
        if (SPLITS.get(split).stream().anyMatch(words::contains)) {
          splits.putIfAbsent(split, file);
        }
      }
    }
    if (splits.size() > 1) {
      List<String> names =
          splits.values().stream().map(file -> file.getFileName().toString()).toList();
      String first = names.get(0);
      throw new InputException(
          "the folder "
              + folder
              + " holds several splits by their names: "
              + String.join(", ", names)
              + ". Give the files of one, or a pattern such as "
              + folder.resolve(first.split("(?i)[^a-z]")[0] + "*"));
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
    return files;
  }

  /** Names that begin with a point, or as Hadoop's with an underscore, are of no data. */
  private static boolean isVisible(Path file) {
    String name = file.getFileName().toString();
    return !name.startsWith(".") && !name.startsWith("_");
  }
}
