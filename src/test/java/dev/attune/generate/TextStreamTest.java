package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.Goldens;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts that come token by token: nothing is lost, nothing taken back, stop strings end them. */
class TextStreamTest {
  private static final String TEXT =
      "Ein Café, 東京 und 🙂🙃: naïve—“quoted” text.\n\tTabs  and   spaces; ünïcödé ends here. Done";

  private static TextTokenizer open(String name) {
    return TextTokenizer.open(Goldens.data().resolve("tokenizers").resolve(name));
  }

  /** What a stream makes of a text that follows a prompt, and the pieces that it passed on. */
  private static String stream(
      TextTokenizer tokenizer,
      String prompt,
      String text,
      List<String> stops,
      List<String> pieces) {
    int[] before = tokenizer.encodePlain(prompt);
    int[] whole = tokenizer.encodePlain(prompt + text);
    assertTrue(
        Arrays.equals(before, Arrays.copyOf(whole, before.length)), "the prompt's tokens changed");
    TextStream stream = new TextStream(tokenizer, before, stops, pieces::add);
    for (int i = before.length; i < whole.length; i++) {
      if (!stream.onToken(whole[i])) {
        return stream.text();
      }
    }
    stream.end();
    return stream.text();
  }

  /**
   * A byte that is ASCII is no letter beside bytes that are no UTF-8: Rust's decoder as a whole.
   */
  @ParameterizedTest
  @ValueSource(strings = {"41 E4", "41", "E4 41", "C3 A9 41", "41 C3 A9 FF"})
  void bytesThatAreNoTextAreReplacedAsOneRun(String bytes) {
    try (TextTokenizer tokenizer = open("llama2")) {
      int[] before = tokenizer.encodePlain("Hello");
      // Llama's tokens of bytes follow <unk>, <s> and </s>.
      int[] after =
          Arrays.stream(bytes.split(" ")).mapToInt(b -> 3 + Integer.parseInt(b, 16)).toArray();
      int[] all = Arrays.copyOf(before, before.length + after.length);
      System.arraycopy(after, 0, all, before.length, after.length);
      List<String> pieces = new ArrayList<>();
      TextStream stream = new TextStream(tokenizer, before, List.of(), pieces::add);
      for (int id : after) {
        assertTrue(stream.onToken(id));
      }
      stream.end();
      assertEquals(tokenizer.decode(all, true), "Hello" + stream.text());
      assertEquals(1, pieces.size(), pieces::toString);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama2"})
  void piecesMakeUpTheText(String name) {
    try (TextTokenizer tokenizer = open(name)) {
      List<String> pieces = new ArrayList<>();
      assertEquals(
          " " + TEXT, stream(tokenizer, "Hello there.", " " + TEXT, List.of(), pieces), name);
      assertEquals(" " + TEXT, String.join("", pieces));
      assertTrue(pieces.size() > 15, "it came in only " + pieces.size() + " pieces");
      for (String piece : pieces) {
        assertFalse(piece.contains("\uFFFD"), "half a character was passed on: " + pieces);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "llama2"})
  void endsBeforeAStopString(String name) {
    try (TextTokenizer tokenizer = open(name)) {
      for (String stop : List.of("東", "quoted", "\n", "ed” te", " text.\n\tTabs  and", "here.")) {
        List<String> pieces = new ArrayList<>();
        String expected = " " + TEXT.substring(0, TEXT.indexOf(stop));
        assertEquals(
            expected,
            stream(tokenizer, "Hello there.", " " + TEXT, List.of("never", stop), pieces));
        assertEquals(expected, String.join("", pieces), "passed on beyond " + stop);
      }
      // What looks like the beginning of a stop string is passed on once it is none.
      assertEquals(
          " " + TEXT,
          stream(
              tokenizer,
              "Hello there.",
              " " + TEXT,
              List.of("Doner", "text.\n\n"),
              new ArrayList<>()));
    }
  }

  /**
   * Texts are written without special tokens, yet these end them: alone, or with what they show.
   */
  @ParameterizedTest
  @CsvSource({"gpt2,<|endoftext|>", "llama2,</s>"})
  void endsAtAStopStringWithSpecialTokens(String name, String special) {
    try (TextTokenizer tokenizer = open(name)) {
      String text = " One two three." + special + " Four five.";
      for (String stop : List.of(special, "three." + special, special + " Four", "e." + special)) {
        List<String> pieces = new ArrayList<>();
        String shown = stop.replace(special, "").strip();
        String expected =
            " One two three."
                .substring(
                    0,
                    shown.isEmpty() || shown.equals("Four")
                        ? " One two three.".length()
                        : " One two three.".indexOf(shown));
        assertEquals(
            expected, stream(tokenizer, "Hello there.", text, List.of("never", stop), pieces));
        assertEquals(expected, String.join("", pieces), "passed on beyond " + stop);
      }
      // A token that goes on beyond the stop string shows nothing of it. (Llama's writes a space
      // behind special tokens.)
      String gap = name.equals("llama2") ? " " : "";
      String wider = " One two three." + special + "\n\nFour five.";
      for (String begin : List.of("", "ee.")) {
        for (String end : List.of("\n", "\n\nFo")) {
          String stop = begin + special + gap + end;
          List<String> pieces = new ArrayList<>();
          String expected =
              " One two three.".substring(0, " One two three.".length() - begin.length());
          assertEquals(expected, stream(tokenizer, "Hello there.", wider, List.of(stop), pieces));
          assertEquals(expected, String.join("", pieces), "passed on beyond " + stop);
        }
      }
      // The same without the special token is no stop.
      assertEquals(
          " One two three. Four five.",
          stream(
              tokenizer,
              "Hello there.",
              " One two three. Four five.",
              List.of("three." + special),
              new ArrayList<>()));
    }
  }
}
