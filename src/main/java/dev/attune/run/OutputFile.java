package dev.attune.run;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The file that a command writes, beside the one that it reads. */
public final class OutputFile {
  private OutputFile() {}

  /**
   * The file to write, before anything is computed for it.
   *
   * @param input the option that names the file to read
   * @throws InputException if it is a folder, or the very file that is read: which would be lost
   */
  public static Path of(RunConfig config, RunOption input) {
    Path output = Path.of(config.required(RunOption.OUTPUT)).toAbsolutePath();
    config.required(input);
    if (Files.isDirectory(output)) {
      throw new InputException(RunOption.OUTPUT.with(output) + " is a folder, not a file");
    }
    if (Files.exists(output) && !Files.isRegularFile(output)) {
      throw new InputException(
          RunOption.OUTPUT.with(output)
              + " is a device or a pipe; the output is a file, which takes its place once it is"
              + " whole");
    }
    try {
      // What a link points to is replaced, not the link.
      output = Files.isSymbolicLink(output) ? linked(output) : output;
      for (Path read : Datasets.files(config, input)) {
        if (Files.exists(output) && Files.exists(read) && Files.isSameFile(output, read)) {
          throw new InputException(
              RunOption.OUTPUT.with(output)
                  + " is the file of "
                  + input
                  + ", which would be lost; give another name");
        }
      }
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT.with(output) + " cannot be written: " + OutputFolder.describe(e), e);
    }
    return output;
  }

  /** Why a file could not be written, in words: many exceptions carry its name alone. */
  public static String problem(IOException e) {
    return OutputFolder.describe(e);
  }

  private static Path linked(Path link) throws IOException {
    return Files.exists(link)
        ? link.toRealPath()
        : link.resolveSibling(Files.readSymbolicLink(link)).normalize();
  }
}
