package dev.attune.data;

import java.nio.charset.StandardCharsets;

/** The first bytes of files, by which kinds of files are told. */
final class Magic {
  private Magic() {}

  /** Whether bytes begin with these. */
  static boolean starts(byte[] head, int... bytes) {
    if (head.length < bytes.length) {
      return false;
    }
    for (int i = 0; i < bytes.length; i++) {
      if ((head[i] & 0xFF) != bytes[i]) {
        return false;
      }
    }
    return true;
  }

  /** Whether bytes hold this ASCII text at a place. */
  static boolean holds(byte[] head, int from, String text) {
    byte[] wanted = text.getBytes(StandardCharsets.ISO_8859_1);
    return head.length >= from + wanted.length
        && new String(head, from, wanted.length, StandardCharsets.ISO_8859_1).equals(text);
  }
}
