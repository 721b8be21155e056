package dev.attune.text;

import java.util.Arrays;
import java.util.function.Function;
import java.util.function.Supplier;

/** A tokenizer's texts by pieces whose tokens are kept, from when there were some of them. */
final class Pieces {
  /** Texts after which it is worth finding out whether tokens can be kept. */
  private static final int FEW = 256;

  private final String tokenizer;
  private final Function<String, int[]> library;
  private final Supplier<Frame> framing;
  private final boolean truncatesLeft;
  private int texts; // up to FEW; counts that threads lose only put that off
  private volatile boolean isDecided; // whether tokens is
  private PieceTokens tokens; // null: texts have other tokens than their pieces
  private volatile Frame frame; // null until it is asked for

  /**
   * @param tokenizer a tokenizer.json
   * @param library gives the tokens of a text alone
   * @param framing says what stands around them
   */
  Pieces(
      String tokenizer,
      Function<String, int[]> library,
      Supplier<Frame> framing,
      boolean truncatesLeft) {
    this.tokenizer = tokenizer;
    this.library = library;
    this.framing = framing;
    this.truncatesLeft = truncatesLeft;
  }

  /** Asked once a text. */
  boolean areWorthIt() {
    if (texts < FEW) {
      texts++;
      return false;
    }
    return true;
  }

  /** The ids of a text, cut to a length; null: the library is to be asked. */
  TokenIds encode(String text, int maxLength) {
    PieceTokens known = tokens();
    int room = known == null ? 0 : frame().room(maxLength);
    if (room < 1) {
      return null;
    }
    int[] own = known.of(text);
    if (own.length <= room) {
      return frame().of(own, 0);
    }
    int from = truncatesLeft ? own.length - room : 0;
    return frame().of(Arrays.copyOfRange(own, from, from + room), own.length - room);
  }

  /** Gives the tokens of a text alone. */
  Function<String, int[]> plain() {
    PieceTokens known = tokens();
    return known == null ? library : known::of;
  }

  private PieceTokens tokens() {
    if (!isDecided) {
      decide();
    }
    return tokens;
  }

  private synchronized void decide() {
    if (!isDecided) {
      PieceRules.Cuts cuts = PieceRules.of(tokenizer);
      boolean apart = cuts != PieceRules.Cuts.NONE && frame().isSure();
      tokens = apart ? new PieceTokens(library, cuts) : null;
      isDecided = true;
    }
  }

  /** What stands around texts; two threads that ask for it at first make the same. */
  Frame frame() {
    Frame known = frame;
    if (known == null) {
      known = framing.get();
      frame = known;
    }
    return known;
  }
}
