package dev.attune.server.http;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpHeaderValue;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;

/** What is no HTTP, or comes when the server ends, is refused in the form of all errors. */
public final class JsonErrors extends ErrorHandler {
  private static final String TYPE = "application/json";

  private static byte[] body(int status, String reason) {
    String message = reason == null ? HttpStatus.getMessage(status) : reason;
    return ApiException.ofHttp(status, message)
        .toJson()
        .toString()
        .getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public boolean errorPageForMethod(String method) {
    return true;
  }

  @Override
  protected void generateResponse(
      Request request,
      Response response,
      int status,
      String reason,
      Throwable cause,
      Callback callback) {
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, TYPE);
    // The connection is closed after what is no HTTP, which a client must know before its next.
    response.getHeaders().put(HttpHeader.CONNECTION, HttpHeaderValue.CLOSE.asString());
    response.write(true, ByteBuffer.wrap(body(status, reason)), callback);
  }
}
