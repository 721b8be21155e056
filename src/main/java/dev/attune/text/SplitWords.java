package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.List;

/** How words that were split from a text are given to the tokenizer: see the package comment. */
final class SplitWords {
  private final boolean getSpaces;

  private SplitWords(boolean getSpaces) {
    this.getSpaces = getSpaces;
  }

  /**
   * Words of a byte-level tokenizer that adds no space of its own get one, as in running text.
   *
   * @param json tokenizer.json
   */
  static SplitWords of(String json) {
    try {
      return new SplitWords(isByteLevelWithoutPrefix(JsonFile.part(json, "pre_tokenizer")));
    } catch (IOException e) {
      return new SplitWords(false); // The native parser reports what is wrong, and where.
    }
  }

  private static boolean isByteLevelWithoutPrefix(JsonNode preTokenizer) {
    for (JsonNode part : preTokenizer.path("pretokenizers")) {
      if (isByteLevelWithoutPrefix(part)) {
        return true;
      }
    }
    return preTokenizer.path("type").asText().equals("ByteLevel")
        && !preTokenizer.path("add_prefix_space").asBoolean(true);
  }

  /** The words as the tokenizer is to have them. */
  String[] spaced(List<String> words) {
    String[] out = words.toArray(String[]::new);
    if (getSpaces) {
      for (int i = 0; i < out.length; i++) {
        if (!out[i].isEmpty() && !isSpace(out[i].codePointAt(0))) {
          out[i] = " " + out[i];
        }
      }
    }
    return out;
  }

  /** White space as Unicode and the library have it, which is not what Java calls so. */
  private static boolean isSpace(int codePoint) {
    return Character.isSpaceChar(codePoint)
        || codePoint >= '\t' && codePoint <= '\r'
        || codePoint == 0x85;
  }
}
