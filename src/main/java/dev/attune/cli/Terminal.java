package dev.attune.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Which of the standard streams are terminals. */
final class Terminal {
  private Terminal() {}

  /**
   * Whether a stream is one. Java tells it of input and output together only, and from version 22
   * on of neither.
   *
   * @param descriptor 0: standard input, 1: standard output, 2: standard error
   */
  static boolean is(int descriptor) {
    Path stream = Path.of("/proc/self/fd", Integer.toString(descriptor));
    if (Files.isSymbolicLink(stream)) {
      try {
        String device = Files.readSymbolicLink(stream).toString();
        return device.startsWith("/dev/pts/")
            || device.startsWith("/dev/tty")
            || device.equals("/dev/console");
      } catch (IOException e) {
        return false;
      }
    }
    return System.console() != null;
  }
}
