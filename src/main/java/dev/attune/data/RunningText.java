package dev.attune.data;

import dev.attune.core.InterruptedCallException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A text that is too large to be one string, as parts that follow each other. A part ends behind a
 * line break between two lines that have no white space there, where tokenizers part words anyway;
 * whoever tokenises it compares.
 */
final class RunningText {
  /** Characters of a part, from which it ends at the next good place, or at any line break. */
  private static final int PART = 1 << 18;

  private static final int LARGEST_PART = 1 << 22;

  private final Path file;
  private final TextLines lines;
  private final RowSpace.Rows<Example> parts;
  private final StringBuilder part = new StringBuilder();
  private int begin = 1; // the line on which the part begins
  private boolean isBlank = true;

  RunningText(Path file, TextLines lines, RowSpace space) {
    this.file = file;
    this.lines = lines;
    this.parts = space.examples();
  }

  Dataset read() {
    boolean endsWell = false; // whether the last line ends in a word and a break
    for (String line = lines.next(); line != null; line = lines.next()) {
      InterruptedCallException.check("reading " + file);
      String text = TextLines.chomp(line);
      boolean isGoodPlace = endsWell && !text.isEmpty() && !isSpace(text.codePointAt(0));
      if (!isBlank
          && part.length() >= PART
          && (isGoodPlace || part.length() >= LARGEST_PART)
          && !text.isBlank()) {
        flush();
        begin = lines.number();
      }
      part.append(text).append(lines.endsInBreak() ? "\n" : "");
      isBlank &= text.isBlank();
      endsWell =
          lines.endsInBreak() && !text.isEmpty() && !isSpace(text.codePointBefore(text.length()));
    }
    flush();
    FileReading reading = FileReading.of("one running text").running();
    return new Dataset(file, parts.list(), reading);
  }

  private static boolean isSpace(int character) {
    return Character.isWhitespace(character) || Character.isSpaceChar(character);
  }

  private void flush() {
    String text = part.toString();
    part.setLength(0);
    isBlank = true;
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("text", text);
    parts.add(new Example(begin, text, null, null, null, null, fields));
  }
}
