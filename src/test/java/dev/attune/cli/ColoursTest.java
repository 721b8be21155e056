package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where text is emphasised. */
class ColoursTest {
  @ParameterizedTest
  @CsvSource({
    "true,  TERM=xterm,                              true",
    "false, TERM=xterm,                              false",
    "true,  TERM=dumb,                               false",
    "true,  '',                                      false",
    "true,  TERM=xterm NO_COLOR=1,                   false",
    "true,  TERM=xterm NO_COLOR=,                    true",
    "true,  TERM=xterm CLICOLOR=0,                   false",
    "true,  TERM=xterm CLICOLOR=1,                   true",
    "false, TERM=xterm CLICOLOR=1,                   false",
    "false, CLICOLOR_FORCE=1,                        true",
    "false, CLICOLOR_FORCE=0,                        false",
    "false, CLICOLOR_FORCE=1 NO_COLOR=1,             false"
  })
  void theEnvironmentDecides(boolean terminal, String variables, boolean isOn) {
    Map<String, String> environment = new HashMap<>();
    for (String variable : variables.isEmpty() ? new String[0] : variables.split(" ")) {
      environment.put(variable.replaceFirst("=.*", ""), variable.replaceFirst("[^=]*=", ""));
    }
    Colours colours = Colours.of(terminal, environment);
    assertEquals(isOn ? "\u001b[31mx\u001b[0m" : "x", colours.error("x"));
    assertEquals(isOn ? "\u001b[33mx\u001b[0m" : "x", colours.warning("x"));
    assertEquals(isOn ? "\u001b[1mx\u001b[0m" : "x", colours.best("x"));
    assertEquals("x", Colours.NONE.error("x"));
  }
}
