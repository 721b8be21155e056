package dev.attune.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.jetty.io.EofException;
import org.junit.jupiter.api.Test;

/** What is found out of a long text before it is tokenised. */
class LongTextsTest {
  private static final int CONTEXT = 100_000;

  private final AtomicInteger pieces = new AtomicInteger();
  private final AtomicInteger looks = new AtomicInteger();

  /** A token has four letters. */
  private int count(String text) {
    pieces.incrementAndGet();
    return text.length() / 4;
  }

  private LongTexts texts(int context) {
    return new LongTexts("prompt", context, this::count, looks::incrementAndGet);
  }

  @Test
  void whatIsShortIsNotCounted() throws Exception {
    LongTexts texts = texts(100);
    for (int i = 0; i < 10; i++) {
      texts.check("a".repeat(LongTexts.PIECE_LETTERS)); // it does not fit, as will be found out
    }
    assertEquals(0, pieces.get());
    assertTrue(looks.get() >= 4, "looked " + looks);
  }

  @Test
  void aTextThatFitsIsLeft() throws Exception {
    texts(CONTEXT).check("a".repeat(4 * CONTEXT));
    assertEquals(4 * CONTEXT / LongTexts.PIECE_LETTERS + 1, pieces.get());
  }

  @Test
  void aTextThatDoesNotFitIsRefusedOnceThatIsKnown() {
    String text = "a".repeat(15 << 20);
    ApiException refused = assertThrows(ApiException.class, () -> texts(CONTEXT).check(text));
    assertEquals(4 * CONTEXT / LongTexts.PIECE_LETTERS + 1, pieces.get());
    assertTrue(refused.getMessage().contains("100000 tokens"), refused::getMessage);
    assertTrue(refused.getMessage().contains(text.length() + ", have about"), refused::getMessage);
    assertEquals("prompt", refused.param());
  }

  @Test
  void aTextThatCannotFitIsNotCounted() {
    String text = " ".repeat(15 << 20);
    for (boolean isCut : new boolean[] {false, true}) {
      ApiException refused =
          assertThrows(
              ApiException.class,
              () -> {
                if (isCut) {
                  texts(512).checkCut(text);
                } else {
                  texts(512).check(text);
                }
              });
      assertEquals(0, pieces.get());
      assertTrue(refused.getMessage().contains(text.length() + " letters"), refused::getMessage);
    }
  }

  @Test
  void nothingIsCountedForAClientThatHasGone() {
    LongTexts texts =
        new LongTexts(
            "prompt",
            CONTEXT,
            this::count,
            () -> {
              throw new EofException("gone");
            });
    assertThrows(EofException.class, () -> texts.check("a".repeat(300_000)));
    assertTrue(pieces.get() <= 1, "counted " + pieces);
  }

  @Test
  void lettersOfTwoPartsStayTogether() throws Exception {
    StringBuilder text = new StringBuilder("a");
    text.append("\uD83D\uDE00".repeat(LongTexts.PIECE_LETTERS));
    new LongTexts(
            "prompt",
            CONTEXT,
            piece -> {
              assertTrue(Character.isHighSurrogate(piece.charAt(piece.length() - 2)));
              return 1;
            },
            () -> {})
        .check(text.toString());
  }
}
