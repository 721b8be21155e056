package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a command's output takes the place of. */
class OutputFileTest {
  @TempDir private Path folder;

  private Path of(Path output) throws IOException {
    Path file = folder.resolve("in.csv");
    Files.writeString(file, "text\na\n");
    return OutputFile.of(
        RunConfig.builder(CommandOptions.PREDICT)
            .set(RunOption.FILE, file.toString())
            .set(RunOption.OUTPUT, output.toString())
            .build(),
        RunOption.FILE);
  }

  private void refused(Path output, String expected) {
    String message = assertThrows(InputException.class, () -> of(output)).getMessage();
    assertTrue(message.contains(expected), message);
  }

  /** As root the rename would succeed, and the device be gone. */
  @Test
  void aDeviceAFolderAndTheInputAreRefused() {
    refused(Path.of("/dev/null"), "is a device or a pipe");
    refused(folder, "is a folder");
    refused(folder.resolve("in.csv"), "which would be lost");
  }

  @Test
  void aLinkStaysALink() throws IOException {
    Path target = Files.writeString(folder.resolve("target.jsonl"), "old");
    Path link = Files.createSymbolicLink(folder.resolve("link.jsonl"), target);
    assertEquals(target.toRealPath(), of(link));
    Files.delete(target);
    assertEquals(target, of(link));
    assertEquals(folder.resolve("new.jsonl"), of(folder.resolve("new.jsonl")));
  }
}
