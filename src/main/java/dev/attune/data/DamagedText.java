package dev.attune.data;

import static dev.attune.core.Count.many;

import dev.attune.data.Finding.Severity;
import dev.attune.text.ChatMessage;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Texts that are well-formed and whose letters are others than were meant: UTF-8 that was once read
 * as windows-1252 ("cafÃ©"), UTF-7 ("caf+AOk-"), and characters that decoders put where they could
 * not read (U+FFFD) or that no text has (U+0000, U+FEFF). A model would learn them as they are.
 */
final class DamagedText {
  private static final Charset WESTERN = Charset.forName("windows-1252");

  /** What windows-1252 shows of the bytes behind the first of a letter. */
  private static final String MORE = "[\\u0080-\\u00BF€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]";

  /**
   * How it shows Latin letters with marks, Greek and Cyrillic; typographic marks; and Chinese,
   * Japanese and Korean, of which one alone may be French ("é" before a hard space and "»").
   */
  private static final Pattern TWICE =
      Pattern.compile("[ÂÃÎÏÐÑ]" + MORE + "|â€" + MORE + "|(?:[ãäåæçèéêëìí]" + MORE + "{2}){2,}");

  private static final String LOST = "\uFFFD\0\uFEFF";

  private static final Pattern UTF_7 = Pattern.compile("\\+([A-Za-z0-9+/]{3,})-");

  private DamagedText() {}

  static void find(Findings found) {
    report(
        found,
        "decoded_twice",
        DamagedText::isDecodedTwice,
        " letters like Ã© for é: UTF-8 that was read as windows-1252 when the file was made. Make it"
            + " anew, or turn it back: iconv -f UTF-8 -t WINDOWS-1252 FILE > UTF-8-FILE");
    report(
        found,
        "utf7",
        DamagedText::isUtf7,
        " letters like +AOk- for é: the file seems to be UTF-7. Convert it: iconv -f UTF-7 -t UTF-8"
            + " FILE > UTF-8-FILE");
    report(
        found,
        "unreadable_characters",
        text -> LOST.chars().anyMatch(c -> text.indexOf(c) >= 0),
        " the character that stands for what could not be decoded (U+FFFD), a zero (U+0000), or a"
            + " byte order mark (U+FEFF) as where files were joined. Make the file anew, in UTF-8");
  }

  private static void report(Findings found, String code, Predicate<String> is, String what) {
    found.examples(
        Severity.WARNING,
        code,
        example -> texts(example).anyMatch(is),
        n -> many(n, "row has", "rows have") + what);
  }

  private static Stream<String> texts(Example example) {
    Stream<String> plain =
        Stream.of(
                example.text(),
                example.textPair(),
                example.prompt(),
                example.completion(),
                example.label())
            .filter(Objects::nonNull);
    Stream<String> words =
        Stream.of(example.tokens(), example.labels())
            .filter(Objects::nonNull)
            .flatMap(List::stream);
    Stream<String> turns =
        example.messages() == null
            ? Stream.of()
            : example.messages().stream().map(ChatMessage::content).filter(Objects::nonNull);
    return Stream.of(plain, words, turns).flatMap(Function.identity());
  }

  /** Whether the bytes that windows-1252 has for a stretch are letters of UTF-8. */
  static boolean isDecodedTwice(String text) {
    for (Matcher some = TWICE.matcher(text); some.find(); ) {
      String once = new String(bytes(some.group()), StandardCharsets.UTF_8);
      if (once.indexOf('\uFFFD') < 0) {
        return true;
      }
    }
    return false;
  }

  /** The five bytes that windows-1252 has no letter for are controls, as most decoders have it. */
  private static byte[] bytes(String text) {
    byte[] bytes = new byte[text.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = text.charAt(i);
      bytes[i] = c < 0xA0 ? (byte) c : text.substring(i, i + 1).getBytes(WESTERN)[0];
    }
    return bytes;
  }

  /**
   * Whether a stretch is base64 of UTF-16 with letters beyond ASCII alone: a single one of Latin,
   * Greek, Cyrillic or another of the first scripts, or several of any.
   */
  static boolean isUtf7(String text) {
    for (Matcher some = UTF_7.matcher(text); some.find(); ) {
      String base64 = some.group(1);
      byte[] bytes;
      try {
        bytes = Base64.getDecoder().decode(base64);
      } catch (IllegalArgumentException e) {
        continue; // another number of digits than base64 has
      }
      byte[] whole = Arrays.copyOf(bytes, bytes.length / 2 * 2);
      boolean isWhole = Base64.getEncoder().withoutPadding().encodeToString(whole).equals(base64);
      if (isWhole && isForeign(new String(whole, StandardCharsets.UTF_16BE))) {
        return true;
      }
    }
    return false;
  }

  private static boolean isForeign(String letters) {
    return letters.codePoints().allMatch(c -> c >= 0x80 && Character.isDefined(c))
        && (letters.length() > 1 || letters.charAt(0) < 0x2100)
        && letters.codePoints().noneMatch(Character::isISOControl);
  }
}
