package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.GoldAnswer;
import dev.attune.text.SharedFolders;
import dev.attune.text.TextTokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerWindowsTest {
  private static final String CONTEXT =
      "\uD83D\uDE80 The bridge over the river was built in 1887 by the engineer who had drawn it,"
          + " and it was opened by the mayor in the spring of the following year.";

  /** Windows of a pair with token types and of one without; the rocket is one code point. */
  @ParameterizedTest
  @ValueSource(strings = {"bert-base-uncased", "roberta-base"})
  void theTargetOfAWindowCoversTheAnswerOrIsTheFirstToken(String name) {
    try (TextTokenizer tokenizer = TextTokenizer.open(SharedFolders.tokenizer(name))) {
      check(tokenizer);
    }
  }

  private static void check(TextTokenizer tokenizer) {
    String answer = "built in 1887";
    int start = CONTEXT.codePointCount(0, CONTEXT.indexOf(answer));
    Dataset rows =
        new Dataset(
            Path.of("q.jsonl"),
            List.of(
                Example.ofQuestion(
                    1, "When?", CONTEXT, List.of(new GoldAnswer(answer, start)), Map.of()),
                Example.ofQuestion(2, "Why?", CONTEXT, List.of(), Map.of()),
                Example.ofQuestion(
                    3,
                    "When?",
                    CONTEXT,
                    List.of(new GoldAnswer(answer, GoldAnswer.ANYWHERE)),
                    Map.of())));
    EncodedDataset data = new Encoder(new AnswerWindows(tokenizer, 24, 6, true), 1).encode(rows);
    List<AnswerWindows.Window> windows = data.notes(AnswerWindows.Notes.class).windows();
    assertEquals(data.size(), windows.size());
    int found = 0;
    for (int i = 0; i < windows.size(); i++) {
      AnswerWindows.Window window = windows.get(i);
      assertTrue(data.length(i) <= 24);
      assertArrayEquals(
          new int[] {window.start(), window.end()},
          new int[] {data.labels().get(2 * i), data.labels().get(2 * i + 1)});
      if (window.end() == 0) {
        continue;
      }
      found++;
      assertTrue(data.source(i) != 1, "a question without answer");
      int begin = window.offsets()[2 * (window.start() - window.contextBegin())];
      int end = window.offsets()[2 * (window.end() - window.contextBegin()) + 1];
      int from = CONTEXT.offsetByCodePoints(0, begin);
      String covered =
          CONTEXT.substring(from, CONTEXT.offsetByCodePoints(from, end - begin)).strip();
      assertEquals(answer, covered);
    }
    assertTrue(found >= 2, "each answer is in a window");
    assertThrows(
        InputException.class,
        () -> new Encoder(new AnswerWindows(tokenizer, 12, 11, true), 1).encode(rows));
  }
}
