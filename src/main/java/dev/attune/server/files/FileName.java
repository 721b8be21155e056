package dev.attune.server.files;

import dev.attune.server.http.ApiException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The name that a client gives a file. */
final class FileName {
  private static final int MOST_LETTERS = 255;

  /** What tells how a file of data is to be read. */
  private static final Pattern ENDING =
      Pattern.compile("\\.(jsonl|json|csv|tsv|parquet|conll|txt)(\\.(gz|zst))?$");

  private static final String USUAL_ENDING = ".jsonl";

  private FileName() {}

  /**
   * The name without folders, which who downloads the file might follow.
   *
   * @throws ApiException if it is none
   */
  static String of(String given) {
    String name = given.substring(given.lastIndexOf('/') + 1);
    name = name.substring(name.lastIndexOf('\\') + 1).strip();
    boolean isName =
        !name.isEmpty()
            && name.length() <= MOST_LETTERS
            && !name.equals(".")
            && !name.equals("..")
            && name.chars().noneMatch(Character::isISOControl);
    if (!isName) {
      throw ApiException.badRequest(
          "filename",
          "The file's name must have 1 to " + MOST_LETTERS + " letters, and no control characters");
    }
    return name;
  }

  /** What the file's name on the disk ends in, so that its content is read as what it is. */
  static String ending(String name, String purpose) {
    Matcher ending = ENDING.matcher(name.toLowerCase(Locale.ROOT));
    return ending.find() ? ending.group() : purpose.equals(Purpose.FINE_TUNE) ? USUAL_ENDING : "";
  }

  /** Whether it holds, or by its name should hold, an object a line. */
  static boolean isLines(String name) {
    return ending(name, Purpose.FINE_TUNE).equals(USUAL_ENDING);
  }
}
