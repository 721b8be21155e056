package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** A long text in pieces has the tokens of the text as one. */
class LongTextsTest {
  private static String text() throws IOException {
    return Files.readString(SharedFolders.data("datasets/tiny_shakespeare/tiny_shakespeare.txt"));
  }

  @Test
  void aTextInPiecesHasTheTokensOfTheWhole() throws IOException {
    String text = text();
    assertTrue(text.length() > 1 << 20, "a text that is not long");
    for (String name : new String[] {"bert-base-uncased", "gpt2"}) {
      try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
        int[] whole = tokenizer.encode(text, null).ids();
        TokenIds pieces = tokenizer.encodeIds(text, null, Integer.MAX_VALUE);
        assertArrayEquals(whole, pieces.ids(), name);
        assertEquals(0, pieces.droppedTokens());
        TokenIds cut = tokenizer.encodeIds(text, null, 64);
        assertArrayEquals(tokenizer.encode(text, null).truncate(64).ids(), cut.ids(), name);
        assertEquals(whole.length - 64, cut.droppedTokens(), name);
        if (cut.typeIds() != null) {
          assertArrayEquals(new int[64], cut.typeIds(), name);
        }
      }
    }
  }

  /** Behind a line break between two words. */
  private static int goodPlace(String text, int from) {
    int at = text.indexOf('\n', from);
    while (!Character.isLetterOrDigit(text.charAt(at + 1)) || text.charAt(at - 1) == '\n') {
      at = text.indexOf('\n', at + 1);
    }
    return at + 1;
  }

  @Test
  void partsThatFollowEachOtherAreTheWhole() throws IOException {
    String text = text();
    int first = goodPlace(text, 100_000);
    int second = goodPlace(text, 300_000);
    String[] parts = {
      text.substring(0, first), text.substring(first, second), text.substring(second)
    };
    for (String name : new String[] {"bert-base-uncased", "gpt2"}) {
      try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
        int[] joined = new int[0];
        for (int i = 0; i < parts.length; i++) {
          String before = i == 0 ? "" : parts[i - 1].substring(parts[i - 1].length() - 300);
          TextPart part = tokenizer.encodePart(before, parts[i], i == parts.length - 1);
          assertTrue(part.isExact(), name + ", part " + i);
          joined = Arrays.copyOf(joined, joined.length + part.ids().length);
          System.arraycopy(
              part.ids(), 0, joined, joined.length - part.ids().length, part.ids().length);
        }
        assertArrayEquals(tokenizer.encode(text, null).ids(), joined, name);
      }
    }
  }

  @Test
  void aBorderInsideAWordIsNoticed() {
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      assertTrue(tokenizer.partsAt("the first line\n", "the second"));
      assertTrue(!tokenizer.partsAt("the fir", "st line"));
      assertTrue(!tokenizer.encodePart("the fir", "st line", true).isExact());
    }
  }
}
