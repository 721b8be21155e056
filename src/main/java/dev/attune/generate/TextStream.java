package dev.attune.generate;

import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Turns a request's tokens into text as they come: a piece is passed on once no later token can
 * change it. Ends the request before a stop string.
 */
final class TextStream implements Request.TokenListener {
  /** Tokens of the prompt that are decoded along: a token's text may depend on the one before. */
  private static final int CONTEXT = 4;

  private static final char REPLACEMENT = '\uFFFD';

  /** Tokens at the end of the text among which a stop string with special tokens is looked for. */
  private static final int STOP_TOKENS = 32;

  /**
   * A stop string that holds special tokens, which texts are written without.
   *
   * @param spelling as it is
   * @param visible what of it a text shows
   */
  private record SpecialStop(String spelling, String visible) {}

  private final TextTokenizer tokenizer;
  private final List<String> stops; // what ends the visible text
  private final List<SpecialStop> specialStops = new ArrayList<>();
  private final Consumer<String> sink;
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder pending = new StringBuilder();
  private int[] ids;
  private int count;
  private int decodedFrom; // of ids: what came before is out
  private int decodedTo;
  private final int promptEnd; // of ids: what comes from here on is new

  /**
   * @param prompt token ids
   * @param stops strings that end the text; they are not part of it
   * @param sink hears each piece; may be null
   */
  TextStream(TextTokenizer tokenizer, int[] prompt, List<String> stops, Consumer<String> sink) {
    this.tokenizer = tokenizer;
    this.stops = new ArrayList<>();
    for (String stop : stops) {
      String visible = tokenizer.vocabulary().withoutSpecialTokens(stop);
      if (visible.equals(stop)) {
        this.stops.add(stop);
      } else {
        specialStops.add(new SpecialStop(stop, visible));
      }
    }
    this.sink = sink;
    int tail = Math.min(CONTEXT, prompt.length);
    this.ids = Arrays.copyOf(Arrays.copyOfRange(prompt, prompt.length - tail, prompt.length), 64);
    this.count = tail;
    this.decodedTo = tail;
    this.promptEnd = tail;
  }

  @Override
  public boolean onToken(int token) {
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, 2 * count);
    }
    ids[count++] = token;
    take(false);
    return pass();
  }

  /** Passes on what no stop string can take back; false where one has come. */
  private boolean pass() {
    int stop = firstStop();
    int special = specialStop();
    if (stop < 0 && special < 0) {
      emit(pending.length() - heldBack());
      return true;
    }
    emit(stop < 0 || (special >= 0 && special < stop) ? special : stop);
    pending.setLength(0);
    return false;
  }

  /**
   * Where in the pending text a stop string begins that texts do not show, or not whole; -1 where
   * there is none. All that it shows is still pending: it was held back, or has just come.
   */
  private int specialStop() {
    if (specialStops.isEmpty()) {
      return -1;
    }
    int from = Math.max(promptEnd, count - STOP_TOKENS);
    String spelled = tokenizer.decode(Arrays.copyOfRange(ids, from, count), false);
    int first = -1;
    for (SpecialStop stop : specialStops) {
      int at = spelled.indexOf(stop.spelling);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
      }
    }
    if (first < 0) {
      return -1;
    }
    take(true); // what is still half a character stays one
    String shown = tokenizer.vocabulary().withoutSpecialTokens(spelled.substring(first));
    return Math.max(0, pending.length() - shown.length());
  }

  /** To be called once the request has ended: passes on what was held back. */
  void end() {
    take(true);
    if (pass()) {
      emit(pending.length());
    }
  }

  /** The text so far. */
  String text() {
    return text.toString();
  }

  /** Appends the text of new tokens to what is pending, where no later token can change it. */
  private void take(boolean last) {
    if (!last && tokenizer.vocabulary().isByteFallback(ids[count - 1])) {
      return;
    }
    String known = decode(decodedFrom, decodedTo);
    String all = decode(decodedFrom, count);
    boolean isWhole = !all.isEmpty() && all.charAt(all.length() - 1) != REPLACEMENT;
    if (all.length() > known.length() && (isWhole || last)) {
      pending.append(all, known.length(), all.length());
      decodedFrom = decodedTo;
      decodedTo = count;
    }
  }

  private String decode(int from, int to) {
    return tokenizer.decode(Arrays.copyOfRange(ids, from, to), true);
  }

  private int firstStop() {
    int first = -1;
    for (String stop : stops) {
      int at = pending.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
      }
    }
    return first;
  }

  /** Length of the longest end of the text that a stop string may begin with. */
  private int heldBack() {
    int longest = 0;
    for (String stop : stops) {
      longest = Math.max(longest, beginning(stop, stop.length() - 1));
    }
    for (SpecialStop stop : specialStops) {
      longest = Math.max(longest, beginning(stop.visible, stop.visible.length()));
    }
    return longest;
  }

  /** How many characters of a string, {@code most} at the most, the pending text ends with. */
  private int beginning(String stop, int most) {
    int n = Math.min(most, pending.length());
    while (n > 0 && pending.indexOf(stop.substring(0, n), pending.length() - n) < 0) {
      n--;
    }
    return n;
  }

  private void emit(int length) {
    if (length > 0) {
      String piece = pending.substring(0, length);
      pending.delete(0, length);
      text.append(piece);
      if (sink != null) {
        sink.accept(piece);
      }
    }
  }
}
