package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Each file operation of an installation fails in turn, alone or with all that follow it, as when
 * the process is killed there: a reader then finds the old model or the new one, with all its files
 * and no other's, and the user's files beside it.
 */
class FolderFaultTest {
  private static final List<String> WHOLE =
      List.of("attune.json", "config.json", "model.safetensors", "tokenizer.json", "vocab.txt");
  private static final List<String> ADAPTER =
      List.of("adapter_config.json", "adapter_model.safetensors", "attune.json", "tokenizer.json");
  private static final List<String> SHARDS =
      List.of(
          "config.json",
          "generation_config.json",
          "merges.txt",
          "model-00001-of-00002.safetensors",
          "model-00002-of-00002.safetensors",
          "model.safetensors.index.json");
  private static final List<String> OLD_TORCH = List.of("config.json", "pytorch_model.bin");

  /** What a model's folder also holds, and keeps. */
  private static final List<String> USERS =
      List.of("README.md", "metrics.jsonl", "notes.txt", "optimizer.bin", "run.yaml");

  @TempDir Path scratch;

  private static List<String> files(String kind) {
    return switch (kind) {
      case "whole" -> WHOLE;
      case "adapter" -> ADAPTER;
      case "shards" -> SHARDS;
      default -> OLD_TORCH;
    };
  }

  private static ModelInstall.Writer model(String kind, String content) {
    return folder -> {
      for (String name : files(kind)) {
        Files.writeString(folder.resolve(name), content);
      }
    };
  }

  private static Path folderWith(Path folder, String kind) throws IOException {
    ModelInstall.install(folder, model(kind, "old"));
    for (String name : USERS) {
      Files.writeString(folder.resolve(name), "mine");
    }
    Files.createDirectories(folder.resolve("checkpoints/step-000000001"));
    return folder;
  }

  /** Whose files are there: all of them, and none of another model's. */
  private static String installed(Path folder, String before, String after) throws IOException {
    List<String> found = new ArrayList<>();
    TreeSet<String> contents = new TreeSet<>();
    for (Path file : ModelFiles.list(folder)) {
      found.add(file.getFileName().toString());
      contents.add(Files.readString(file));
    }
    assertEquals(1, contents.size(), "a mixture: " + found + " " + contents);
    String content = contents.first();
    assertEquals(files(content.equals("old") ? before : after), found);
    for (String name : USERS) {
      assertEquals("mine", Files.readString(folder.resolve(name)));
    }
    assertTrue(Files.isDirectory(folder.resolve("checkpoints/step-000000001")));
    try (Stream<Path> all = Files.list(folder)) {
      assertEquals(
          List.of(), all.filter(p -> p.getFileName().toString().startsWith(".model")).toList());
    }
    return content;
  }

  @ParameterizedTest
  @CsvSource({
    "whole, whole, false",
    "whole, whole, true",
    "whole, adapter, false",
    "whole, adapter, true",
    "adapter, whole, false",
    "adapter, whole, true",
    "shards, whole, true",
    "whole, shards, true",
    "torch, adapter, true",
    "adapter, shards, false"
  })
  void anInstallationCutOffAnywhereLeavesOneModelWhole(String before, String after, boolean dies)
      throws IOException {
    boolean injected = true;
    int failAt = 1;
    boolean sawOld = false;
    boolean sawNew = false;
    for (; injected; failAt++) {
      String where = before + " to " + after + ", operation " + failAt;
      Path folder = folderWith(scratch.resolve("fail-" + failAt), before);
      FailingFiles failing = new FailingFiles(failAt, dies);
      boolean failed = false;
      try {
        ModelInstall.install(folder, model(after, "new"), failing);
      } catch (IOException e) {
        failed = true;
      }
      injected = failing.reached();
      assertEquals(injected, failed, where);
      if (!ModelInstall.isUnfinished(folder) && dies) {
        // Nobody cleans up after a killed process but the next installation.
        ModelInstall.install(folder, model(after, "newer"));
        assertEquals("newer", installed(folder, before, after), where);
        sawOld |= failed;
      } else {
        ModelInstall.recover(folder);
        String content = installed(folder, before, after);
        sawOld |= content.equals("old");
        sawNew |= failed && content.equals("new");
        assertTrue(failed || content.equals("new"), where);
      }
    }
    assertTrue(sawOld, "no failure left the old model");
    assertTrue(sawNew, "no failure left the new model");
    assertTrue(failAt > 10, "only " + failAt + " operations were made to fail");
  }

  @ParameterizedTest
  @CsvSource({"whole, adapter", "adapter, whole", "shards, whole"})
  void aReaderThatIsKilledWhileItRecoversLosesNothing(String before, String after)
      throws IOException {
    boolean injected = true;
    for (int failAt = 1; injected; failAt++) {
      Path folder = folderWith(scratch.resolve("fail-" + failAt), before);
      cutOffAfterItIsDeclared(folder, after);
      FailingFiles failing = new FailingFiles(failAt, true);
      try {
        ModelInstall.recover(folder, failing);
      } catch (IOException e) {
        assertTrue(failing.reached());
      }
      injected = failing.reached();
      ModelInstall.recover(folder);
      assertEquals("new", installed(folder, before, after), "operation " + failAt);
    }
  }

  /** Kills an installation at the first operation that leaves it declared but not in place. */
  private static void cutOffAfterItIsDeclared(Path folder, String after) throws IOException {
    for (int failAt = 1; !ModelInstall.isUnfinished(folder); failAt++) {
      FailingFiles failing = new FailingFiles(failAt, true);
      assertThrows(
          IOException.class, () -> ModelInstall.install(folder, model(after, "new"), failing));
    }
  }

  @Test
  void aWriterThatFailsLeavesTheOldModelAndNothingElse() throws IOException {
    Path folder = folderWith(scratch.resolve("out"), "whole");
    ModelInstall.Writer full =
        into -> {
          Files.writeString(into.resolve("config.json"), "new");
          throw new IOException("No space left on device");
        };
    assertThrows(IOException.class, () -> ModelInstall.install(folder, full));
    assertEquals("old", installed(folder, "whole", "whole"));
  }

  @Test
  void aFolderHoldsAModelOfAnyKind() throws IOException {
    assertFalse(ModelFolder.holdsModel(scratch.resolve("absent")));
    Path users = Files.createDirectories(scratch.resolve("users"));
    for (String name : USERS) {
      Files.writeString(users.resolve(name), "mine");
    }
    Files.writeString(users.resolve("tokenizer.json"), "{}");
    assertFalse(ModelFolder.holdsModel(users), "a tokenizer alone is no model");
    for (String kind : List.of("whole", "adapter", "shards", "torch")) {
      assertTrue(ModelFolder.holdsModel(folderWith(scratch.resolve(kind), kind)), kind);
    }
    Path unfinished = folderWith(scratch.resolve("unfinished"), "whole");
    cutOffAfterItIsDeclared(unfinished, "adapter");
    for (Path file : ModelFiles.list(unfinished)) {
      Files.delete(file);
    }
    assertTrue(ModelFolder.holdsModel(unfinished), "one that is not yet in place");
  }
}
