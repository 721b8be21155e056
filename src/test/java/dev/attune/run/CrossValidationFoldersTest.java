package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.folder.FolderLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The folders of a cross-validation: whose they are, and until when what was there is kept. */
class CrossValidationFoldersTest extends CrossValidationTrial {
  /** A cross-validation is there until another takes its first step in its place. */
  @Test
  void whatIsRefusedLeavesTheOneBeforeWhole() throws IOException {
    String before = Files.readString(run(options(output), new Heard(99)).predictions());
    RunConfig.Builder again = options(output).set(RunOption.OVERWRITE, "true");
    refusalAnew(again.set(RunOption.K_FOLD, "62"));
    refusalAnew(
        options(output).set(RunOption.OVERWRITE, "true").set(RunOption.CLASS_WEIGHTS, "no=1"));
    assertEquals(before, Files.readString(output.resolve("predictions.jsonl")));
    Heard resumed = new Heard(99);
    run(options(output).set(RunOption.RESUME, "true"), resumed);
    assertEquals(0, resumed.steps, "it was done");
    Heard replaced = new Heard(99);
    CrossValidation.Outcome two =
        run(options(output).set(RunOption.OVERWRITE, "true").set(RunOption.K_FOLD, "2"), replaced);
    assertEquals(2, two.folds().size());
    assertEquals(8, replaced.steps);
    assertFalse(Files.exists(output.resolve("fold-3")));
  }

  @Test
  void aRefusedOneLeavesNothingThatStandsInTheWay() {
    refusalAnew(options(output).set(RunOption.CLASS_WEIGHTS, "no=1"));
    assertEquals(3, run(options(output), new Heard(99)).folds().size());
  }

  @Test
  void runsAndCrossValidationsDoNotTakeEachOthersFolders() {
    run(options(output), new Heard(99));
    RunConfig.Builder plain = options(output).set(RunOption.K_FOLD, "0");
    for (String overwrite : List.of("false", "true")) {
      String message =
          RunOption.worded(
              assertThrows(
                      InputException.class,
                      () ->
                          new TrainRun(
                                  plain.set(RunOption.OVERWRITE, overwrite).build(),
                                  new Heard(99),
                                  () -> false)
                              .run())
                  .getMessage());
      assertTrue(message.contains("holds a cross-validation; give another folder"), message);
    }
    Path model = scratch.resolve("whole");
    new TrainRun(options(model).set(RunOption.K_FOLD, "0").build(), new Heard(99), () -> false)
        .run();
    String message = refusalAnew(options(model).set(RunOption.OVERWRITE, "true"));
    assertTrue(message.contains("holds a run that is no cross-validation"), message);
  }

  private String refusedRun(Path folder) {
    return RunOption.worded(
        assertThrows(
                InputException.class,
                () ->
                    new TrainRun(
                            options(folder)
                                .set(RunOption.K_FOLD, "0")
                                .set(RunOption.OVERWRITE, "true")
                                .build(),
                            new Heard(99),
                            () -> false)
                        .run())
            .getMessage());
  }

  @Test
  void nobodyElseTrainsIntoAFold() throws IOException {
    Heard heard = new Heard(99);
    List<String> refusals = new ArrayList<>();
    heard.midway = () -> refusals.add(refusedRun(output.resolve("fold-2")));
    assertEquals(3, run(options(output), heard).folds().size());
    assertTrue(
        refusals.get(0).contains("fold-2 is a fold of the cross-validation in " + output),
        refusals.get(0));
    assertTrue(refusals.get(0).contains("which is being written to by process "), refusals.get(0));
    String after = refusedRun(output.resolve("fold-2"));
    assertTrue(after.endsWith(output.toRealPath() + "; give another folder"), after);
  }

  @Test
  void aFoldThatAnotherRunIsAtWorkInIsFoundBeforeTheFirst() throws IOException {
    Path second = Files.createDirectories(output.resolve("fold-2"));
    FolderLock lock = FolderLock.take(second);
    String message = refusalAnew(options(output));
    assertTrue(message.contains("fold-2, where a fold is to go, is being written to"), message);
    assertFalse(Files.exists(output.resolve("fold-1")), "before the first");
    lock.close();
    assertEquals(3, run(options(output), new Heard(99)).folds().size());
  }
}
