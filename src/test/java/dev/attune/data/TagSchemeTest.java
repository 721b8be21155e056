package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TagSchemeTest {
  private static Dataset tagged(String... sentences) {
    List<Example> examples =
        Arrays.stream(sentences)
            .map(tags -> List.of(tags.split(" ")))
            .map(tags -> Example.ofTokens(1, tags, tags))
            .toList();
    return new Dataset(Path.of("a.conll"), examples);
  }

  @ParameterizedTest
  @CsvSource({
    "O B-PER I-PER O B-LOC,BIO",
    "O I-PER I-PER O I-LOC,IOB1",
    "I-PER B-PER I-PER O,IOB1",
    "B-PER B-PER I-LOC,BIO", // neither: left as it is
    "O B-PER E-PER S-LOC,BIOES",
    "O B-PER I-PER L-PER U-LOC,BIOES",
    "NN VB DT,PLAIN",
    "S M L,PLAIN", // sizes
    "O O O,PLAIN",
    "O B-PER NN,PLAIN",
  })
  void schemesAreToldByTheirTags(String tags, TagScheme scheme) {
    assertEquals(scheme, TagScheme.of(tagged(tags)));
  }

  @ParameterizedTest
  @CsvSource({
    "O I-PER I-PER B-PER I-LOC,O B-PER I-PER B-PER B-LOC",
    "B-PER E-PER S-PER O S-LOC,B-PER I-PER B-PER O B-LOC",
    "B-PER I-PER L-PER U-LOC O,B-PER I-PER I-PER B-LOC O",
    "E-PER O B-LOC M-LOC E-LOC,B-PER O B-LOC I-LOC I-LOC",
  })
  void otherSchemesBecomeBio(String tags, String expected) {
    Dataset data = tagged(tags);
    Dataset converted = TagScheme.of(data).toBio(data);
    assertEquals(List.of(expected.split(" ")), converted.get(0).tags());
    assertEquals("tags_converted", converted.reading().findings().get(0).code());
    assertEquals(data.get(0).tokens(), converted.get(0).tokens());
  }

  /** Whatever entities a sentence has: written in any scheme, they are the same BIO. */
  @Test
  void everySchemeOfTheSameEntitiesBecomesTheSameTags() {
    Random random = new Random(7);
    for (int round = 0; round < 300; round++) {
      List<String> bio = new ArrayList<>();
      List<String> iob1 = new ArrayList<>();
      List<String> bioes = new ArrayList<>();
      String before = "";
      for (int spans = 1 + random.nextInt(6); spans > 0; spans--) {
        String type = random.nextInt(3) == 0 ? "" : random.nextBoolean() ? "-X" : "-Y";
        int length = 1 + random.nextInt(3);
        for (int i = 0; i < length; i++) {
          boolean first = i == 0;
          boolean last = i == length - 1;
          bio.add(type.isEmpty() ? "O" : (first ? "B" : "I") + type);
          iob1.add(type.isEmpty() ? "O" : (first && type.equals(before) ? "B" : "I") + type);
          String end = first && last ? "S" : first ? "B" : last ? "E" : "I";
          bioes.add(type.isEmpty() ? "O" : end + type);
        }
        before = type;
      }
      for (List<String> tags : List.of(bio, iob1, bioes)) {
        Dataset data = tagged(String.join(" ", tags));
        assertEquals(bio, TagScheme.of(data).toBio(data).get(0).tags(), tags::toString);
      }
    }
  }

  @Test
  void bioAndOtherNamesStayAsTheyAre() {
    for (Dataset data : List.of(tagged("O B-PER I-PER"), tagged("NN VB"))) {
      assertSame(data, TagScheme.of(data).toBio(data));
    }
  }

  @Test
  void tagsThatStandOutAreNamed() {
    assertEquals(Set.of("NN"), TagScheme.strangers(Set.of("O", "B-PER", "NN")));
    assertEquals(Set.of(), TagScheme.strangers(Set.of("DT", "NN")));
  }
}
