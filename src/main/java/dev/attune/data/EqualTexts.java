package dev.attune.data;

import dev.attune.core.Check;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;

/**
 * Which texts of a dataset are equal, told in eight bytes a row: a table of 32-bit fingerprints
 * says which rows may be equal, and those are read again and compared, so that nothing is said by
 * chance.
 */
final class EqualTexts {
  private final Dataset data;

  /** Fewer than slots of the largest table, so that a search ends. */
  private static final int MOST_ROWS = (1 << 30) - 1;

  private final int[] fingerprints; // (rows)
  private final int[] table; // index + 1 of the first row of each text, by fingerprint; 0: none
  private final boolean isRunning;
  private final Set<String> hashes = new HashSet<>(); // of running texts, each of many rows
  private final BitSet repeated = new BitSet();
  private final BitSet inConflict = new BitSet();

  /** Looks at all rows but those that have nothing to read. */
  EqualTexts(Dataset data, TargetChecks checks) {
    this.data = data;
    this.isRunning = data.reading().isRunning();
    Check.input(
        isRunning || data.size() <= MOST_ROWS,
        "%,d rows are too many to tell equal texts apart; at most %,d are read from one source",
        data.size(),
        MOST_ROWS);
    this.fingerprints = new int[isRunning ? 0 : data.size()];
    this.table = new int[isRunning ? 0 : tableSize(data.size())];
    if (isRunning) {
      addRunning();
      return;
    }
    for (int i = 0; i < data.size(); i++) {
      Example example = data.get(i);
      if (!checks.isEmpty(example)) {
        add(i, example, checks);
      }
    }
  }

  /** Running texts are told apart by 64-bit hashes and lengths. */
  private void addRunning() {
    Hash hash = new Hash();
    int begin = 0;
    for (int i = 0; i < data.size(); i++) {
      if (i > 0 && !data.continues(i)) {
        repeated.set(begin, !hashes.add(hash.toString()));
        hash = new Hash();
        begin = i;
      }
      hash.add(hash.length == 0 ? "" : " "); // a part ends in a line break
      hash.add(data.get(i).normalised());
    }
    repeated.set(begin, !hashes.add(hash.toString()));
  }

  /** The hash of a text that comes in pieces. */
  private static final class Hash {
    private long hash = 0xCBF29CE484222325L;
    private long length;

    void add(String piece) {
      for (int i = 0; i < piece.length(); i++) {
        hash = (hash ^ piece.charAt(i)) * 0x9E3779B97F4A7C15L;
        hash ^= hash >>> 29;
      }
      length += piece.length();
    }

    @Override
    public String toString() {
      return hash + ":" + length;
    }
  }

  private static int tableSize(int rows) {
    return Integer.highestOneBit(Math.max(8, Math.min(1 << 29, rows))) << 1;
  }

  private void add(int index, Example example, TargetChecks checks) {
    String text = example.normalised();
    int fingerprint = fingerprint(text);
    fingerprints[index] = fingerprint;
    int slot = slot(fingerprint, text);
    if (table[slot] == 0) {
      table[slot] = index + 1;
      return;
    }
    int earlier = table[slot] - 1;
    repeated.set(index);
    if (!Objects.equals(checks.target(example), checks.target(data.get(earlier)))) {
      inConflict.set(index);
      inConflict.set(earlier);
    }
  }

  /** Where in the table the first row of a text is, or would be. */
  private int slot(int fingerprint, String text) {
    int slot = fingerprint & table.length - 1;
    while (table[slot] != 0) {
      int index = table[slot] - 1;
      if (fingerprints[index] == fingerprint && data.get(index).normalised().equals(text)) {
        return slot;
      }
      slot = slot + 1 & table.length - 1;
    }
    return slot;
  }

  private static int fingerprint(String text) {
    Hash hash = new Hash();
    hash.add(text);
    return (int) (hash.hash >>> 32 ^ hash.hash);
  }

  /** Whether a row has the text of an earlier one. */
  boolean repeats(int index) {
    return repeated.get(index);
  }

  /** How many rows have the text of an earlier one. */
  int repeated() {
    return repeated.cardinality();
  }

  /** Whether a row has the text of another one with another target. */
  boolean isInConflict(int index) {
    return inConflict.get(index);
  }

  /** Whether a row has the text of an example, which may be of another dataset. */
  boolean has(Example example) {
    String text = example.normalised();
    if (isRunning) {
      Hash hash = new Hash();
      hash.add(text);
      return hashes.contains(hash.toString());
    }
    return table[slot(fingerprint(text), text)] != 0;
  }
}
