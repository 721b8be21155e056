package dev.attune.track.board;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.InputException;
import dev.attune.track.RunJson;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import dev.attune.track.web.PageFiles;
import dev.attune.track.web.PageFiles.PageFile;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Fields;

/** Answers the requests of the board's page. */
final class BoardHandler extends Handler.Abstract {
  private static final String RUNS = "/api/runs";
  private static final Set<String> NAMES = Set.of("localhost", "127.0.0.1", "[::1]");
  private static final int MOST_LISTENERS = 20; // each holds a thread

  private static final PageFiles FILES =
      new PageFiles(BoardHandler.class, List.of(PageFiles.INDEX, "board.js", "board.css"));

  private final Path store;
  private final AtomicInteger listeners = new AtomicInteger();
  private volatile boolean ended;

  BoardHandler(Path store) {
    this.store = store;
  }

  /** Lets those who listen go. */
  void end() {
    ended = true;
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) throws Exception {
    PageFiles.HEADERS.forEach(response.getHeaders()::put);
    response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-store");
    String path = Request.getPathInContext(request);
    if (!NAMES.contains(Request.getServerName(request))) {
      refuse(response, callback, 403, "the board answers to localhost alone");
    } else if (!request.getMethod().equals("GET")) {
      refuse(response, callback, 405, "the board is only looked at");
    } else if (path.equals("/api/events")) {
      listen(request, response, callback);
    } else if (path.equals(RUNS) || path.startsWith(RUNS + "/")) {
      runs(path, response, callback);
    } else {
      file(path, response, callback);
    }
    return true;
  }

  private static void send(
      Response response, Callback callback, int status, String type, byte[] body) {
    response.setStatus(status);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
    response.write(true, ByteBuffer.wrap(body), callback);
  }

  private static void refuse(Response response, Callback callback, int status, String why) {
    byte[] body = (why + "\n").getBytes(StandardCharsets.UTF_8);
    send(response, callback, status, "text/plain; charset=utf-8", body);
  }

  private static void file(String path, Response response, Callback callback) throws IOException {
    Optional<PageFile> file = FILES.find(path.equals("/") ? PageFiles.INDEX : path.substring(1));
    if (file.isPresent()) {
      send(response, callback, 200, file.get().type(), file.get().bytes());
    } else {
      refuse(response, callback, 404, "there is no " + path);
    }
  }

  private void runs(String path, Response response, Callback callback) {
    byte[] body;
    try (RunStore runs = RunStore.open(store)) {
      if (path.equals(RUNS)) {
        ArrayNode list = JsonNodeFactory.instance.arrayNode();
        for (StoredRun run : runs.runs()) {
          list.add(RunJson.summary(run, runs.last(run)));
        }
        body = list.toString().getBytes(StandardCharsets.UTF_8);
      } else {
        StoredRun run = runs.find(path.substring(RUNS.length() + 1));
        body = RunJson.whole(runs, run).toString().getBytes(StandardCharsets.UTF_8);
      }
    } catch (InputException e) {
      refuse(response, callback, 404, "there is no such run");
      return;
    } catch (UncheckedIOException e) {
      refuse(response, callback, 503, e.getMessage());
      return;
    }
    send(response, callback, 200, "application/json", body);
  }

  /** Sends what changes until the page goes away. */
  private void listen(Request request, Response response, Callback callback) {
    Fields query = Request.extractQueryParameters(request);
    String wanted = query.getValue("runs");
    List<String> ids =
        wanted == null || wanted.isEmpty() ? List.of() : Stream.of(wanted.split(",")).toList();
    if (listeners.incrementAndGet() > MOST_LISTENERS) {
      listeners.decrementAndGet();
      refuse(response, callback, 503, "too many pages are open");
      return;
    }
    response.setStatus(200);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    try (RunStore runs = RunStore.open(store);
        OutputStream out = Content.Sink.asOutputStream(response)) {
      new LiveRuns(runs, ids).send(out, () -> ended);
      callback.succeeded();
    } catch (IOException | InputException | UncheckedIOException e) {
      callback.failed(e); // the page has gone, or the store has
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      callback.failed(e);
    } finally {
      listeners.decrementAndGet();
    }
  }
}
