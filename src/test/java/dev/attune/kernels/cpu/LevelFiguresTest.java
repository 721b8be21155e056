package dev.attune.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import org.junit.jupiter.api.Test;

class LevelFiguresTest {
  @Test
  void theHighestLevelIsTakenUnlessAnotherIsClearlyFaster() {
    LevelFigures close =
        new LevelFigures().with(Isa.V3, 100, 100).with(Isa.V4, 105, 50).with(Isa.V4_BF16, 98, 80);
    assertEquals(Isa.V4_BF16, close.level(DType.F32));
    assertEquals(Isa.V3, close.level(DType.BF16));
  }

  @Test
  void bf16IsTakenWhereItsBestLevelIsClearlyFasterThanThatOfFp32() {
    assertEquals(DType.BF16, new LevelFigures().with(Isa.V4_BF16, 100, 111).fastest());
    assertEquals(DType.F32, new LevelFigures().with(Isa.V4_BF16, 100, 109).fastest());
    // Best level against best level, not within one.
    assertEquals(
        DType.F32, new LevelFigures().with(Isa.V4, 150, 90).with(Isa.V4_BF16, 60, 120).fastest());
  }

  /** An Intel server: bf16 dot products exist and are slower than multiply-adds in f32. */
  @Test
  void aLevelThatExistsNeedNotBeTheFastest() {
    LevelFigures withoutTiles =
        new LevelFigures().with(Isa.V4, 141, 142).with(Isa.V4_BF16, 141, 84);
    assertEquals(Isa.V4, withoutTiles.level(DType.BF16));
    assertEquals(DType.F32, withoutTiles.fastest());
    LevelFigures figures = Processors.of("GenuineIntel 6/207");
    assertEquals(Isa.AMX, figures.level(DType.BF16));
    assertEquals(DType.BF16, figures.fastest());
    assertFalse(figures.prefersBf16(Isa.V4_BF16));
  }

  @Test
  void processorsWithFastDotProductsPreferThem() {
    for (String processor : new String[] {"AuthenticAMD 25/17", "AuthenticAMD 26/2"}) {
      LevelFigures figures = Processors.of(processor);
      assertEquals(Isa.V4_BF16, figures.level(DType.F32), processor);
      assertEquals(Isa.V4_BF16, figures.level(DType.BF16), processor);
      assertEquals(DType.BF16, figures.fastest(), processor);
      assertTrue(figures.prefersBf16(Isa.V4_BF16), processor);
    }
  }

  @Test
  void aProcessorThatWasNotMeasuredHasNoFigures() {
    assertTrue(Processors.of("GenuineIntel 15/1").isEmpty());
    assertTrue(Processors.of("").isEmpty());
  }

  @Test
  void aLevelWithoutFiguresDoesNotPreferBf16() {
    assertFalse(Processors.of("AuthenticAMD 26/2").prefersBf16(Isa.PORTABLE));
  }

  @Test
  void figuresComeBackFromTheirBytes() {
    LevelFigures figures = new LevelFigures().with(Isa.V3, 75.5, 72.25).with(Isa.V4, 154, 136);
    LevelFigures back = LevelFigures.ofBytes(figures.toBytes());
    assertEquals("avx2 76 and 72, avx512 154 and 136", back.toString());
    assertArrayEquals(figures.toBytes(), back.toBytes());
  }

  @Test
  void ratesArePositive() {
    assertThrows(IllegalArgumentException.class, () -> new LevelFigures().with(Isa.V3, 0, 1));
    assertThrows(
        IllegalArgumentException.class, () -> new LevelFigures().with(Isa.V3, 1, Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> new LevelFigures().with(Isa.BEST, 1, 1));
  }
}
