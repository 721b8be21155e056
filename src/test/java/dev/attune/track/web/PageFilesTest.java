package dev.attune.track.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.track.web.PageFiles.PageFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Pages are made of the files that they say, and of nothing else. */
class PageFilesTest {
  private static final Pattern IMPORTED =
      Pattern.compile("(?:from|import) '\\./([^']+)'|(?:src|href)=\"(?:console)?/?([^\"#:]+)\"");

  private final PageFiles files = new PageFiles(PageFiles.class, List.of());

  @Test
  void allThatIsSharedIsThereWithItsType() throws IOException {
    for (String name : files.names()) {
      PageFile file = files.find(name).orElseThrow();
      assertTrue(file.bytes().length > 0, name);
      assertTrue(
          file.type().startsWith(name.endsWith("js") ? "text/javascript" : "text/css"), name);
    }
  }

  @Test
  void nothingElseCanBeAskedFor() throws IOException {
    for (String name :
        List.of(
            "",
            "/",
            "..",
            "../board/board.js",
            "lib/../page.css",
            "lib/",
            "PageFiles.class",
            "/etc/passwd",
            "page.css\0",
            "PAGE.CSS")) {
      assertTrue(files.find(name).isEmpty(), name);
    }
  }

  @Test
  void thePolicyAllowsNothingInlineAndNobodyElse() {
    String policy = PageFiles.HEADERS.get("Content-Security-Policy");
    assertFalse(policy.contains("unsafe"), policy);
    assertFalse(policy.contains("http"), policy);
    assertTrue(policy.startsWith("default-src 'none'"), policy);
  }

  private static Set<String> imported(Path folder) throws IOException {
    Set<String> names = new TreeSet<>();
    try (Stream<Path> all = Files.list(folder)) {
      for (Path file : all.filter(f -> f.toString().matches(".*\\.(js|html)")).toList()) {
        Matcher matcher = IMPORTED.matcher(Files.readString(file, StandardCharsets.UTF_8));
        while (matcher.find()) {
          names.add(matcher.group(1) == null ? matcher.group(2) : matcher.group(1));
        }
      }
    }
    return names;
  }

  /** Of both pages: what they import is served, and what is served is imported. */
  @Test
  void noFileIsMissingOrLeftOver() throws Exception {
    Path resources =
        Path.of(PageFiles.class.getResource("/dev/attune/track/web/page.css").toURI())
            .getParent()
            .getParent()
            .getParent();
    for (String page : List.of("track/board", "server/console")) {
      Path folder = resources.resolve(page);
      Set<String> own;
      try (Stream<Path> all = Files.list(folder)) {
        own =
            all.map(file -> file.getFileName().toString())
                .filter(name -> name.matches(".*\\.(js|css)"))
                .collect(Collectors.toCollection(TreeSet::new));
      }
      Set<String> wanted = imported(folder);
      wanted.addAll(imported(resources.resolve("track/web")));
      Set<String> served = new TreeSet<>(own);
      served.addAll(files.names());
      assertEquals(served, wanted, page);
    }
  }
}
