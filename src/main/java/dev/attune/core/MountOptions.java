package dev.attune.core;

import java.nio.file.Path;
import java.util.List;

/** Reads the options of a mounted file system out of Linux's {@code mountinfo}. */
final class MountOptions {
  private MountOptions() {}

  /**
   * The options of the mount that a path lies on, such as {@code rw}, {@code noexec}.
   *
   * @param path absolute, without links
   * @param mountInfo the text of /proc/self/mountinfo (proc(5)): mount point is the fifth word of a
   *     line, its options are the sixth
   */
  static List<String> of(Path path, String mountInfo) {
    List<String> options = List.of();
    int depth = -1;
    for (String line : mountInfo.split("\n")) {
      String[] words = line.split(" ");
      if (words.length < 6) {
        continue;
      }
      Path point = Path.of(unescaped(words[4]));
      // Of two mounts on one point the later covers the earlier.
      if (path.startsWith(point) && point.getNameCount() >= depth) {
        depth = point.getNameCount();
        options = List.of(words[5].split(","));
      }
    }
    return options;
  }

  /** The kernel writes space, tab, newline and backslash as three octal digits. */
  private static String unescaped(String word) {
    return word.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\");
  }
}
