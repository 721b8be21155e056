package dev.attune.server.files;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.MultipartForm;
import dev.attune.server.http.Page;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/** {@code /v1/files}. */
public final class FilesApi {
  private static final int MOST_LISTED = 10_000;

  private static final String ANCHOR = "expires_after[anchor]";
  private static final String SECONDS = "expires_after[seconds]";
  private static final Set<String> FIELDS = Set.of("purpose", ANCHOR, SECONDS);

  private final FileStore files;

  public FilesApi(FileStore files) {
    this.files = files;
  }

  /** Its routes. */
  public List<Route> routes() {
    return List.of(
        Route.receiving("POST", "/v1/files", Scope.TRAINING, this::receive),
        new Route("GET", "/v1/files", Scope.TRAINING, this::list),
        new Route("GET", "/v1/files/{file}", Scope.TRAINING, this::show),
        new Route("GET", "/v1/files/{file}/content", Scope.TRAINING, this::content),
        new Route("DELETE", "/v1/files/{file}", Scope.TRAINING, this::delete));
  }

  private void list(Exchange exchange) throws IOException {
    Page page = Page.of(exchange, MOST_LISTED, MOST_LISTED);
    String purpose = exchange.query("purpose");
    boolean newestFirst =
        exchange.queryWord("order", "desc", List.of("asc", "desc")).equals("desc");
    exchange.refuseOtherQueries();
    List<StoredFile> found = files.list(exchange.caller().tenant(), page, purpose, newestFirst);
    exchange.answer(page.answer(found, StoredFile::id, StoredFile::toJson));
  }

  private StoredFile find(Exchange exchange) {
    exchange.refuseOtherQueries();
    return files.find(exchange.caller().tenant(), exchange.parameter("file"));
  }

  private void show(Exchange exchange) throws IOException {
    exchange.answer(find(exchange).toJson());
  }

  private void content(Exchange exchange) throws IOException {
    StoredFile file = find(exchange);
    try {
      exchange.answer(file.path(), "application/octet-stream");
    } catch (NoSuchFileException e) {
      find(exchange); // refuses one that was deleted meanwhile
      throw e;
    }
  }

  private void delete(Exchange exchange) throws IOException {
    StoredFile file = find(exchange);
    files.delete(file.tenant(), file.id());
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", file.id());
    json.put("object", "file");
    json.put("deleted", true);
    exchange.answer(json);
  }

  private Route.Receiving receive(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    IncomingFile file = files.begin(exchange.caller().tenant(), FormUpload.expectedBytes(exchange));
    return FormUpload.of(exchange, "file", file, upload -> add(exchange, upload));
  }

  private void add(Exchange exchange, FormUpload upload) throws IOException {
    MultipartForm form = upload.form();
    form.refuseOthers(FIELDS);
    String purpose = Purpose.ofUpload(form.text("purpose"));
    // OpenAI's Java client sends none with bytes and streams.
    String name = upload.name() == null ? "file" : FileName.of(upload.name());
    if (upload.file().bytes() == 0) {
      throw ApiException.badRequest("file", "The file is empty");
    }
    if (purpose.equals(Purpose.FINE_TUNE) && FileName.isLines(name)) {
      upload.lines().check();
    }
    Duration lifetime = Lifetime.of(form.text(ANCHOR), form.text(SECONDS));
    exchange.answer(files.add(upload.file(), name, purpose, lifetime).toJson());
  }
}
