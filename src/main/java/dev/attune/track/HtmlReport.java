package dev.attune.track;

import static dev.attune.track.Html.escaped;
import static dev.attune.track.Html.number;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A run as one page that needs nothing else: to be kept, mailed and printed. */
public final class HtmlReport {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss z", Locale.ROOT)
          .withZone(ZoneId.systemDefault());

  private final RunStore store;
  private final StoredRun run;
  private final List<String> series;
  private final StringBuilder out = new StringBuilder();

  private HtmlReport(RunStore store, StoredRun run) {
    this.store = store;
    this.run = run;
    this.series = store.series(run);
  }

  /** The page. */
  public static String of(RunStore store, StoredRun run) {
    return new HtmlReport(store, run).page();
  }

  /** The curves alone, as one picture. */
  public static String curves(RunStore store, StoredRun run) {
    HtmlReport report = new HtmlReport(store, run);
    List<String> charts = report.charts().stream().limit(4).toList();
    StringBuilder svg = new StringBuilder();
    int height = SvgChart.HEIGHT + 40;
    int rows = Math.max(1, (charts.size() + 1) / 2);
    svg.append(
        String.format(
            Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-10 -10 %d %d\" width=\"%d\">%n<style>%s</style>%n"
                + "<rect class=\"page\" x=\"-10\" y=\"-10\" width=\"100%%\" height=\"100%%\"/>%n",
            2 * SvgChart.WIDTH + 60,
            rows * height + 20,
            2 * SvgChart.WIDTH + 60,
            css()));
    for (int i = 0; i < charts.size(); i++) {
      String place =
          String.format(
              Locale.ROOT,
              "<svg x=\"%d\" y=\"%d\" ",
              (i % 2) * (SvgChart.WIDTH + 40),
              (i / 2) * height);
      svg.append(
          charts
              .get(i)
              .replaceFirst("<svg ", place)
              .replaceFirst("width=\"100%\"", "width=\"" + SvgChart.WIDTH + "\""));
    }
    return svg.append("</svg>\n").toString();
  }

  private static String css() {
    try (InputStream in = HtmlReport.class.getResourceAsStream("/dev/attune/track/report.css")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("the style of reports cannot be read: " + e.getMessage(), e);
    }
  }

  private String page() {
    out.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    out.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.append("<title>").append(escaped(run.name())).append("</title>\n<style>\n");
    out.append(css()).append("</style></head><body>\n");
    head();
    findings();
    results();
    out.append("<h2>Curves</h2>\n<div class=\"charts\">\n");
    charts().forEach(chart -> out.append("<div class=\"panel\">").append(chart).append("</div>\n"));
    out.append("</div>\n");
    confusion();
    mistakes();
    data();
    machine();
    reproduction();
    options();
    artifacts();
    return out.append("</body></html>\n").toString();
  }

  private JsonNode document(String kind) {
    return store.document(run, kind);
  }

  private void head() {
    out.append("<h1>").append(escaped(run.name())).append("</h1>\n<p class=\"soft\">");
    out.append("<span class=\"status\">").append(run.status()).append("</span> ");
    out.append(escaped(run.task() + " · " + run.model() + " · run " + run.id())).append("</p>\n");
    out.append("<p class=\"soft\">begun ").append(TIME.format(run.created()));
    out.append(", ").append(duration(run.duration().toSeconds())).append(", ");
    out.append(number(run.step())).append(" of ").append(number(run.totalSteps()));
    out.append(" steps</p>\n");
    String error = document(Documents.ERROR).path("message").asText("");
    if (!error.isEmpty()) {
      out.append("<pre>").append(escaped(error)).append("</pre>\n");
    }
  }

  private static String duration(long seconds) {
    return seconds >= 3600
        ? String.format(Locale.ROOT, "%d h %02d min", seconds / 3600, seconds % 3600 / 60)
        : seconds >= 60
            ? String.format(Locale.ROOT, "%d min %02d s", seconds / 60, seconds % 60)
            : seconds + " s";
  }

  private void findings() {
    JsonNode findings = document(Documents.FINDINGS);
    if (findings.isEmpty()) {
      return;
    }
    out.append("<h2>What stands out</h2>\n<ul>\n");
    for (JsonNode finding : findings) {
      out.append("<li class=\"warning\">").append(escaped(finding.path("message").asText()));
      out.append("</li>\n");
    }
    out.append("</ul>\n");
  }

  private void results() {
    JsonNode summary = document(Documents.SUMMARY);
    JsonNode eval = summary.path("eval");
    JsonNode test = summary.path("test");
    List<String> names = new ArrayList<>();
    eval.fieldNames().forEachRemaining(names::add);
    test.fieldNames()
        .forEachRemaining(
            name -> {
              if (!names.contains(name)) {
                names.add(name);
              }
            });
    if (names.isEmpty()) {
      return;
    }
    out.append("<h2>Results</h2>\n<div class=\"scroll\"><table><tr><th>metric</th>");
    out.append("<th class=\"n\">validation</th><th class=\"n\">test</th></tr>\n");
    for (String name : names) {
      out.append("<tr><td>").append(escaped(name)).append("</td>");
      cell(number(eval.path(name).asDouble(Double.NaN)));
      cell(number(test.path(name).asDouble(Double.NaN)));
      out.append("</tr>\n");
    }
    out.append("</table></div>\n<p class=\"soft\">");
    out.append(number(summary.path("tokens_per_second").asDouble())).append(" real tokens/s, ");
    out.append(number(summary.path("examples_per_second").asDouble())).append(" examples/s, ");
    out.append(mebibytes(summary.path("peak_memory_bytes").asDouble())).append(" at most");
    long best = summary.path("best_step").asLong();
    if (best > 0) {
      out.append(", best step ").append(best);
      out.append(summary.path("ends_with_best").asBoolean() ? " (whose weights these are)" : "");
    }
    out.append("</p>\n");
  }

  private void cell(String text) {
    out.append("<td class=\"n\">").append(escaped(text)).append("</td>");
  }

  private static String mebibytes(double bytes) {
    return number(Math.rint(bytes / (1 << 20))) + " MiB";
  }

  private List<String> charts() {
    List<String> charts = new ArrayList<>();
    charts.add(
        SvgChart.of(
            "loss",
            "step",
            List.of(curve("train/loss", "training"), curve("eval/loss", "validation"))));
    List<Curve> metrics = new ArrayList<>();
    for (String name : series) {
      if (name.startsWith(Point.EVAL) && !name.equals("eval/loss") && metrics.size() < 6) {
        metrics.add(curve(name, name.substring(Point.EVAL.length())));
      }
    }
    charts.add(SvgChart.of("validation metrics", "step", metrics));
    charts.add(SvgChart.of("gradient norm", "step", List.of(curve("train/grad_norm", ""))));
    charts.add(SvgChart.of("learning rate", "step", List.of(curve("train/learning_rate", ""))));
    charts.add(
        SvgChart.of(
            "real tokens per second", "second", List.of(curve("system/tokens_per_second", ""))));
    charts.add(SvgChart.of("processor, %", "second", List.of(curve("system/cpu_percent", ""))));
    charts.add(
        SvgChart.of("memory, MiB", "second", List.of(scaled(curve("system/rss_bytes", "")))));
    return charts.stream().filter(chart -> !chart.isEmpty()).toList();
  }

  private Curve curve(String name, String shown) {
    return new Curve(shown, store.points(run, name, Long.MIN_VALUE));
  }

  private static Curve scaled(Curve bytes) {
    return new Curve(
        bytes.name(),
        bytes.points().stream()
            .map(p -> new Point(p.series(), p.x(), p.timeMillis(), p.value() / (1 << 20)))
            .toList());
  }

  private void confusion() {
    JsonNode confusion = document(Documents.CONFUSION);
    if (confusion.isMissingNode()) {
      return;
    }
    JsonNode labels = confusion.path("labels");
    out.append("<h2>Confusion matrix, ").append(escaped(confusion.path("split").asText()));
    out.append(
        " data</h2>\n<p class=\"soft\">a row for each label, a column for each prediction</p>\n");
    out.append("<div class=\"panel scroll\"><table><tr><th></th>");
    labels.forEach(
        name -> out.append("<th class=\"n\">").append(escaped(name.asText())).append("</th>"));
    out.append("</tr>\n");
    for (int i = 0; i < labels.size(); i++) {
      JsonNode counts = confusion.path("counts").path(i);
      double sum = 0;
      for (JsonNode count : counts) {
        sum += count.asDouble();
      }
      out.append("<tr><th>").append(escaped(labels.path(i).asText())).append("</th>");
      for (JsonNode count : counts) {
        double share = sum == 0 ? 0 : count.asDouble() / sum;
        out.append(
            String.format(
                Locale.ROOT,
                "<td class=\"cell h%d\">%d</td>",
                Math.round(10 * share),
                count.asLong()));
      }
      out.append("</tr>\n");
    }
    out.append("</table></div>\n");
  }

  private void mistakes() {
    JsonNode mistakes = document(Documents.MISTAKES);
    if (mistakes.path("worst").isEmpty()) {
      return;
    }
    out.append("<h2>Worst mistakes, ").append(escaped(mistakes.path("split").asText()));
    out.append(" data</h2>\n<p class=\"soft\">");
    out.append(number(mistakes.path("wrong").asDouble())).append(" of ");
    out.append(number(mistakes.path("compared").asDouble())).append(" rows wrong; the worst by ");
    out.append(escaped(mistakes.path("worst_by").asText())).append("</p>\n");
    out.append("<div class=\"scroll\"><table><tr><th>row</th><th>label</th><th>predicted</th>");
    out.append("<th class=\"n\">probability</th><th>text</th></tr>\n");
    for (JsonNode one : mistakes.path("worst")) {
      out.append("<tr><td>").append(escaped(one.path("place").asText())).append("</td><td>");
      out.append(escaped(one.path("gold").asText())).append("</td><td>");
      out.append(escaped(one.path("predicted").asText())).append("</td>");
      cell(one.has("probability") ? number(one.path("probability").asDouble()) : "");
      out.append("<td class=\"text\">").append(escaped(one.path("text").asText()));
      out.append("</td></tr>\n");
    }
    out.append("</table></div>\n");
  }

  private void data() {
    JsonNode report = document(Documents.DATA_REPORT);
    if (report.isMissingNode()) {
      return;
    }
    out.append("<h2>Data</h2>\n<div class=\"scroll\"><table><tr><th>split</th><th>file</th>");
    out.append(
        "<th class=\"n\">rows</th><th class=\"n\">tokens</th><th class=\"n\">median length</th>");
    out.append("<th class=\"n\">longest</th><th class=\"n\">cut rows</th><th>labels</th></tr>\n");
    for (Map.Entry<String, JsonNode> split : report.path("splits").properties()) {
      JsonNode values = split.getValue();
      out.append("<tr><td>").append(escaped(split.getKey())).append("</td><td class=\"text\">");
      out.append(escaped(values.path("source").asText())).append("</td>");
      cell(number(values.path("rows").asDouble()));
      cell(number(values.path("tokens").asDouble()));
      cell(number(values.path("length").path("p50").asDouble()));
      cell(number(values.path("length").path("max").asDouble()));
      cell(number(values.path("truncated_rows").asDouble()));
      List<String> counts = new ArrayList<>();
      values
          .path("class_counts")
          .properties()
          .forEach(e -> counts.add(e.getKey() + " " + e.getValue().asText()));
      String shown = String.join(", ", counts.subList(0, Math.min(20, counts.size())));
      out.append("<td class=\"text\">").append(escaped(shown));
      out.append(counts.size() > 20 ? " …" : "").append("</td></tr>\n");
    }
    out.append("</table></div>\n");
    if (!report.path("findings").isEmpty()) {
      out.append("<ul>\n");
      for (JsonNode finding : report.path("findings")) {
        boolean isNote = finding.path("severity").asText().equals("NOTE");
        out.append(isNote ? "<li>" : "<li class=\"warning\">");
        out.append(
            escaped(finding.path("split").asText() + ": " + finding.path("message").asText()));
        out.append("</li>\n");
      }
      out.append("</ul>\n");
    }
  }

  private void machine() {
    JsonNode machine = document(Documents.ENVIRONMENT);
    out.append("<h2>Machine</h2>\n<div class=\"scroll\"><table>\n");
    for (Map.Entry<String, JsonNode> entry : machine.properties()) {
      boolean isBytes = entry.getKey().endsWith("_bytes");
      String value =
          isBytes
              ? mebibytes(entry.getValue().asDouble())
              : entry.getValue().isNumber()
                  ? number(entry.getValue().asDouble())
                  : entry.getValue().asText();
      row(entry.getKey().replace("_bytes", "").replace('_', ' '), value);
    }
    out.append("</table></div>\n");
  }

  private void row(String name, String value) {
    out.append("<tr><td>").append(escaped(name)).append("</td><td class=\"text\">");
    out.append(escaped(value)).append("</td></tr>\n");
  }

  private void reproduction() {
    JsonNode reproduction = document(Documents.REPRODUCTION);
    out.append("<h2>To do it again</h2>\n<pre>");
    out.append(escaped("cd " + reproduction.path("folder").asText() + "\n"));
    JsonNode git = reproduction.path("git");
    if (!git.isMissingNode()) {
      out.append(escaped("git checkout " + git.path("commit").asText()));
      String branch = git.path("branch").asText("");
      out.append(escaped(branch.isEmpty() ? "\n" : "    # of " + branch + "\n"));
    }
    out.append(escaped(reproduction.path("command").asText())).append("</pre>\n");
    out.append("<div class=\"scroll\"><table>\n");
    reproduction
        .path("fingerprints")
        .properties()
        .forEach(e -> row(e.getKey().replace('_', ' '), e.getValue().asText()));
    out.append("</table></div>\n");
  }

  private void options() {
    out.append("<h2>Options</h2>\n<div class=\"scroll\"><table>\n");
    document(Documents.CONFIG)
        .properties()
        .forEach(
            e ->
                row(
                    e.getKey(),
                    e.getValue().isValueNode() ? e.getValue().asText() : e.getValue().toString()));
    out.append("</table></div>\n");
  }

  private void artifacts() {
    JsonNode files = document(Documents.ARTIFACTS);
    if (files.isEmpty()) {
      return;
    }
    out.append("<h2>Files in ").append(escaped(run.folder().toString()));
    out.append("</h2>\n<div class=\"scroll\"><table>\n");
    for (JsonNode file : files) {
      out.append("<tr><td>").append(escaped(file.path("file").asText())).append("</td>");
      cell(number(file.path("bytes").asDouble()));
      out.append("</tr>\n");
    }
    out.append("</table></div>\n");
  }
}
