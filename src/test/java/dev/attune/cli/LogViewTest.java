package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
}
