package dev.attune.server.http;

import java.util.function.ToIntFunction;
import org.eclipse.jetty.io.EofException;

/**
 * Looks at the texts of a request before they are tokenised as wholes, for which nothing stops it
 * once it has begun: one that no context holds is refused by its length, or after its first pieces;
 * and it is asked between whether anybody still waits.
 */
public final class LongTexts {
  /** Texts up to this are tokenised at once: it takes some hundredths of a second. */
  static final int PIECE_LETTERS = 1 << 16;

  /** No vocabulary has longer tokens, but for a few of spaces. */
  private static final int LETTERS_OF_TOKEN = 256;

  /** A cut may part tokens, and each piece has special ones. */
  private static final int TOKENS_OF_CUT = 16;

  /** What of a text that is to be cut is tokenised in any case. */
  private static final int MOST_TO_CUT = 1 << 20;

  /** Asks whether anybody still waits. */
  @FunctionalInterface
  public interface Look {
    /**
     * @throws EofException if the client has gone
     */
    void look() throws EofException;
  }

  private final String param;
  private final int context;
  private final ToIntFunction<String> tokens;
  private final Look look;
  private long letters; // since the last look

  /**
   * @param param the field that has the texts
   * @param context tokens that the model reads at most
   * @param tokens how many a piece of text has
   */
  public LongTexts(String param, int context, ToIntFunction<String> tokens, Look look) {
    this.param = param;
    this.context = context;
    this.tokens = tokens;
    this.look = look;
  }

  /** Of a request, whose client and key are looked at. */
  public static LongTexts of(
      Exchange exchange, String param, int context, ToIntFunction<String> tokens) {
    return new LongTexts(
        param,
        context,
        tokens,
        () -> {
          exchange.checkCaller();
          if (exchange.clientIsGone()) {
            throw new EofException("the client has gone");
          }
        });
  }

  /**
   * Refuses a text of more letters than fit, where nothing else can be known yet.
   *
   * @param context tokens that the model reads at most
   * @throws ApiException with the numbers
   */
  public static void checkLetters(String param, int context, String text) {
    if (text.length() > most(context)) {
      throw tooLong(
          param,
          context,
          "a text of '"
              + param
              + "' has "
              + text.length()
              + " letters, which no "
              + context
              + " tokens have");
    }
  }

  /**
   * Refuses a text that cannot fit.
   *
   * @throws ApiException with what is known of its length
   */
  public void check(String text) throws EofException {
    int length = text.length();
    if (length <= PIECE_LETTERS) {
      read(length);
      return;
    }
    checkLetters(param, context, text);
    long sum = 0;
    int cuts = 0;
    for (int from = 0; from < length; cuts++) {
      int to = Math.min(length, from + PIECE_LETTERS);
      if (to < length && Character.isHighSurrogate(text.charAt(to - 1))) {
        to--;
      }
      read(to - from);
      sum += tokens.applyAsInt(text.substring(from, to));
      if (sum > context + (long) TOKENS_OF_CUT * (cuts + 1)) {
        throw tooLong(
            param,
            context,
            to == length
                ? "a text of '" + param + "' has about " + sum
                : "the first "
                    + to
                    + " letters of a text of '"
                    + param
                    + "', which has "
                    + length
                    + ", have about "
                    + sum
                    + " already");
      }
      from = to;
    }
  }

  /**
   * The same of a text of which the model reads what it can: it is refused where it takes long to
   * find out how much that is.
   */
  public void checkCut(String text) throws EofException {
    if (text.length() > Math.max(MOST_TO_CUT, most(context))) {
      throw tooLong(
          param,
          context,
          "a text of '"
              + param
              + "' has "
              + text.length()
              + " letters; of one with more than "
              + Math.max(MOST_TO_CUT, most(context))
              + " nothing is cut");
    }
    read(text.length());
  }

  private static long most(int context) {
    return (long) LETTERS_OF_TOKEN * context + PIECE_LETTERS;
  }

  private void read(int more) throws EofException {
    letters += more;
    if (letters > PIECE_LETTERS) {
      letters = 0;
      look.look();
    }
  }

  private static ApiException tooLong(String param, int context, String what) {
    return ApiException.contextLength(
        param,
        "This model reads " + context + " tokens at most; " + what + ". Give a shorter text");
  }
}
