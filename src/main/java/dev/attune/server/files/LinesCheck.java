package dev.attune.server.files;

import dev.attune.server.http.ApiException;
import java.nio.ByteBuffer;

/**
 * Sees that a file is no JSON lines at all, as it comes: each line that is not blank begins with a
 * brace. What is in them is for the job that reads them.
 */
final class LinesCheck {
  private static final int MARK = 0xEFBBBF; // of the byte order, which may stand first

  private long line = 1;
  private boolean atBegin = true;
  private int markBytes;
  private long wrongLine; // 0: none

  /** Looks at the next piece, and does not consume it. */
  void look(ByteBuffer piece) {
    for (int i = piece.position(); i < piece.limit() && wrongLine == 0; i++) {
      look(piece.get(i));
    }
  }

  private void look(byte letter) {
    if (letter == '\n') {
      line++;
      atBegin = true;
    } else if (atBegin && !isBlank(letter)) {
      wrongLine = letter == '{' ? 0 : line;
      atBegin = false;
    }
  }

  private boolean isBlank(byte letter) {
    boolean isMark = line == 1 && markBytes < 3 && letter == (byte) (MARK >> 8 * (2 - markBytes));
    markBytes += isMark ? 1 : 0;
    return isMark || letter == ' ' || letter == '\t' || letter == '\r';
  }

  /** Refuses what was seen, if it is no JSON lines. */
  void check() {
    if (wrongLine > 0) {
      throw ApiException.badRequest(
          "file",
          "Line "
              + wrongLine
              + " is no JSON object: a file for fine-tuning has one in each line, or a name that"
              + " tells its format, such as one that ends in .csv");
    }
  }
}
