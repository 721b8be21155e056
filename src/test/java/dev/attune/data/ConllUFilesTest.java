package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files as Universal Dependencies has them, and others of ten columns. */
class ConllUFilesTest extends FormatTrial {
  private static final FileOptions TAGGED = FileOptions.parse(null, null, null, null, true);
  private static final FileOptions WORDS = FileOptions.parse("conll", null, null, null, true);

  private static final String SENTENCES =
      """
      1\tThey\tthey\tPRON\tPRP\tCase=Nom\t2\tnsubj\t_\t_
      2\tbuy\tbuy\tVERB\tVBP\t_\t0\troot\t_\t_

      # newpar
      # This one was checked by hand
      # text[eng] = No. 3
      # x=y
      #
      #no space
      1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
      2\t3.14\t3.14\tNUM\tCD\t_\t1\tnummod\t_\t_

      """;

  private static List<String> codes(Dataset data) {
    return data.reading().findings().stream().map(Finding::code).toList();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "# newdoc id = weblog-1",
        "# newpar id = weblog-1-p1",
        "# This treebank is of newspapers",
        "# a b c d e f g h i",
        "# text[eng] = They buy",
        "# x=y",
        "#",
        "# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"
      })
  void anyLineBeforeASentenceMayBeAComment(String comment) {
    for (String name : List.of("a.conllu", "a.txt", "a.tsv")) {
      Path file = file(name, comment + "\n" + SENTENCES);
      Dataset data = DataReader.read(file, as(Columns.automatic(), TAGGED));
      assertEquals(List.of("They", "buy"), data.get(0).tokens());
      assertEquals(List.of("PRON", "VERB"), data.get(0).tags());
      assertEquals(List.of("#", "3.14"), data.get(1).tokens());
      assertEquals(2, data.get(0).row());
      assertEquals(List.of("conllu", "comments"), codes(data));
      Columns xpos = Columns.parse("_,tokens,_,_,tags,_,_,_,_,_");
      assertEquals(List.of("NN", "CD"), DataReader.read(file, as(xpos, WORDS)).get(1).tags());
    }
  }

  @Test
  void aNumberSignIsAWordWhereTheWordIsFirst() {
    Dataset data = read(file("a.conll", "# O\n1 O\n\n# B-X\n# I-X\n"));
    assertEquals(List.of("#", "1"), data.get(0).tokens());
    assertEquals(List.of("#", "#"), data.get(1).tokens());
    Columns columns = Columns.parse("tokens,_,_,_,_,_,_,_,_,tags");
    String ten = "# a b c d e f g h O\n1 a b c d e f g h O\n";
    assertEquals(List.of("#", "1"), DataReader.read(file("b.conll", ten), columns).get(0).tokens());
  }

  @Test
  void linesOfOtherTenColumnsAreAllWords() {
    Columns columns = Columns.parse("_,tokens,_,_,_,_,_,_,_,tags");
    for (String first : List.of("3.14 1-2 x", "1-2 3.14 7", "0.5 1.0 2")) {
      StringBuilder lines = new StringBuilder();
      for (String cell : first.split(" ")) {
        lines.append(cell).append(" w").append(cell).append(" b c d e f g h O\n");
      }
      Dataset data = DataReader.read(file("a.conll", lines.toString()), columns);
      assertEquals(3, data.get(0).tokens().size(), first);
      assertFalse(codes(data).contains("conllu_ids"), first);
    }
  }

  @Test
  void wordsWithoutTagAmongOthersAreWarnedOf() {
    Dataset data = read(file("a.conllu", "# x\n" + SENTENCES.replace("\tSYM\t", "\t_\t")));
    Finding finding =
        data.reading().findings().stream()
            .filter(f -> f.severity() == Finding.Severity.WARNING)
            .findFirst()
            .orElseThrow();
    assertEquals("conllu_untagged", finding.code());
    assertEquals(List.of(data.get(1).row()), finding.rows());
    assertTrue(finding.message().startsWith("1 word of 1 sentence has no tag"), finding.message());
  }

  @Test
  void badLinesOfTheFirstSentenceChangeNoColumns() {
    ReadOptions skipping = new ReadOptions(Columns.automatic(), true, false, WORDS);
    Dataset data =
        DataReader.read(file("a.conllu", SENTENCES.replace("buy\tbuy", "buy")), skipping);
    assertEquals(List.of("#", "3.14"), data.get(0).tokens());
  }
}
