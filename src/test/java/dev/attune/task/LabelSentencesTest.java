package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.data.LabelMap;
import dev.attune.run.RunOption;
import dev.attune.text.TextTokenizer;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LabelSentencesTest {
  @ParameterizedTest
  @CsvSource({
    "negative,positive,true",
    "Sci/Tech,World,true",
    "no,yes,true",
    "好,坏,true",
    "0,1,false",
    "LABEL_0,LABEL_1,false",
    "a,b,false",
    "1 star,2 stars,true",
    "class 1,Class 2,false",
    "-,positive,false",
    "हाँ,ना,true",
    "ดี,แย่,true",
    "예,아니오,true",
    "ㄱ,ㄴ,false",
    "कि,की,true",
    "क,ख,false",
    "q-a,q-b,false",
    "e\u0301,o,false",
    "1\uFE0F\u20E3,2\uFE0F\u20E3,false",
  })
  void wordsAreToldFromNumbersAndLetters(String first, String second, boolean areWords) {
    assertEquals(areWords, LabelSentences.areUsual(LabelMap.ofNames(List.of(first, second))));
  }

  @Test
  void manyLabelsAreNotSaidUnasked() {
    List<String> names = List.of("one", "two", "three", "four", "five", "six");
    assertTrue(LabelSentences.areUsual(LabelMap.ofNames(names.subList(0, 5))));
    assertFalse(LabelSentences.areUsual(LabelMap.ofNames(names)));
  }

  @Test
  void everyLabelIsSaidEightTimes() {
    LabelMap labels = LabelMap.ofNames(List.of("a cat", "a dog"));
    List<String> texts = new LabelSentences("It is {}.").texts(labels);
    assertEquals(16, texts.size());
    assertEquals(List.of("It is a cat.", "It is a dog.", "It is a cat."), texts.subList(0, 3));
    assertEquals(16, new LabelSentences("It is {}.").rows(labels));
    assertEquals(0, new LabelSentences(null).rows(labels));
  }

  /** A vocabulary without case tells neither case nor what is cut off. */
  @Test
  void sentencesThatAModelCannotTellApartAreRefused() throws URISyntaxException {
    Path folder = Path.of(LabelSentencesTest.class.getResource("/tokenizers/electra").toURI());
    LabelSentences sentences = new LabelSentences("the cat {}");
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      LabelMap cut = LabelMap.ofNames(List.of("the the the cat", "the the the dog"));
      sentences.check(cut, tokenizer, 64);
      assertEquals(List.of(), sentences.notes(cut, tokenizer, 64));
      assertEquals(
          "the sentences of the labels \"the the the cat\" and \"the the the dog\" are the same 5"
              + " tokens; give a larger --max-length, or --label-template none",
          refusal(sentences, cut, tokenizer, 5));
      LabelMap longer = LabelMap.ofNames(List.of("the the the", "the"));
      String begun = refusal(sentences, longer, tokenizer, 5);
      assertTrue(begun.contains("are the same 5 tokens; give a larger --max-length"), begun);
      List<String> notes =
          sentences.notes(LabelMap.ofNames(List.of("the", "the the the the")), tokenizer, 6);
      assertEquals(1, notes.size(), notes::toString);
      assertTrue(
          notes.get(0).startsWith("the sentence of the label \"the the the the\" is cut at 6"),
          notes.get(0));
      String alike = refusal(sentences, LabelMap.ofNames(List.of("the", "The")), tokenizer, 64);
      assertTrue(alike.endsWith("tokens; give --label-template none"), alike);
      LabelMap nothing = LabelMap.ofNames(List.of("cat", "\u200b"));
      String empty = refusal(new LabelSentences("{}"), nothing, tokenizer, 64);
      assertTrue(empty.startsWith("the sentence of the label \"\u200b\" has no tokens"), empty);
    }
  }

  private static String refusal(
      LabelSentences sentences, LabelMap labels, TextTokenizer tokenizer, int maxLength) {
    InputException e =
        assertThrows(InputException.class, () -> sentences.check(labels, tokenizer, maxLength));
    return RunOption.worded(e.getMessage());
  }
}
