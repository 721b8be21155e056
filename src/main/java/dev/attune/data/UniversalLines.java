package dev.attune.data;

import dev.attune.core.InputException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The lines of CoNLL-U, as Universal Dependencies has its treebanks: ten columns, the first of
 * which numbers the words of a sentence.
 *
 * <p>A file is told from others of ten columns by its first sentence: every line there has an ID
 * (the number of a word, a range of words or an empty node), the numbers of words go up, and the
 * head of a word is a number or none. Lines of other widths tell nothing, as they can be read by
 * nobody.
 */
final class UniversalLines {
  /** Columns. */
  static final int WIDTH = 10;

  /** The column of the word. */
  static final int FORM = 1;

  /** The column of its tag. */
  static final int UPOS = 3;

  private static final int HEAD = 6;

  // Nine digits fit an int.
  private static final Pattern ID = Pattern.compile("(\\d{1,9})([-.]\\d+)?");
  private static final Pattern HEADS = Pattern.compile("_|\\d+");

  private UniversalLines() {}

  /** Whether a file is of such lines. */
  static boolean areIn(DataFile file, FileOptions options) {
    int last = -1; // the number of the word before; -1: there was none
    try (TextLines lines = new TextLines(file.shown(), new DecodedText(file, options.encoding()))) {
      for (String raw = lines.next(); raw != null; raw = lines.next()) {
        String line = TextLines.chomp(raw);
        if (line.isBlank() && last >= 0) {
          return true;
        }
        if (line.isBlank() || line.startsWith("#") || line.startsWith("-DOCSTART-")) {
          continue;
        }
        String[] cells = TextLines.columns(line);
        if (cells.length != WIDTH) {
          continue;
        }
        Matcher id = ID.matcher(cells[0].strip());
        if (!id.matches() || !HEADS.matcher(cells[HEAD].strip()).matches()) {
          return false;
        }
        if (id.group(2) == null) {
          int number = Integer.parseInt(id.group(1));
          if (last >= 0 && number <= last) {
            return false;
          }
          last = number;
        }
      }
    } catch (InputException e) {
      return last >= 0; // which is told where the file is read
    }
    return last >= 0;
  }

  /** Whether a line is of a range of words that are one in the text, or of a word not there. */
  static boolean isNoWord(String[] cells) {
    Matcher id = ID.matcher(cells[0].strip());
    return cells.length == WIDTH && id.matches() && id.group(2) != null;
  }
}
