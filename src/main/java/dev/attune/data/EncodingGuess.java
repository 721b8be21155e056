package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Which encoding bytes look like. Only messages say it: a text is never read by a guess, which
 * would turn letters into other letters without a sound.
 */
final class EncodingGuess {
  /** Bytes of rows that are not in the encoding, which the guess looks at. */
  private static final int ENOUGH = 1 << 16;

  private static final List<String> EAST_ASIAN = List.of("GB18030", "Shift_JIS", "EUC-KR", "Big5");

  private static final String MAC = "x-MacRoman";

  /**
   * Letters on old Macs (é, è, ê, ç, ñ, á, à, â, ü …) that are seldom ones in Windows' encoding.
   */
  private static final String MAC_LETTERS =
      "\u0087\u0088\u0089\u008A\u008B\u008D\u008E\u008F\u0090\u0098\u009D\u009F";

  private EncodingGuess() {}

  /** UTF-16 without a mark, by where its zero bytes stand; null where it is not. */
  static String wide(byte[] head) {
    int[] zeros = new int[2];
    for (int i = 0; i < head.length; i++) {
      zeros[i & 1] += head[i] == 0 ? 1 : 0;
    }
    int half = head.length / 2;
    int few = half / 20;
    if (half > 0 && zeros[1] > half / 5 && zeros[0] <= few) {
      return "UTF-16LE";
    }
    return half > 0 && zeros[0] > half / 5 && zeros[1] <= few ? "UTF-16BE" : null;
  }

  /** The complaint about a file with bytes that its encoding does not have: the first such row. */
  static InputException malformed(DataFile file, Charset charset) {
    if (charset.name().startsWith("UTF-16") || charset.name().startsWith("UTF-32")) {
      return new InputException(
          file.shown()
              + " is not "
              + charset
              + " throughout; "
              + Term.ENCODING
              + " must be another");
    }
    ByteArrayOutputStream bad = new ByteArrayOutputStream();
    int badRow = 0;
    int badAt = 0;
    int badByte = 0;
    try (InputStream in = file.open()) {
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      int b = 0;
      for (int row = 1; b >= 0 && bad.size() < ENOUGH; row++) {
        line.reset();
        for (b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
          line.write(b);
        }
        ByteBuffer bytes = ByteBuffer.wrap(line.toByteArray());
        try {
          charset.newDecoder().decode(bytes);
        } catch (CharacterCodingException e) {
          if (badRow == 0) {
            badRow = row;
            badAt = bytes.position() + 1;
            badByte = line.toByteArray()[bytes.position()] & 0xFF;
          }
          bad.writeBytes(line.toByteArray());
          bad.write('\n'); // or the last word of a row and the first of the next are one
        }
      }
    } catch (IOException | RuntimeException e) {
      return file.unreadable(e);
    }
    if (badRow == 0) {
      return new InputException(file.shown() + " is not " + charset + " throughout");
    }
    return new InputException(
        String.format(
            "%s, row %d: byte %d (0x%02X) is not %s. %s",
            file.shown(), badRow, badAt, badByte, charset, advice(bad.toByteArray(), charset)));
  }

  private static String advice(byte[] bytes, Charset read) {
    String wide = wide(bytes);
    String likely = wide != null ? wide : narrow(bytes);
    if (likely == null || read.name().equals(likely)) {
      List<String> possible = EAST_ASIAN.stream().filter(name -> decodes(bytes, name)).toList();
      return "Say in which encoding the file is"
          + (possible.isEmpty()
              ? ": " + Term.ENCODING + " NAME"
              : "; by its bytes it may be "
                  + possible.stream().map(Term.ENCODING::of).collect(Collectors.joining(" or ")));
    }
    return "The text looks like " + likely + "; if so, say it: " + Term.ENCODING.of(likely);
  }

  /**
   * An encoding of one byte a letter: Western where words have as many letters of ASCII as others,
   * Cyrillic where words have fewer and stand in the range of its letters; null for any other. The
   * text is of an old Mac where the others are none of Windows' letters and follow ASCII's.
   */
  private static String narrow(byte[] bytes) {
    int mixed = 0;
    int pure = 0;
    int letters = 0;
    int mac = 0;
    int at = 0;
    while (at < bytes.length) {
      int plain = 0;
      int beyond = 0;
      for (; at < bytes.length && isLetter(bytes[at]); at++) {
        plain += bytes[at] < 0 ? 0 : 1;
        beyond += bytes[at] < 0 ? 1 : 0;
        letters += (bytes[at] & 0xFF) >= 0xC0 ? 1 : 0;
        mac += plain > 0 && MAC_LETTERS.indexOf((char) (bytes[at] & 0xFF)) >= 0 ? 1 : 0;
      }
      // One that stands alone and is none of Cyrillic's letters is a sign, such as a pound's.
      boolean isSign = plain == 0 && beyond == 1 && (bytes[at - 1] & 0xFF) < 0xC0;
      boolean isMixed = isSign || plain >= beyond;
      mixed += isMixed ? beyond : 0;
      pure += isMixed ? 0 : beyond;
      at++;
    }
    if (mixed >= pure && 2 * mac > mixed && Charset.isSupported(MAC)) {
      return MAC;
    }
    if (mixed >= pure && decodes(bytes, "windows-1252")) {
      return "windows-1252";
    }
    boolean cyrillic = letters > 0.9 * (mixed + pure);
    return cyrillic && decodes(bytes, "windows-1251") ? "windows-1251" : null;
  }

  private static boolean isLetter(byte b) {
    return b < 0 || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z';
  }

  private static boolean decodes(byte[] bytes, String charset) {
    try {
      Charset.forName(charset).newDecoder().decode(ByteBuffer.wrap(bytes));
      return true;
    } catch (CharacterCodingException e) {
      return false;
    }
  }
}
