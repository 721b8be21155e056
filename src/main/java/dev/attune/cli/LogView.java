package dev.attune.cli;

import dev.attune.core.InputException;
import dev.attune.core.TerminalText;
import dev.attune.run.RunOption;
import dev.attune.server.http.AccessLog;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Shows what is logged as any other message: a line, on standard error. */
final class LogView extends Handler {
  /** Kept, as loggers are forgotten with what was set of them. */
  private static final Logger ROOT = Logger.getLogger("");

  private static final Logger OURS = Logger.getLogger("dev.attune");

  private static final Map<String, Level> LEVELS =
      Map.of(
          "error", Level.SEVERE,
          "warning", Level.WARNING,
          "info", Level.INFO,
          "debug", Level.FINE,
          "trace", Level.FINER);

  /** Puts parameters into messages. */
  private static final Formatter FORM = new SimpleFormatter();

  private LogView() {}

  /** Takes the place of all handlers of this process. */
  static void install() {
    LogManager.getLogManager().reset();
    ROOT.setLevel(Level.WARNING);
    OURS.setLevel(Level.INFO);
    ROOT.addHandler(new LogView());
  }

  /**
   * A level by the name that users have for it.
   *
   * @throws InputException if there is none of that name
   */
  static Level level(String name) {
    Level level = LEVELS.get(name.toLowerCase(Locale.ROOT));
    if (level == null) {
      throw new InputException(
          "--log-level is '" + name + "'; it is error, warning, info, debug or trace");
    }
    return level;
  }

  /** Logs so much of ours from here on, and warnings of others at the most. */
  static void show(Level level) {
    OURS.setLevel(level);
    ROOT.setLevel(level.intValue() > Level.WARNING.intValue() ? level : Level.WARNING);
  }

  /** A record as a line. */
  static String line(LogRecord logged, Colours colours) {
    if (AccessLog.NAME.equals(logged.getLoggerName())) {
      return logged.getMessage(); // JSON, for programs
    }
    boolean isWarning = logged.getLevel().intValue() >= Level.WARNING.intValue();
    String message = TerminalText.visible(RunOption.worded(message(logged)));
    return isWarning ? colours.warning("attune: warning:") + " " + message : "· " + message;
  }

  /** What was logged, and what had been thrown: either may be absent. */
  private static String message(LogRecord logged) {
    return Stream.of(
            Optional.ofNullable(FORM.formatMessage(logged)),
            Optional.ofNullable(logged.getThrown()).map(Throwable::toString))
        .flatMap(Optional::stream)
        .collect(Collectors.joining(": "));
  }

  @Override
  public void publish(LogRecord logged) {
    System.err.println(line(logged, Colours.of(true)));
  }

  @Override
  public void flush() {}

  @Override
  public void close() {}
}
