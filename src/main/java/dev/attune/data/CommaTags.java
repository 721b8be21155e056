package dev.attune.data;

import dev.attune.core.Count;
import java.util.List;
import java.util.regex.Pattern;

/** Tags that stand in one cell with commas between them, with white space or without. */
final class CommaTags {
  private static final Pattern COMMA_BEHIND = Pattern.compile("[^,]+,");

  private int rows;

  /**
   * A row's tags, one a token.
   *
   * @param tokens of the row, or null
   * @param tags as they stand there, or null
   * @return the tags themselves where commas do not part them into one a token
   */
  List<String> parted(List<String> tokens, List<String> tags) {
    if (tokens == null || tags == null || tokens.size() < 2 || tags.isEmpty()) {
      return tags;
    }
    boolean isSpaced =
        tags.size() > 1
            && tags.subList(0, tags.size() - 1).stream()
                .allMatch(t -> COMMA_BEHIND.matcher(t).matches());
    List<String> parts =
        isSpaced || tags.size() == 1 ? List.of(String.join("", tags).split(",", -1)) : List.of();
    if (parts.size() != tokens.size() || parts.contains("")) {
      return tags;
    }
    rows++;
    return parts;
  }

  /** What the report says of them. */
  List<Finding> findings() {
    return rows == 0
        ? List.of()
        : List.of(
            Finding.ofFile(
                Finding.Severity.NOTE,
                "comma_tags",
                Count.many(rows, "row has", "rows have") + " tags that are parted by commas"));
  }
}
