package dev.attune.track.web;

import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The files of a web page, from the class path, by the names that the page asks for them by: its
 * own, those that pages share, and libraries below {@code lib/}. Nothing else can be asked for.
 */
public final class PageFiles {
  /** The page itself. */
  public static final String INDEX = "index.html";

  /** What an answer to a browser says about what it may do with it, by header. */
  public static final Map<String, String> HEADERS =
      Map.of(
          "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
              + " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
              + " require-trusted-types-for 'script'; trusted-types 'none'",
          "X-Content-Type-Options",
          "nosniff",
          "Referrer-Policy",
          "no-referrer",
          "Cross-Origin-Opener-Policy",
          "same-origin",
          "Cross-Origin-Resource-Policy",
          "same-origin");

  private static final String SHARED_FOLDER = "/dev/attune/track/web/";
  private static final List<String> SHARED =
      List.of("page.css", "text.js", "chart.js", "tables.js");

  private static final String WEBJARS = "/META-INF/resources/webjars/";
  private static final Map<String, String> LIBRARIES =
      Map.of(
          "lib/preact.js", WEBJARS + "preact/10.27.2/dist/preact.module.js",
          "lib/uplot.js", WEBJARS + "uplot/1.6.30/dist/uPlot.esm.js",
          "lib/uplot.css", WEBJARS + "uplot/1.6.30/dist/uPlot.min.css",
          "lib/pico.css", WEBJARS + "picocss__pico/2.1.1/css/pico.min.css");

  private static final Map<String, String> TYPES =
      Map.of(
          "html", "text/html; charset=utf-8",
          "js", "text/javascript; charset=utf-8",
          "css", "text/css; charset=utf-8");

  private final Class<?> owner;
  private final Map<String, String> resources = new LinkedHashMap<>();

  /**
   * A file as it is served.
   *
   * @param type for the header Content-Type
   */
  public record PageFile(String type, byte[] bytes) {}

  /**
   * @param owner in whose package the page's own files lie
   * @param own names of these
   */
  public PageFiles(Class<?> owner, List<String> own) {
    this.owner = owner;
    String folder = '/' + owner.getPackageName().replace('.', '/') + '/';
    own.forEach(name -> resources.put(name, folder + name));
    SHARED.forEach(name -> resources.put(name, SHARED_FOLDER + name));
    resources.putAll(LIBRARIES);
  }

  /** All names that are answered. */
  public List<String> names() {
    return List.copyOf(resources.keySet());
  }

  /**
   * The file of a name; empty where the page has none.
   *
   * @throws IOException if it should be on the class path and is not, or cannot be read
   */
  public Optional<PageFile> find(String name) throws IOException {
    String resource = resources.get(name);
    if (resource == null) {
      return Optional.empty();
    }
    try (InputStream in = owner.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IOException(resource + " is not on the class path");
      }
      String type = TYPES.get(resource.substring(resource.lastIndexOf('.') + 1));
      return Optional.of(new PageFile(type, in.readAllBytes()));
    }
  }
}
