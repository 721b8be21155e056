package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * The characters of a data file, decoded strictly: bytes that its encoding does not have are an
 * error with their row, which names the encoding that they look like. A byte order mark is no text;
 * that of UTF-16 or UTF-32 says the encoding. UTF-16 without a mark is refused with its name.
 */
final class DecodedText extends Reader {
  private record Mark(Charset charset, int length) {
    private static final Charset UTF_32LE = Charset.forName("UTF-32LE");
    private static final Charset UTF_32BE = Charset.forName("UTF-32BE");

    private static Mark of(byte[] head) {
      if (Magic.starts(head, 0xEF, 0xBB, 0xBF)) {
        return new Mark(StandardCharsets.UTF_8, 3);
      }
      if (Magic.starts(head, 0xFF, 0xFE, 0, 0)) {
        return new Mark(UTF_32LE, 4);
      }
      if (Magic.starts(head, 0, 0, 0xFE, 0xFF)) {
        return new Mark(UTF_32BE, 4);
      }
      if (Magic.starts(head, 0xFF, 0xFE)) {
        return new Mark(StandardCharsets.UTF_16LE, 2);
      }
      return Magic.starts(head, 0xFE, 0xFF) ? new Mark(StandardCharsets.UTF_16BE, 2) : null;
    }
  }

  private final DataFile file;
  private final Charset charset;
  private final Reader reader;

  /**
   * Opens a file's text.
   *
   * @param given the encoding that the user names, or null
   */
  DecodedText(DataFile file, Charset given) {
    this.file = file;
    Mark mark = Mark.of(file.head());
    if (mark != null && given != null && !agree(given, mark.charset)) {
      throw new InputException(
          file.shown()
              + " begins with the byte order mark of "
              + mark.charset
              + ", but "
              + Term.ENCODING.of(given)
              + " was given; leave it out");
    }
    String wide = mark == null && given == null ? EncodingGuess.wide(file.head()) : null;
    if (wide != null) {
      throw new InputException(
          file.shown()
              + " is no UTF-8 text: every other byte is zero, as in "
              + wide
              + " without a byte order mark. If so, say it: "
              + Term.ENCODING.of(wide));
    }
    charset = mark != null ? mark.charset : given != null ? given : StandardCharsets.UTF_8;
    try {
      InputStream in = file.open();
      in.skipNBytes(mark == null ? 0 : mark.length);
      reader =
          new InputStreamReader(
              in,
              charset
                  .newDecoder()
                  .onMalformedInput(CodingErrorAction.REPORT)
                  .onUnmappableCharacter(CodingErrorAction.REPORT));
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  /** UTF-16 as such has either order; the mark says which. */
  private static boolean agree(Charset given, Charset marked) {
    return given.equals(marked) || given.name().equals(marked.name().replaceAll("[LB]E$", ""));
  }

  /** The encoding, to be stated in the data report; empty for UTF-8. */
  String note() {
    return charset.equals(StandardCharsets.UTF_8) ? "" : charset.name();
  }

  @Override
  public int read(char[] buffer, int from, int length) {
    try {
      return reader.read(buffer, from, length);
    } catch (CharacterCodingException e) {
      throw file.isOnce()
          ? new InputException(
              file.shown()
                  + " has bytes that are not "
                  + charset
                  + ". Say in which encoding it is: "
                  + Term.ENCODING
                  + " NAME")
          : EncodingGuess.malformed(file, charset);
    } catch (IOException | RuntimeException e) {
      throw e instanceof InputException known ? known : file.unreadable(e);
    }
  }

  @Override
  public void close() {
    try {
      reader.close();
    } catch (IOException e) {
      throw new InputException(file.shown() + " cannot be closed: " + e.getMessage(), e);
    }
  }
}
