package dev.attune.text;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Function;

/**
 * Tokens of texts by the tokens of their pieces, which are words with what stands at them. Most
 * words of a text were in others before: their tokens are kept, and the library encodes the rest.
 * For tokenizers of {@link PieceRules}, where the tokens of a text are those of its pieces.
 */
final class PieceTokens {
  private static final int SLOT_BITS = 16;

  /** Characters of a piece that is kept. */
  private static final int LONGEST = 32;

  /** Pieces that are encoded as one where too many of them are not known. */
  private static final int GROUP = 64;

  private record Piece(String text, int[] ids) {}

  private final Function<String, int[]> plain;
  private final boolean cutsAtBreaks;

  /** By hashes of their texts; the last one of a hash stays. Read and written by any thread. */
  private final AtomicReferenceArray<Piece> known = new AtomicReferenceArray<>(1 << SLOT_BITS);

  /**
   * @param plain gives the tokens of a text alone
   * @param cuts where its tokenizer parts texts
   */
  PieceTokens(Function<String, int[]> plain, PieceRules.Cuts cuts) {
    this.plain = plain;
    this.cutsAtBreaks = cuts == PieceRules.Cuts.AT_SPACES_AND_BREAKS;
  }

  /** The tokens of a text alone. */
  int[] of(String text) {
    Tokens out = new Tokens(text.length() / 3 + 8);
    for (int begin = 0; begin < text.length(); ) {
      begin = addGroup(text, begin, out);
    }
    return out.all();
  }

  /** Adds the tokens of the next pieces; returns where they end. */
  private int addGroup(String text, int begin, Tokens out) {
    int[] ends = new int[GROUP];
    int[][] ids = new int[GROUP][];
    int count = 0;
    int missing = 0;
    for (int at = begin; at < text.length() && count < GROUP; at = ends[count++]) {
      ends[count] = end(text, at);
      ids[count] = find(text, at, ends[count]);
      missing += ids[count] == null ? 1 : 0;
    }
    int end = ends[count - 1];
    boolean isForeign = missing > Math.max(2, count / 4);
    if (isForeign) {
      // A call a piece would take longer than one for all; a few are learned each time.
      out.add(plain.apply(text.substring(begin, end)));
    }
    int most = isForeign ? 1 + count / 16 : count;
    for (int i = 0; i < count; i++) {
      if (ids[i] == null && most-- > 0) {
        ids[i] = learned(text.substring(i == 0 ? begin : ends[i - 1], ends[i]));
      }
      if (!isForeign) {
        out.add(ids[i]);
      }
    }
    return end;
  }

  /**
   * Where a piece ends: before a single space, and (where that is a cut) before and behind a single
   * line break, between visible characters. No token of the tokenizers in question reaches across.
   */
  private int end(String text, int begin) {
    if (cutsAtBreaks && text.charAt(begin) == '\n' && begin > 0 && isSingle(text, begin)) {
      return begin + 1;
    }
    for (int i = begin + 1; i + 1 < text.length(); i++) {
      char c = text.charAt(i);
      if ((c == ' ' || c == '\n' && cutsAtBreaks) && isSingle(text, i)) {
        return i;
      }
    }
    return text.length();
  }

  private static boolean isSingle(String text, int at) {
    return at + 1 < text.length()
        && isVisible(text.charAt(at - 1))
        && isVisible(text.charAt(at + 1));
  }

  /** No white space of any kind, nor a mark that combines with what stands before it. */
  private static boolean isVisible(char c) {
    return c > ' ' && c < 0x7F || c > 0xA0 && Character.isLetterOrDigit(c);
  }

  private int[] find(String text, int begin, int end) {
    if (end - begin > LONGEST) {
      return null;
    }
    int hash = 0;
    for (int i = begin; i < end; i++) {
      hash = 31 * hash + text.charAt(i);
    }
    Piece piece = known.getPlain(slot(hash));
    boolean isIt =
        piece != null && piece.text.length() == end - begin && text.startsWith(piece.text, begin);
    return isIt ? piece.ids : null;
  }

  private static int slot(int hash) {
    return hash * 0x9E3779B9 >>> Integer.SIZE - SLOT_BITS;
  }

  private int[] learned(String piece) {
    int[] ids = plain.apply(piece);
    if (piece.length() <= LONGEST) {
      known.setPlain(slot(piece.hashCode()), new Piece(piece, ids));
    }
    return ids;
  }

  /** Token ids that grow. */
  private static final class Tokens {
    private int[] ids;
    private int count;

    Tokens(int room) {
      ids = new int[room];
    }

    void add(int[] more) {
      if (count + more.length > ids.length) {
        ids = Arrays.copyOf(ids, Math.max(count + more.length, 2 * ids.length));
      }
      System.arraycopy(more, 0, ids, count, more.length);
      count += more.length;
    }

    int[] all() {
      return Arrays.copyOf(ids, count);
    }
  }
}
