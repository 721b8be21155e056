package dev.attune.server.http;

import java.util.Locale;
import java.util.Set;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;

/**
 * Pages of other sites that a browser of this machine's has open: they ask nothing of this server,
 * neither by its name nor by a name of theirs that leads here.
 */
final class Origins {
  private static final Set<String> LOCAL = Set.of("localhost", "127.0.0.1", "[::1]");

  private final boolean isLocal;

  /**
   * @param isLocal whether only this machine is answered
   */
  Origins(boolean isLocal) {
    this.isLocal = isLocal;
  }

  /** Refuses what comes from another site's page. */
  void check(Request request) {
    if (isLocal && !LOCAL.contains(Request.getServerName(request).toLowerCase(Locale.ROOT))) {
      throw ApiException.forbidden(
          "This server answers to the names localhost and 127.0.0.1 alone");
    }
    String origin = request.getHeaders().get(HttpHeader.ORIGIN);
    String host = request.getHeaders().get(HttpHeader.HOST);
    if (origin != null
        && (host == null || !origin.replaceFirst("^https?://", "").equalsIgnoreCase(host))) {
      throw ApiException.forbidden("Pages of other sites may not use this server");
    }
  }
}
