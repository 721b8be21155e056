package dev.attune.cli;

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
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every command of docs/ works: the {@code sh} blocks of a page are run in their order, with a
 * folder of the test's own in place of {@code out/}.
 */
@Timeout(600)
class GuideTest {
  private static final Pattern BLOCK = Pattern.compile("(?ms)^```sh\\n(.*?)^```");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|([^\\s'\"]+)");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+\\.md)(?:#[^)]*)?\\)");

  @TempDir private Path out;

  static List<Path> pages() throws IOException {
    try (Stream<Path> files = Files.list(Path.of("docs"))) {
      return files.filter(file -> file.toString().endsWith(".md")).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("pages")
  void itsCommandsWork(Path page) throws IOException {
    Matcher blocks = BLOCK.matcher(Files.readString(page));
    while (blocks.find()) {
      for (String line : blocks.group(1).replace("\\\n", " ").split("\n")) {
        if (!line.isBlank()) {
          assertEquals(ExitStatus.DONE, Main.run(words(line)), page + ": " + line);
        }
      }
    }
  }

  @Test
  void pagesPointToPagesThatExist() throws IOException {
    List<Path> pages = new ArrayList<>(pages());
    assertTrue(pages.size() > 3, pages::toString);
    pages.add(Path.of("README.md"));
    for (Path page : pages) {
      Matcher links = LINK.matcher(Files.readString(page));
      while (links.find()) {
        Path target = page.resolveSibling(links.group(1));
        assertTrue(Files.isRegularFile(target), page + " points to " + target);
      }
    }
  }

  /** The words of a command after {@code ./attune}; what follows a # is for people. */
  private String[] words(String line) {
    String command = line.replaceFirst("\\s#.*", "").strip();
    assertTrue(command.startsWith("./attune "), "no command of ours: " + line);
    List<String> words = new ArrayList<>();
    Matcher matcher = WORD.matcher(command.substring("./attune ".length()));
    while (matcher.find()) {
      String word = Stream.of(1, 2, 3).map(matcher::group).filter(g -> g != null).findFirst().get();
      words.add(word.startsWith("out/") ? out + word.substring("out".length()) : word);
    }
    return words.toArray(String[]::new);
  }
}
