package dev.attune.server.console;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import dev.attune.track.web.PageFiles;
import dev.attune.track.web.PageFiles.PageFile;
import java.io.IOException;
import java.util.List;

/** Serves the page and the files that it is made of. */
final class ConsolePage {
  private static final String PATH = "/console";

  private static final PageFiles FILES =
      new PageFiles(
          ConsolePage.class,
          List.of(
              PageFiles.INDEX,
              "console.css",
              "theme.js",
              "console.js",
              "api.js",
              "live.js",
              "widgets.js",
              "upload.js",
              "jobs.js",
              "job.js",
              "newjob.js",
              "files.js",
              "models.js",
              "playground.js",
              "keys.js",
              "machine.js"));

  /** What is answered: the page to {@code /console}, to whom nothing is asked of. */
  List<Route> routes() {
    return List.of(
        new Route("GET", "/", null, ConsolePage::lead),
        new Route("GET", PATH + "/", null, ConsolePage::lead),
        new Route("GET", PATH, null, e -> send(e, PageFiles.INDEX)),
        new Route("GET", PATH + "/{file}", null, e -> send(e, e.parameter("file"))),
        new Route("GET", PATH + "/lib/{file}", null, e -> send(e, "lib/" + e.parameter("file"))));
  }

  private static void lead(Exchange exchange) throws IOException {
    exchange.putHeader("Location", PATH);
    exchange.answer(302, "text/plain; charset=utf-8", new byte[0]);
  }

  private static void send(Exchange exchange, String name) throws IOException {
    PageFile file =
        FILES
            .find(name)
            .orElseThrow(() -> ApiException.notFound(null, "There is no file of that name"));
    PageFiles.HEADERS.forEach(exchange::putHeader);
    exchange.answer(200, file.type(), file.bytes());
  }
}
