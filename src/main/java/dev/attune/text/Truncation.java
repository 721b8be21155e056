package dev.attune.text;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.BitSet;
import java.util.function.Supplier;

/** The arithmetic of {@code truncation=True}. */
final class Truncation {
  /**
   * How texts were parted before their parts became tokens.
   *
   * @param ids the part of its text that each token is of (T)
   * @param added tokens that are parts by themselves, found in the text as they are spelled
   */
  record Words(int[] ids, BitSet added) {}

  private Truncation() {}

  /**
   * Indices of the tokens that stay, ascending.
   *
   * @param words asked for only of pairs of which both texts are cut
   */
  static int[] kept(int[] sequenceIds, Supplier<Words> words, int maxLength, boolean left) {
    int specials = 0;
    int first = 0;
    int second = 0;
    for (int s : sequenceIds) {
      specials += s < 0 ? 1 : 0;
      first += s == 0 ? 1 : 0;
      second += s == 1 ? 1 : 0;
    }
    int room = maxLength - specials;
    if (room < 1) {
      throw new InputException(
          "max length "
              + maxLength
              + " leaves no room for text: the tokenizer adds "
              + specials
              + " special tokens. Give "
              + Term.MAX_LENGTH
              + " at least "
              + (specials + 1)
              + ".");
    }
    int keepFirst = first;
    int keepSecond = second;
    if (first + second > room) {
      // Longest first: the shorter text stays whole unless both exceed half of the room.
      int shorter = Math.min(first, second);
      int longer = Math.max(shorter, room - shorter);
      boolean isFirstLonger =
          shorter < maxLength
              ? first > second
              : read(0, sequenceIds, words.get(), maxLength, left)
                  > read(1, sequenceIds, words.get(), maxLength, left);
      if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
      }
      keepFirst = isFirstLonger ? longer : shorter;
      keepSecond = isFirstLonger ? shorter : longer;
      if (second == 0) {
        keepFirst = room;
        keepSecond = 0;
      }
    }
    int[] kept = new int[specials + keepFirst + keepSecond];
    int n = 0;
    int seenFirst = 0;
    int seenSecond = 0;
    for (int i = 0; i < sequenceIds.length; i++) {
      boolean keep =
          switch (sequenceIds[i]) {
            case 0 -> inRange(seenFirst++, first, keepFirst, left);
            case 1 -> inRange(seenSecond++, second, keepSecond, left);
            default -> true;
          };
      if (keep) {
        kept[n++] = i;
      }
    }
    return kept;
  }

  /**
   * Tokens of a text that Hugging Face's library looks at: it reads parts until they have as many
   * as may stay, and calls the text longer of which it has read more. It does not stop behind an
   * added token, but behind what follows, be it a part that has no token.
   */
  private static int read(
      int sequence, int[] sequenceIds, Words words, int maxLength, boolean left) {
    int count = 0;
    int last = -1;
    for (int n = 0; n < sequenceIds.length; n++) {
      int i = left ? sequenceIds.length - 1 - n : n;
      if (sequenceIds[i] != sequence) {
        continue;
      }
      if (count >= maxLength && words.ids[i] != words.ids[last]) {
        boolean isNext = Math.abs(words.ids[i] - words.ids[last]) == 1;
        if (!words.added.get(last) || !isNext) {
          break;
        }
      }
      last = i;
      count++;
    }
    return count;
  }

  private static boolean inRange(int index, int length, int keep, boolean left) {
    return left ? index >= length - keep : index < keep;
  }

  static int[] pick(int[] values, int[] kept) {
    if (values == null) {
      return null;
    }
    int[] picked = new int[kept.length];
    for (int i = 0; i < kept.length; i++) {
      picked[i] = values[kept[i]];
    }
    return picked;
  }

  static BitSet pick(BitSet values, int[] kept) {
    BitSet picked = new BitSet();
    for (int i = 0; i < kept.length; i++) {
      picked.set(i, values.get(kept[i]));
    }
    return picked;
  }
}
