package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

/** What is logged is a line among others. */
class LogViewTest {
  @Test
  void aRecordIsALineWithoutDateOrClass() {
    assertEquals(
        "attune: warning: /nowhere cannot be used",
        LogView.line(new LogRecord(Level.WARNING, "/nowhere cannot be used"), Colours.NONE));
    assertEquals(
        "· fetching --max-length \\u202e",
        LogView.line(new LogRecord(Level.INFO, "fetching ‹max length› \u202e"), Colours.NONE));
  }

  @Test
  void whatWasThrownIsSaidAndAMessageMayBeAbsent() {
    LogRecord both = new LogRecord(Level.INFO, "not read");
    both.setThrown(new IOException("broken pipe"));
    assertEquals("· not read: java.io.IOException: broken pipe", LogView.line(both, Colours.NONE));
    LogRecord silent = new LogRecord(Level.INFO, null);
    assertEquals("· ", LogView.line(silent, Colours.NONE));
    silent.setThrown(new IOException("broken pipe"));
    assertEquals("· java.io.IOException: broken pipe", LogView.line(silent, Colours.NONE));
  }
}
