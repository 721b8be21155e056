package dev.attune.data;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.attune.core.InputException;
import dev.attune.testkit.FuzzFiles;
import java.nio.file.Path;

/** Fuzz targets of the readers of data files: rows or an InputException. */
class DataFuzzTest {
  private static final FuzzFiles FILES = new FuzzFiles();

  @FuzzTest
  void csv(byte[] bytes) {
    read("fuzz.csv", bytes);
  }

  @FuzzTest
  void tsv(byte[] bytes) {
    read("fuzz.tsv", bytes);
  }

  @FuzzTest
  void json(byte[] bytes) {
    read("fuzz.json", bytes);
  }

  @FuzzTest
  void jsonl(byte[] bytes) {
    read("fuzz.jsonl", bytes);
  }

  @FuzzTest
  void conll(byte[] bytes) {
    read("fuzz.conll", bytes);
  }

  @FuzzTest
  void arrow(byte[] bytes) {
    read("fuzz.arrow", bytes);
  }

  @FuzzTest
  void parquet(byte[] bytes) {
    read("fuzz.parquet", bytes);
  }

  private static void read(String name, byte[] bytes) {
    Path file = FILES.write(name, bytes);
    for (boolean skips : new boolean[] {false, true}) {
      try {
        DataReader.read(
            file, new ReadOptions(Columns.automatic(), skips, !skips, FileOptions.AUTOMATIC));
      } catch (InputException e) {
        // The bytes are no such file.
      }
    }
  }
}
