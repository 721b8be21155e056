package dev.attune.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.core.Cache;
import dev.attune.core.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LevelChoiceTest {
  @TempDir Path folder;

  private LevelChoice measured() {
    return LevelChoice.measured("Maker 1/2", Cache.at(folder));
  }

  @Test
  void aProcessorThatIsNotKnownIsMeasuredOnce() {
    LevelChoice first = measured();
    assertTrue(first.toString().startsWith("measured here now: "), first.toString());
    LevelChoice second = measured();
    assertEquals(
        first.toString().replace("measured here now", "measured here before"), second.toString());
    assertEquals(first.fastest(), second.fastest());
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      assertEquals(first.best(dtype), second.best(dtype));
      assertTrue(first.best(dtype).isAvailable());
    }
  }

  /** Two processes that begin together must not choose differently; two threads stand for them. */
  @Test
  void thoseThatMeasureAtOnceMakeOneChoice() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(2);
    try {
      Callable<String> figures = () -> measured().toString().replaceFirst("^[^:]*: ", "");
      List<String> both =
          List.of(pool.submit(figures), pool.submit(figures)).stream()
              .map(
                  future -> {
                    try {
                      return future.get();
                    } catch (Exception e) {
                      throw new AssertionError(e);
                    }
                  })
              .toList();
      assertEquals(both.get(0), both.get(1));
    } finally {
      pool.shutdown();
    }
  }

  @Test
  void whatWasKeptAndIsDamagedIsMeasuredAgain() throws IOException {
    measured();
    Path file = folder.resolve("cpu-levels-Maker-1-2-v" + LevelTiming.VERSION + ".txt");
    String kept = Files.readString(file, StandardCharsets.ISO_8859_1);
    Files.writeString(file, kept.replace("00", "01"), StandardCharsets.ISO_8859_1);
    assertTrue(measured().toString().startsWith("measured here now: "));
    assertTrue(measured().toString().startsWith("measured here before: "));
  }

  @Test
  void withoutAFolderToKeepItInTheChoiceIsMadeAllTheSame() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    LevelChoice choice = LevelChoice.measured("Maker 1/2", Cache.at(file.resolve("below")));
    assertTrue(choice.toString().startsWith("measured here now, not kept: "), choice.toString());
  }

  /** All levels that there are, and in the run of the emulated tiles those. */
  @ParameterizedTest
  @EnumSource(Isa.class)
  void everyLevelAgreesWithThePortableOne(Isa level) {
    assumeTrue(level.isAvailable(), level + " is not here");
    assertTrue(LevelTiming.agrees(level, Isa.PORTABLE));
  }

  @Test
  void wrongNumbersAreSeen() {
    List<float[]> right = List.of(new float[] {1, -1, 0.5f}, new float[] {100, 0});
    assertTrue(
        LevelTiming.agree(right, List.of(new float[] {1.01f, -1, 0.5f}, new float[] {99, 1})));
    assertFalse(LevelTiming.agree(right, List.of(new float[] {1, -1, 0.9f}, new float[] {100, 0})));
    assertFalse(
        LevelTiming.agree(right, List.of(new float[] {1, -1, Float.NaN}, new float[] {100, 0})));
    assertFalse(LevelTiming.agree(right, List.of(new float[] {1, -1, 0.5f}, new float[] {0, 0})));
  }

  @Test
  void thisProcessorIsNamedWhereItTells() {
    String processor = LevelChoice.here().processor();
    assertTrue(
        System.getProperty("os.arch").equals("amd64")
            ? processor.matches("\\S+ \\d+/\\d+")
            : processor.isEmpty(),
        processor);
  }
}
