package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which of the lines above a table are comments, and which is its header. */
class LinesAboveTest extends FormatTrial {
  @ParameterizedTest
  @CsvSource(
      delimiter = '/',
      value = {
        "#id,text,label~1,`good, really`,pos~2,bad,neg/''",
        "#id,text,label~1,`good,~really`,pos~2,bad,neg/''",
        "#`id`,`text`,`label`~1,`good, really`,pos~2,bad,neg/''",
        "# exported 2024~#id,text,label~1,`good, really`,pos~2,bad,neg/1 line above the header left out",
        "# of us, them, all~~#id,text,label~1,`good, really`,pos~2,bad,neg/2 lines above the header left out",
        "#id;text;label~1;good, really;pos~2;bad;neg/fields parted by semicolons",
        "# made by us, v2~text,label~`good, really`,pos~bad,neg/1 line above the header left out",
        "#id|text|label~1|`good, really|pos~2|bad|neg/fields parted by tabs, quotes are text",
        "# text~id,text~1,`good, really`~2,bad/1 line above the header left out",
        "#id,text,label~# two rows~text,label~good,pos~bad,neg/2 lines above the header left out",
      })
  void aCommentAndAHeaderAreToldApart(String content, String note) {
    Path file =
        file("a.csv", content.replace('~', '\n').replace('|', '\t').replace('`', '"') + "\n");
    Dataset data = read(file);
    String good = texts(data).get(0).replace('\n', ' ');
    assertEquals("good", good.replace("\"", "").split(",")[0]);
    assertEquals("bad", texts(data).get(1));
    assertEquals(2, data.size());
    assertEquals(note, form(data));
  }

  @Test
  void aHeaderMayBeKnownByItsNamesAlone() {
    Path file = file("a.csv", "# of us\n#id,text,label\n1,good\n");
    String refusal = refusal(file);
    assertEquals(
        "a.csv, row 3 has 2 fields instead of 3 (#id, text, label)", refusal.split(":")[0]);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '/',
      value = {
        "#text,label~good,pos~#text,label~bad,neg",
        "text,label~good,pos~#text,label~bad,neg",
        "text,label~good,pos~# text,label~bad,neg",
        "#text,label~good,pos~text,label~bad,neg",
        "# of us~#id,text~1,good~id,text~2,bad",
      })
  void aHeaderOfAJoinedFileIsNoRowWithOrWithoutItsMark(String content) {
    Path file = file("a.csv", content.replace('~', '\n') + "\n");
    String refusal = refusal(file);
    assertTrue(refusal.contains("is the header once more, as where files were joined"), refusal);
  }

  @Test
  void linesAboveTakeNoRoomHoweverManyTheyAre() {
    String above = "# of us, and nobody else\n".repeat(100_000);
    Dataset data = read(file("a.csv", above + "text;label\ngood, really;1\nbad;0\n"));
    assertEquals(List.of("good, really", "bad"), texts(data));
    assertEquals(
        "fields parted by semicolons, 100,000 lines above the header left out", form(data));
  }

  @Test
  void aByteOrderMarkHidesNoFastText() {
    Dataset data = read(file("train", "\uFEFF__label__good It is fine\n__label__bad It is not\n"));
    assertEquals(List.of("It is fine", "It is not"), texts(data));
    assertEquals("good", data.get(0).label());
  }
}
