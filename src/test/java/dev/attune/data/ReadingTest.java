package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** Files that a test writes and reads. */
abstract class ReadingTest {
  @TempDir Path temp;

  Path file(String name, String content) {
    return file(name, content.getBytes(StandardCharsets.UTF_8));
  }

  Path file(String name, byte[] content) {
    try {
      return Files.write(temp.resolve(name), content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  Dataset read(String name, String content, String columns) {
    return DataReader.read(file(name, content), Columns.parse(columns));
  }

  /** The message of reading the content, without the temporary folder. */
  String refusal(String name, String content, String columns) {
    InputException e =
        assertThrows(InputException.class, () -> read(name, content, columns), content);
    return RunOption.worded(e.getMessage()).replace(temp.toString() + "/", "");
  }
}
