package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of sentencepiece that are not whole: they are refused by their name. */
class DamagedPiecesTest {
  @TempDir Path folder;

  /** A unigram model of pieces a, b, c and so on, and a table of one byte. */
  private static byte[] model(int pieces) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < pieces; i++) {
      out.writeBytes(
          new byte[] {0x0A, 8, 0x0A, 1, (byte) ('a' + i), 0x15, 0, 0, 0x20, (byte) 0xC1});
    }
    out.writeBytes(new byte[] {0x12, 2, 0x18, 1, 0x1A, 3, 0x12, 1, 7});
    return out.toByteArray();
  }

  private SentencePieceModel read(byte[] content) throws IOException {
    return SentencePieceModel.read(
        Files.write(folder.resolve("spiece.model"), content), SentencePieceModel.UNIGRAM);
  }

  @Test
  void anyBytesAreReadOrRefused() throws IOException {
    byte[] whole = model(3);
    assertEquals(3, read(whole).pieces().size());
    for (int at = 0; at < whole.length; at++) {
      for (int value : new int[] {0, 0x08, 0x0A, 0x10, 0x12, 0x18, 0x7F, 0x80, 0xFF}) {
        byte[] damaged = whole.clone();
        damaged[at] = (byte) value;
        try {
          read(damaged);
        } catch (InputException e) {
          assertTrue(e.getMessage().contains("spiece.model"), e.getMessage());
        }
      }
    }
    for (byte[] number : new byte[][] {{0x08, 1}, {0x10, 1}, {0x18, 1}, {0x1A, 2, 0x10, 1}}) {
      InputException e = assertThrows(InputException.class, () -> read(number));
      assertTrue(e.getMessage().contains("is not a sentencepiece model"), e.getMessage());
    }
  }

  @Test
  void fewerPiecesThanTheClassHasOfItsOwnAreRefused() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer_config.json"), "{\"tokenizer_class\": \"XLMRobertaTokenizer\"}");
    Files.write(folder.resolve("sentencepiece.bpe.model"), model(2));
    InputException e =
        assertThrows(
            InputException.class,
            () -> VocabularyFiles.tokenizerJson(folder, JsonNodeFactory.instance.objectNode()));
    assertTrue(
        e.getMessage().endsWith("has 2 pieces, where at least 3 are wanted: fetch it again"),
        e.getMessage());
  }
}
