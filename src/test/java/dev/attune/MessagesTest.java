package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Options are named by the command line alone: messages of the rooms below it, and of the public
 * API, carry terms, which each face words in its own way.
 */
class MessagesTest {
  private static final Path SOURCES = Path.of(System.getProperty("basedir", "."), "src/main/java");

  /** Comments, then strings: a quote in a comment begins no string, nor a slash in a string one. */
  private static final Pattern LEXEMES =
      Pattern.compile(
          "//[^\\n]*|/\\*.*?\\*/|'(?:\\\\.|[^'\\\\])'"
              + "|(?<text>\"\"\".*?\"\"\"|\"(?:\\\\.|[^\"\\\\\\n])*\")",
          Pattern.DOTALL);

  private static final Pattern OPTION = Pattern.compile("(?<!-)--(?:[a-z]|%s|\"$)");
  private static final Pattern COMMAND =
      Pattern.compile("\\battune (?:train|evaluate|predict|generate|merge|embed|doctor)\\b");

  private static List<String> strings(String source) {
    List<String> out = new ArrayList<>();
    Matcher lexemes = LEXEMES.matcher(source);
    while (lexemes.find()) {
      if (lexemes.group("text") != null) {
        out.add(lexemes.group("text"));
      }
    }
    return out;
  }

  /** The strings that match, of all sources but those below {@code exempt}. */
  private static List<String> found(Pattern wanted, String... exempt) throws IOException {
    List<String> out = new ArrayList<>();
    try (Stream<Path> files = Files.walk(SOURCES)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
        Path name = SOURCES.resolve("dev/attune").relativize(file);
        if (Stream.of(exempt).noneMatch(name::startsWith)) {
          strings(Files.readString(file)).stream()
              .filter(text -> wanted.matcher(text).find())
              .forEach(text -> out.add(name + ": " + text));
        }
      }
    }
    return out;
  }

  @Test
  void noStringNamesAnOptionButWhereOptionsAreDefined() throws IOException {
    assertEquals(List.of(), found(OPTION, "cli", "run/RunOption.java"));
  }

  @Test
  void noStringNamesACommandBelowTheCommandLine() throws IOException {
    assertEquals(List.of(), found(COMMAND, "cli", "run"));
  }

  @Test
  void theSearchFindsWhatItIsFor() throws IOException {
    assertTrue(found(OPTION).stream().anyMatch(text -> text.startsWith("run/RunOption.java")));
    assertTrue(found(COMMAND).stream().anyMatch(text -> text.startsWith("cli/")));
    assertEquals(
        List.of("\"a // --b\"", "\"--\"", "\"\"\"\n--c \" d\"\"\""),
        strings(
            "x(\"a // --b\", '\"'); // \"--no\"\n/* \"--no\" */ \"--\" + y; \"\"\"\n--c \" d\"\"\""));
    for (String text : List.of("\"--max-length\"", "\"give --\"", "\"--%s is\"")) {
      assertTrue(OPTION.matcher(text).find(), text);
    }
    for (String text : List.of("\"rwx------\"", "\"a -- b\"", "\"---\"")) {
      assertTrue(!OPTION.matcher(text).find(), text);
    }
  }
}
