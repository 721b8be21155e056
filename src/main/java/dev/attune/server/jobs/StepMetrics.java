package dev.attune.server.jobs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What a run measured, step by step, as a results file: OpenAI's columns, then those that we have
 * beside them.
 *
 * @param csv the table
 * @param tokens that were trained on, those of all passes
 */
record StepMetrics(String csv, long tokens) {
  static final String NAME = "step_metrics.csv";
  static final String PURPOSE = "fine-tune-results";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String METRICS_FILE = "metrics.jsonl";
  private static final String LOSS = "loss";
  private static final String ACCURACY = "accuracy";

  /** One step: its own line, and that of its evaluation. */
  private static final class Row {
    private JsonNode step;
    private JsonNode evaluation;
  }

  /**
   * Reads them from a run's output folder.
   *
   * @param predictsTokens whether the accuracy of evaluations is one of tokens
   */
  static StepMetrics of(Path folder, boolean predictsTokens) {
    TreeMap<Long, Row> rows = new TreeMap<>();
    Set<String> measured = new LinkedHashSet<>();
    long tokens = 0;
    try (Stream<String> lines = Files.lines(folder.resolve(METRICS_FILE))) {
      for (String line : (Iterable<String>) lines::iterator) {
        JsonNode json = JSON.readTree(line);
        Row row = rows.computeIfAbsent(json.path("step").asLong(), step -> new Row());
        if (json.has("eval")) {
          row.evaluation = json.get("eval");
          json.get("eval").fieldNames().forEachRemaining(measured::add);
        } else {
          row.step = json;
          tokens += json.path("tokens").asLong();
        }
      }
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(METRICS_FILE + " of " + folder + " is damaged", e);
    } catch (IOException e) {
      throw new UncheckedIOException(METRICS_FILE + " of " + folder + " cannot be read", e);
    }
    return new StepMetrics(table(rows, measured, predictsTokens), tokens);
  }

  private static String table(TreeMap<Long, Row> rows, Set<String> measured, boolean ofTokens) {
    List<String> others = new ArrayList<>(measured);
    others.remove(LOSS);
    if (ofTokens) {
      others.remove(ACCURACY);
    }
    StringBuilder csv =
        new StringBuilder("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy");
    csv.append(",learning_rate,grad_norm,tokens");
    others.forEach(name -> csv.append(",valid_").append(name.replace(',', ' ')));
    csv.append('\n');
    rows.forEach(
        (step, row) -> {
          csv.append(step).append(',').append(number(row.step, LOSS)).append(",,");
          csv.append(number(row.evaluation, LOSS)).append(',');
          csv.append(ofTokens ? number(row.evaluation, ACCURACY) : "");
          for (String name : List.of("learning_rate", "grad_norm", "tokens")) {
            csv.append(',').append(number(row.step, name));
          }
          others.forEach(name -> csv.append(',').append(number(row.evaluation, name)));
          csv.append('\n');
        });
    return csv.toString();
  }

  private static String number(JsonNode values, String name) {
    JsonNode value = values == null ? null : values.get(name);
    return value != null && value.isNumber() ? value.asText() : "";
  }

  /** As OpenAI's results files are: base64 of the table. */
  byte[] content() {
    return Base64.getEncoder().encode(csv.getBytes(StandardCharsets.UTF_8));
  }
}
