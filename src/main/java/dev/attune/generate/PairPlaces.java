package dev.attune.generate;

import java.util.Arrays;

/**
 * Where in a growing text two tokens have stood one after the other before. A place is the number
 * of tokens up to and with the second one.
 */
final class PairPlaces {
  private static final int LEAST_SLOTS = 64;

  private int[] before; // by place: the one before it of the same two tokens; 0: none
  private int[] last; // by hash, open addressing: the last place of two tokens; 0: free
  private int pairs; // slots that are not free

  /**
   * @param tokens that are to come at least
   */
  PairPlaces(int tokens) {
    before = new int[tokens + LEAST_SLOTS];
    last = new int[Math.max(LEAST_SLOTS, Integer.highestOneBit(Math.min(tokens, 1 << 28)) << 2)];
  }

  /**
   * Adds the two tokens that end at a place, each place once and in order.
   *
   * @param ids the text
   * @param place at least 2
   */
  void add(int[] ids, int place) {
    if (place >= before.length) {
      before = Arrays.copyOf(before, place + place / 2);
    }
    int slot = slot(ids, place);
    before[place] = last[slot];
    last[slot] = place;
    if (before[place] == 0 && 2 * ++pairs > last.length) {
      grow(ids);
    }
  }

  /** The place before of the same two tokens; 0: none, as of places that were not added. */
  int before(int place) {
    return before[place];
  }

  /** Where the last place of the two tokens that end at this one is, or would be. */
  private int slot(int[] ids, int place) {
    int one = ids[place - 2];
    int other = ids[place - 1];
    // Multiplied by odd numbers without a pattern, all bits of both reach the upper ones.
    int hash = ((one * 0x9E37_79B1) ^ Integer.rotateLeft(other * 0x85EB_CA77, 15)) * 0xC2B2_AE3D;
    int slot = hash >>> Integer.numberOfLeadingZeros(last.length - 1);
    while (last[slot] != 0 && (ids[last[slot] - 2] != one || ids[last[slot] - 1] != other)) {
      slot = slot + 1 & last.length - 1;
    }
    return slot;
  }

  private void grow(int[] ids) {
    int[] all = last;
    last = new int[2 * all.length];
    for (int place : all) {
      if (place != 0) {
        last[slot(ids, place)] = place;
      }
    }
  }
}
