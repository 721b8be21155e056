package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.LabelMap;
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
}
