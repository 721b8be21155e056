package dev.attune.server.http;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A path's steps. They are parted before they are decoded, so that a slash that is written {@code
 * %2F} is a letter of a name, as in that of a base model.
 */
final class Steps {
  private Steps() {}

  /**
   * Those of a path as it was sent.
   *
   * @throws ApiException if it leads up, or is no text
   */
  static List<String> of(String path) {
    List<String> steps = new ArrayList<>();
    for (String step : path.split("/", -1)) {
      String decoded = decoded(step);
      boolean leadsUp = decoded.equals(".") || decoded.equals("..");
      if (leadsUp || decoded.chars().anyMatch(Character::isISOControl)) {
        throw ApiException.badRequest(null, "The path has a step that is no name");
      }
      steps.add(decoded);
    }
    return steps;
  }

  private static String decoded(String step) {
    byte[] bytes = new byte[step.length()];
    int length = 0;
    for (int i = 0; i < step.length(); i++) {
      char letter = step.charAt(i);
      int value = letter;
      if (letter == '%') {
        int high = i + 2 < step.length() ? Character.digit(step.charAt(i + 1), 16) : -1;
        int low = i + 2 < step.length() ? Character.digit(step.charAt(i + 2), 16) : -1;
        value = high < 0 || low < 0 ? -1 : high << 4 | low;
        i += 2;
      }
      if (value < 0 || value > 255) {
        throw notEncoded();
      }
      bytes[length++] = (byte) value;
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, 0, length))
          .toString();
    } catch (CharacterCodingException e) {
      throw notEncoded();
    }
  }

  private static ApiException notEncoded() {
    return ApiException.badRequest(null, "The path is not percent-encoded UTF-8");
  }
}
