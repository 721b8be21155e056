package dev.attune.cli;

import dev.attune.hub.Progress;
import dev.attune.run.RunOption;
import java.util.Locale;

/** Prints how fetching goes: in place on a terminal, elsewhere a line now and then. */
final class FetchView implements Progress {
  /** Less is there before a line about it could be read. */
  private static final long WORTH_BYTES = 1 << 20;

  private static final long PLAIN_LINE_NANOS = 10_000_000_000L;

  private final Console console;
  private long lastLine = System.nanoTime();

  FetchView(Console console) {
    this.console = console;
  }

  @Override
  public void report(String message) {
    if (!console.isQuiet()) {
      console.line("· %s", RunOption.worded(message));
    }
  }

  @Override
  public void transferred(long doneBytes, long totalBytes, double bytesPerSecond) {
    if (totalBytes < WORTH_BYTES) {
      return;
    }
    double fraction = totalBytes > 0 ? Math.min(1, (double) doneBytes / totalBytes) : 0;
    double secondsLeft =
        bytesPerSecond > 0 ? (totalBytes - doneBytes) / bytesPerSecond : Double.NaN;
    String text =
        String.format(
            Locale.ROOT,
            "%s of %s  %.1f MiB/s  %s left",
            Console.size(doneBytes),
            Console.size(totalBytes),
            bytesPerSecond / (1 << 20),
            Console.duration(secondsLeft));
    console.progress(fraction, text);
    boolean plain = !console.isTerminal() && !console.isQuiet();
    if (plain && System.nanoTime() - lastLine >= PLAIN_LINE_NANOS) {
      lastLine = System.nanoTime();
      console.line("%s", text);
    }
  }
}
