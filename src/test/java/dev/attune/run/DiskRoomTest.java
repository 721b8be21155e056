package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskRoomTest {
  private static final long PARAMETERS = 100_000_000;

  @Test
  void countsWhatIsThereAtTheSameTime() {
    assertEquals(
        new DiskRoom(400_000_000, 1, 0, 0),
        DiskRoom.of(PARAMETERS, PARAMETERS, 1, false, false, 2, false));
    assertEquals(
        new DiskRoom(400_000_000, 1, 3_600_000_000L, 2_000_000_000),
        DiskRoom.of(PARAMETERS, PARAMETERS, 1, true, false, 2, true));
  }

  @Test
  void aSmallDiskIsRefusedWithTheNumbers(@TempDir Path folder) throws IOException {
    DiskRoom room = DiskRoom.of(PARAMETERS, PARAMETERS, 1, true, false, 2, true);
    room.checkUsable(folder, 6_000_000_000L);
    InputException e =
        assertThrows(InputException.class, () -> room.checkUsable(folder, 5_999_999_999L));
    String message = RunOption.worded(e.getMessage());
    assertTrue(message.startsWith("--output-dir " + folder + " is on a disk with"), message);
    assertTrue(
        message.contains("--save-total-limit and one more of those of --save-steps"), message);
    DiskRoom.of(1, 1, 1, false, false, 2, false).check(folder, 0);
    // What an earlier run left there is replaced.
    DiskRoom.of(Long.MAX_VALUE / 64, 0, 1, false, false, 2, false)
        .check(folder, Long.MAX_VALUE / 4);
  }

  @Test
  void foldsThatLeaveTheirModelsNeedRoomForAllOfThem(@TempDir Path folder) {
    int left = new Fold(2, 5).modelsLeft(true);
    assertEquals(4, left);
    DiskRoom room = DiskRoom.of(PARAMETERS, PARAMETERS, left, false, false, 2, false);
    room.checkUsable(folder, 1_600_000_000L);
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> room.checkUsable(folder, 1_599_999_999L))
                .getMessage());
    assertTrue(message.contains("(1525 MiB for the 4 models of --keep-fold-models)"), message);
    assertEquals(0, new Fold(1, 5).modelsLeft(false));
  }
}
