package dev.attune.data;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Tells a file of words and tags (CoNLL) from its rows: every line has the same number of columns,
 * two or more, and blank lines part sentences; or it begins with {@code -DOCSTART-}.
 */
final class TaggedLines {
  /** Lines that are looked at. */
  private static final int ENOUGH = 2_000;

  private TaggedLines() {}

  static boolean areIn(DataFile file, FileOptions options) {
    boolean isUniversal = UniversalLines.areIn(file, options);
    try (TextLines lines = new TextLines(file.shown(), new DecodedText(file, options.encoding()))) {
      Set<Integer> widths = new HashSet<>();
      int words = 0;
      int boundaries = 0;
      boolean named = false;
      for (String raw = lines.next(); raw != null && lines.number() < ENOUGH; raw = lines.next()) {
        String line = TextLines.chomp(raw);
        if (line.startsWith("-DOCSTART-")) {
          return true;
        }
        if (line.isBlank()) {
          boundaries += words > 0 ? 1 : 0;
          continue;
        }
        if (ConllReader.isComment(line, isUniversal)) {
          continue;
        }
        String[] cells = TextLines.columns(line);
        named |= words == 0 && Columns.automatic().isUsable(new HashSet<>(List.of(cells)));
        widths.add(cells.length);
        words++;
      }
      return !named && words > 1 && boundaries > 0 && widths.size() == 1 && !widths.contains(1);
    }
  }
}
