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

  private final String host; // null: other machines are answered

  /**
   * @param host by which it was told to be reached from this machine alone; null: other machines
   *     are answered, by any name
   */
  Origins(String host) {
    this.host = host == null ? null : named(host);
  }

  /** As requests name it: an IPv6 address stands in brackets. */
  private static String named(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    return name.contains(":") && !name.startsWith("[") ? "[" + name + "]" : name;
  }

  /** Refuses what comes from another site's page. */
  void check(Request request) {
    if (host != null) {
      String name = Request.getServerName(request).toLowerCase(Locale.ROOT);
      if (!LOCAL.contains(name) && !name.equals(host)) {
        throw ApiException.forbidden(
            "This server answers to the names localhost and 127.0.0.1 alone"
                + (LOCAL.contains(host) ? "" : ", and to " + host));
      }
    }
    String origin = request.getHeaders().get(HttpHeader.ORIGIN);
    String host = request.getHeaders().get(HttpHeader.HOST);
    if (origin != null
        && (host == null || !origin.replaceFirst("^https?://", "").equalsIgnoreCase(host))) {
      throw ApiException.forbidden("Pages of other sites may not use this server");
    }
  }
}
