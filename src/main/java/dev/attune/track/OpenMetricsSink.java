package dev.attune.track;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The latest value of each series as OpenMetrics text, which Prometheus reads: in a file that is
 * replaced as a whole, and on a port of this machine where one is given.
 */
public final class OpenMetricsSink implements RunSink {
  private static final String TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

  private final Path file;
  private final int port;
  private final Map<String, Double> latest = new TreeMap<>();
  private volatile String text = "# EOF\n";
  private String run = "";
  private HttpServer server; // null: none was asked for, or it is not there yet

  /**
   * @param port of the loopback interface; 0: none
   */
  public OpenMetricsSink(Path file, int port) {
    this.file = file;
    this.port = port;
  }

  @Override
  public String name() {
    return port == 0 || server != null ? file.toString() : "port " + port + " of metrics";
  }

  @Override
  public void begin(RunStart start) throws IOException {
    run = start.name();
    if (port != 0 && server == null) {
      // The JDK's own: one page of text is no reason to load a server.
      HttpServer made =
          HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
      made.createContext("/metrics", this::answer);
      made.start();
      server = made;
    }
  }

  private void answer(HttpExchange exchange) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", TYPE);
    exchange.sendResponseHeaders(200, body.length);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(body);
    }
  }

  @Override
  public void write(RunUpdate update) throws IOException {
    for (Point point : update.points()) {
      latest.put(point.series(), point.value());
    }
    if (update.step() > 0) {
      latest.put("step", (double) update.step());
    }
    if (update.totalSteps() > 0) {
      latest.put("total_steps", (double) update.totalSteps());
    }
    latest.put("running", update.status() == RunStatus.RUNNING ? 1.0 : 0.0);
    text = text(run, latest);
    Path partial = file.resolveSibling(file.getFileName() + ".partial");
    // Not synced: after a loss of power there is a newer one soon, or no run to know of.
    FileOps.SYSTEM.writePart(partial, text.getBytes(StandardCharsets.UTF_8));
    FileOps.SYSTEM.replace(partial, file);
  }

  /** Gauges of these values; series whose names are the same there have one label more. */
  static String text(String run, Map<String, Double> values) {
    StringBuilder out = new StringBuilder();
    Map<String, List<String>> series = new TreeMap<>(); // those of each name, in their order
    for (String each : values.keySet()) {
      String name = "attune_" + each.replaceAll("[^A-Za-z0-9_]", "_");
      series.computeIfAbsent(name, n -> new ArrayList<>()).add(each);
    }
    series.forEach(
        (name, alike) -> {
          out.append("# TYPE ").append(name).append(" gauge\n");
          for (String each : alike) {
            out.append(name).append("{run=\"").append(escaped(run)).append('"');
            if (alike.size() > 1) {
              out.append(",series=\"").append(escaped(each)).append('"');
            }
            out.append("} ").append(number(values.get(each))).append('\n');
          }
        });
    return out.append("# EOF\n").toString();
  }

  private static String escaped(String value) {
    return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }

  private static String number(double value) {
    return Double.isInfinite(value) ? value > 0 ? "+Inf" : "-Inf" : Double.toString(value);
  }

  @Override
  public void close() {
    if (server != null) {
      server.stop(0);
    }
  }
}
