package dev.attune.server.files;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/** {@code /v1/uploads}. */
public final class UploadsApi {
  private static final long MOST_BYTES = 1L << 40;

  private final UploadStore uploads;

  public UploadsApi(UploadStore uploads) {
    this.uploads = uploads;
  }

  /** Its routes. */
  public List<Route> routes() {
    return List.of(
        new Route("POST", "/v1/uploads", Scope.TRAINING, this::create),
        Route.receiving("POST", "/v1/uploads/{upload}/parts", Scope.TRAINING, this::receivePart),
        new Route("POST", "/v1/uploads/{upload}/complete", Scope.TRAINING, this::complete),
        new Route("POST", "/v1/uploads/{upload}/cancel", Scope.TRAINING, this::cancel));
  }

  private static String tenant(Exchange exchange) {
    return exchange.caller().tenant();
  }

  private static String upload(Exchange exchange) {
    return exchange.parameter("upload");
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    String name = FileName.of(body.requiredText("filename"));
    String purpose = Purpose.ofUpload(body.requiredText("purpose"));
    body.requiredText("mime_type"); // the file's name tells its format
    Long bytes = body.integer("bytes", 1, MOST_BYTES);
    if (bytes == null) {
      throw ApiException.badRequest("bytes", "'bytes' is missing");
    }
    Duration lifetime = Lifetime.of(body);
    body.refuseOthers();
    exchange.answer(uploads.create(tenant(exchange), name, purpose, bytes, lifetime).toJson(null));
  }

  private Route.Receiving receivePart(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    IncomingFile part =
        uploads.beginPart(tenant(exchange), upload(exchange), FormUpload.expectedBytes(exchange));
    return FormUpload.of(exchange, "data", part, form -> addPart(exchange, form));
  }

  private void addPart(Exchange exchange, FormUpload upload) throws IOException {
    upload.form().refuseOthers(Set.of());
    exchange.answer(uploads.addPart(tenant(exchange), upload(exchange), upload.file()).toJson());
  }

  private void complete(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    List<String> parts = body.textList("part_ids");
    if (parts == null || parts.isEmpty()) {
      throw ApiException.badRequest("part_ids", "'part_ids' is missing, or has no parts");
    }
    String md5 = body.text("md5");
    body.refuseOthers();
    StoredFile file = uploads.complete(tenant(exchange), upload(exchange), parts, md5);
    exchange.answer(uploads.find(tenant(exchange), upload(exchange)).toJson(file));
  }

  private void cancel(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    exchange.answer(uploads.cancel(tenant(exchange), upload(exchange)).toJson(null));
  }
}
