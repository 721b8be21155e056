package dev.attune.weights;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Wording shared by the readers, and the one way bytes of a file become text. */
final class Messages {
  private Messages() {}

  /** A name out of a file, made safe to print: control characters escaped, at most 120 long. */
  static String shown(String name) {
    StringBuilder out = new StringBuilder("'");
    name.codePoints()
        .limit(120)
        .forEach(
            c -> {
              if (Character.isISOControl(c)) {
                out.append(String.format("\\u%04x", c));
              } else {
                out.appendCodePoint(c);
              }
            });
    return out.append(name.length() > 120 ? "…'" : "'").toString();
  }

  static InputException bad(Path file, String format, Object... args) {
    return new InputException(file + ": " + String.format(format, args));
  }

  static InputException unreadable(Path file, IOException cause) {
    String reason =
        cause instanceof NoSuchFileException
            ? "not found"
            : cause instanceof AccessDeniedException
                ? "no permission to read it"
                : "cannot be read: " + cause.getMessage();
    return new InputException(file + ": " + reason, cause);
  }

  static InputException unknown(Path file, String name, int count) {
    return bad(
        file,
        "no tensor %s among the %d in it; is this the right model for the configuration?",
        shown(name),
        count);
  }

  /** Decodes UTF-8 strictly: a malformed sequence is an exception, not a replacement character. */
  static String utf8(ByteBuffer bytes) throws CharacterCodingException {
    return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
  }
}
