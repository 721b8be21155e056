package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.TerminalText;
import dev.attune.data.Dataset;
import dev.attune.data.Finding;
import dev.attune.run.RunOption;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * What a person sees: on a terminal a progress line that is rewritten in place, elsewhere plain
 * lines now and then. With {@code --json} people's text goes to standard error, so that standard
 * output is for programs.
 */
final class Console {
  private static final int BAR_WIDTH = 24;
  private static final int NARROW = 60; // where numbers matter more than a bar

  /** Characters in a line of the terminal, as the launcher found. */
  private static final int COLUMNS = columns(System.getenv("COLUMNS"));

  /** In a line of a table that nobody's terminal must hold. */
  private static final int COLUMNS_OF_A_FILE = 200;

  private final PrintStream out;
  private final boolean terminal;
  private final boolean quiet;
  private final Colours colours;
  private boolean lineOpen;

  Console(boolean json, boolean quiet) {
    this.out = json ? System.err : System.out;
    this.terminal = Terminal.is(json ? 2 : 1) && System.getenv("TERM") != null;
    this.quiet = quiet;
    this.colours = json ? Colours.NONE : Colours.of(false);
  }

  /** How what stands out is marked here. */
  Colours colours() {
    return colours;
  }

  /** Characters in a line of a table. */
  int columns() {
    return terminal || System.getenv("COLUMNS") != null ? COLUMNS : COLUMNS_OF_A_FILE;
  }

  PrintStream out() {
    endProgress();
    return out;
  }

  boolean isTerminal() {
    return terminal;
  }

  boolean isQuiet() {
    return quiet;
  }

  /** Prints a line; what of data or of names in it would steer a terminal is seen instead. */
  void line(String format, Object... args) {
    laidOut(
        TerminalText.visible(args.length == 0 ? format : String.format(Locale.ROOT, format, args)));
  }

  /** Prints a line that is as it is to be shown, with marks that stand out, say. */
  void laidOut(String line) {
    endProgress();
    out.println(line);
  }

  /** A text of a model's, as it is where programs read it; a terminal is not steered by it. */
  String answer(String text) {
    return terminal ? TerminalText.withoutControls(text) : text;
  }

  /**
   * Says how a file was read, where no data report does: which column plays which role, and what
   * was found.
   *
   * @param result for programs
   */
  void reading(Dataset data, ObjectNode result) {
    result.put("columns", data.columns());
    line("%s  [%s]", data.source(), data.columns());
    ArrayNode list = result.putArray("findings");
    for (Finding finding : data.reading().findings()) {
      String sentence = RunOption.worded(finding.sentence(data::place));
      list.addObject().put("code", finding.code()).put("message", sentence);
      line("· %s", sentence);
    }
  }

  /**
   * Shows how labels were chosen that a model has not learned.
   *
   * @param method null: it has learned them
   * @param result for programs
   */
  void method(String method, ObjectNode result) {
    if (method != null) {
      result.put("method", method);
      line("%s", "labels that the model has not learned are chosen " + method);
    }
  }

  /** What whoever asked should know of a model. */
  void notes(List<String> notes, ObjectNode result) {
    notes.forEach(note -> line("· %s", TerminalText.visible(note)));
    if (!notes.isEmpty()) {
      notes.forEach(result.putArray("notes")::add);
    }
  }

  /** Whether {@link #progress} shows anything. */
  boolean showsProgress() {
    return terminal && !quiet;
  }

  /** Shows the state of a long task in place; on a terminal only. */
  void progress(double fraction, String text) {
    if (!showsProgress()) {
      return;
    }
    out.print("\r" + progressLine(fraction, TerminalText.visible(text), COLUMNS));
    out.flush();
    lineOpen = true;
  }

  /** A bar and a text in one line, which a terminal of so many columns must not wrap. */
  static String progressLine(double fraction, String text, int columns) {
    int full = (int) Math.round(fraction * BAR_WIDTH);
    String bar = columns < NARROW ? "" : "━".repeat(full) + "╌".repeat(BAR_WIDTH - full) + "  ";
    String line = bar + text;
    return TerminalText.left(line, columns - 1); // some terminals wrap at the last one
  }

  /** The width that a variable of the environment states, at least 20; 80 where it states none. */
  static int columns(String variable) {
    try {
      int stated = Integer.parseInt(variable);
      // Terminals that do not know their size say 0.
      return stated <= 0 ? 80 : Math.max(20, Math.min(stated, 500));
    } catch (NumberFormatException e) {
      return 80;
    }
  }

  private void endProgress() {
    if (lineOpen) {
      out.print("\r" + " ".repeat(COLUMNS - 1) + "\r");
      out.flush();
      lineOpen = false;
    }
  }

  /** "1 h 02 min", "3 min 20 s", "12 s". */
  static String duration(double seconds) {
    if (Double.isNaN(seconds)) {
      return "…";
    }
    Duration d = Duration.ofSeconds(Math.round(seconds));
    if (d.toHours() > 0) {
      return String.format("%d h %02d min", d.toHours(), d.toMinutesPart());
    }
    if (d.toMinutes() > 0) {
      return String.format("%d min %02d s", d.toMinutes(), d.toSecondsPart());
    }
    return d.toSeconds() + " s";
  }

  /** "1.4 GiB", "312 MiB". */
  static String size(long bytes) {
    return bytes >= 1L << 30
        ? String.format(Locale.ROOT, "%.2f GiB", bytes / (double) (1L << 30))
        : String.format(Locale.ROOT, "%d MiB", bytes >> 20);
  }
}
