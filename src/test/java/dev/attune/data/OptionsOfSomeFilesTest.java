package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Options of how files are written that fit only some of those that are read. */
class OptionsOfSomeFilesTest extends FormatTrial {
  private static final String ROW = "{\"text\": \"fine\", \"label\": \"1\"}\n";

  @ParameterizedTest
  @ValueSource(strings = {"delimiter", "quoting"})
  void whatTablesAloneHaveIsNotAskedOfOthersBeside(String option) {
    FileOptions options =
        options(
            null,
            null,
            option.equals("delimiter") ? ";" : null,
            option.equals("quoting") ? "csv" : null);
    Path table = file("a.csv", "text;label\ngood;1\nbad;0\n");
    Path lines = file("b.jsonl", ROW);
    Dataset data =
        DataReader.read(
            List.of(lines.toString(), table.toString()), as(Columns.automatic(), options));
    assertEquals(List.of("fine", "good", "bad"), texts(data));
    InputException e =
        assertThrows(
            InputException.class, () -> DataReader.read(lines, as(Columns.automatic(), options)));
    assertTrue(RunOption.worded(e.getMessage()).contains("--" + option), e.getMessage());
  }

  @Test
  void whatAnotherFileOfARunHasIsLeftToIt() {
    Path parquet = Path.of("a.parquet");
    Path table = Path.of("a.csv.gz");
    Path lines = Path.of("a.jsonl");
    ReadOptions all = as(Columns.automatic(), options(null, "windows-1252", ";", "none"));
    List<Path> run = List.of(parquet, table, lines);
    assertEquals(FileOptions.AUTOMATIC, all.forSome(List.of(parquet), run).written());
    assertEquals(all, all.forSome(List.of(table), run));
    FileOptions ofLines = all.forSome(List.of(lines), run).written();
    assertEquals("windows-1252", ofLines.encoding().name());
    assertNull(ofLines.delimiter());
    assertNull(ofLines.quoting());
    assertEquals(all, all.forSome(List.of(parquet), List.of(parquet)), "nobody's is refused");
    assertEquals(';', all.forSome(List.of(parquet), List.of(parquet, lines)).written().delimiter());
  }
}
