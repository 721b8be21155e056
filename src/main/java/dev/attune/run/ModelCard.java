package dev.attune.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFiles;
import dev.attune.folder.PublishedModel;
import dev.attune.hub.Hub;
import dev.attune.task.Tasks;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/**
 * What a README.md says of a model: metadata for the hub in YAML, then a page for people. All of it
 * is what the folder says or the user; nothing is guessed, and no path of this machine is in it.
 */
final class ModelCard {
  /** Stands in every card that was written here: one without it is somebody's own. */
  static final String MARK =
      "<!-- Written by attune push. Without this line it is kept as it is. -->";

  /** The hub's names of metrics, where ours say what is averaged, too. */
  private static final Map<String, String> METRICS =
      Map.of(
          "mcc", "matthews_correlation",
          "pearson", "pearsonr",
          "spearman", "spearmanr",
          "subset_accuracy", "accuracy",
          "rouge1", "rouge",
          "rouge2", "rouge",
          "rougeL", "rouge",
          "rougeLsum", "rouge");

  private static final List<String> AVERAGED = List.of("f1", "precision", "recall");

  /** What a reader would ask about a training, beside how long it was: that is noted, not asked. */
  private static final List<RunOption> TOLD =
      List.of(
          RunOption.BATCH_SIZE,
          RunOption.GRADIENT_ACCUMULATION_STEPS,
          RunOption.LEARNING_RATE,
          RunOption.LR_SCHEDULER,
          RunOption.OPTIMIZER,
          RunOption.WEIGHT_DECAY,
          RunOption.LORA_R,
          RunOption.LORA_ALPHA,
          RunOption.SEED);

  private static final int MOST_LABELS = 50;

  private final String name;
  private final PublishedModel model;
  private final String base;
  private final ObjectNode attune;
  private final String pipeline;
  private final RunConfig training;
  private final Map<String, Map<String, Double>> results;

  /**
   * @param name {@code ORG/NAME} that it is pushed to
   * @param folder of the model
   * @param base the hub's name of the model that it was made from; null: none is known
   */
  ModelCard(String name, Path folder, PublishedModel model, String base) {
    this.name = name;
    this.model = model;
    this.base = base;
    this.attune = model.json(ModelFiles.ATTUNE);
    this.pipeline =
        Tasks.pipeline(
                attune.path("task").asText(""),
                model.json(ModelFiles.ADAPTER_CONFIG).path("task_type").asText(""),
                model.json(ModelFiles.CONFIG).path("architectures").path(0).asText(""))
            .orElse("");
    this.training = training(folder);
    this.results = results(folder);
  }

  /** Null: the folder does not say. */
  private static RunConfig training(Path folder) {
    Path file = folder.resolve(OutputFolder.RUN_FILE);
    return Files.isRegularFile(file)
        ? RunConfig.builder(CommandOptions.TRAIN).setAll(file).build()
        : null;
  }

  /** Metrics by the name of the split that they were measured on. */
  private Map<String, Map<String, Double>> results(Path folder) {
    Map<String, Map<String, Double>> results = new LinkedHashMap<>();
    put(results, "validation", attune.path("eval"));
    JsonNode test = JsonNodeFactory.instance.missingNode();
    Path file = folder.resolve(OutputFolder.METRICS_FILE);
    if (Files.isRegularFile(file)) {
      try {
        for (String line : Files.readAllLines(file)) {
          JsonNode metrics = new ObjectMapper().readTree(line);
          test = metrics.has("test") ? metrics.path("test") : test;
        }
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
    put(results, "test", test);
    return results;
  }

  private static void put(
      Map<String, Map<String, Double>> results, String split, JsonNode metrics) {
    Map<String, Double> values = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> metric : metrics.properties()) {
      double value = metric.getValue().asDouble(Double.NaN);
      if (Double.isFinite(value)) { // an undefined one says nothing
        values.put(metric.getKey(), value);
      }
    }
    if (!values.isEmpty()) {
      results.put(split, values);
    }
  }

  /**
   * The card.
   *
   * @param license the hub's name of one; null: the user has not said
   * @param languages their codes; empty: the user has not said
   */
  String text(String license, List<String> languages) {
    return "---\n" + yaml(metadata(license, languages)) + "---\n\n" + MARK + "\n\n" + page();
  }

  private static String yaml(ObjectNode metadata) {
    try {
      return YAMLMapper.builder()
          .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
          .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
          .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
          .disable(YAMLGenerator.Feature.SPLIT_LINES)
          .build()
          .writeValueAsString(metadata);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are always YAML", e);
    }
  }

  private ObjectNode metadata(String license, List<String> languages) {
    ObjectNode data = JsonNodeFactory.instance.objectNode();
    if (base != null) {
      data.put("base_model", base);
    }
    List<String> datasets = datasets();
    if (!datasets.isEmpty()) {
      datasets.forEach(data.putArray("datasets")::add);
    }
    if (!languages.isEmpty()) {
      languages.forEach(data.putArray("language")::add);
    }
    data.put(
        "library_name",
        model.makesVectors()
            ? "sentence-transformers"
            : model.isAdapter() ? "peft" : "transformers");
    if (license != null) {
      data.put("license", license);
    }
    if (!pipeline.isEmpty()) {
      data.put("pipeline_tag", pipeline);
    }
    ArrayNode tags = data.putArray("tags").add("attune");
    if (model.isAdapter()) {
      tags.add("lora");
    }
    if (!pipeline.isEmpty() && !results.isEmpty()) {
      ObjectNode index = data.putArray("model-index").addObject();
      index.put("name", name.replaceFirst(".*/", ""));
      ArrayNode list = index.putArray("results");
      results.forEach((split, values) -> fill(list.addObject(), split, values));
    }
    return data;
  }

  private void fill(ObjectNode result, String split, Map<String, Double> values) {
    result.putObject("task").put("type", pipeline);
    RunOption option = split.equals("test") ? RunOption.TEST_FILE : RunOption.VALIDATION_FILE;
    List<String> files = training == null ? List.of() : training.texts(option);
    ObjectNode dataset = result.putObject("dataset");
    dataset.put("name", files.isEmpty() ? "held-out rows" : String.join(", ", plain(files)));
    dataset.put("type", files.isEmpty() ? "unknown" : type(files.get(0)));
    dataset.put("split", split);
    ArrayNode metrics = result.putArray("metrics");
    values.forEach(
        (metric, value) ->
            metrics
                .addObject()
                .put("type", typeOfMetric(metric))
                .put("value", Math.rint(value * 1e6) / 1e6)
                .put("name", metric));
  }

  private static String typeOfMetric(String metric) {
    String first = metric.replaceFirst("_.*", "");
    return METRICS.getOrDefault(metric, AVERAGED.contains(first) ? first : metric);
  }

  /** The dataset's name on the hub, else how it is written. */
  private static String type(String file) {
    return Hub.dataset(file)
        .orElseGet(() -> plain(List.of(file)).get(0).replaceFirst("(?s).*\\.(?=\\w+$)", ""));
  }

  /** Names of files without the folders of this machine. */
  private static List<String> plain(List<String> files) {
    return files.stream()
        .map(file -> Hub.isData(file) ? file : file.replaceFirst("(?s).*[/\\\\](?=.)", ""))
        .toList();
  }

  private List<String> datasets() {
    TreeSet<String> names = new TreeSet<>();
    if (training != null) {
      training.texts(RunOption.TRAIN_FILE).forEach(file -> Hub.dataset(file).ifPresent(names::add));
    }
    return List.copyOf(names);
  }

  private String page() {
    StringBuilder out = new StringBuilder();
    out.append("# ").append(name.replaceFirst(".*/", "")).append("\n\n");
    String made =
        base == null ? "a pretrained model" : "[" + base + "](https://hf.co/" + base + ")";
    out.append(model.isAdapter() ? "A LoRA adapter of " : "A fine-tuned version of ").append(made);
    out.append(pipeline.isEmpty() ? "" : ", for " + pipeline.replace('-', ' ')).append(".\n");
    results.forEach((split, values) -> append(out, split, values));
    List<String> labels = labels();
    if (!labels.isEmpty()) {
      String more = labels.size() > MOST_LABELS ? ", … (" + labels.size() + " in all)" : "";
      List<String> some = labels.subList(0, Math.min(labels.size(), MOST_LABELS));
      out.append("\n## Labels\n\n`").append(String.join("`, `", some)).append('`').append(more);
      out.append('\n');
    }
    appendTraining(out);
    appendUse(out, labels.size());
    return out.toString();
  }

  private static void append(StringBuilder out, String split, Map<String, Double> values) {
    out.append("\n## Results on ")
        .append(split)
        .append(" data\n\n| metric | value |\n|---|---:|\n");
    values.forEach(
        (metric, value) ->
            out.append(String.format(Locale.ROOT, "| %s | %.4f |\n", metric, value)));
  }

  private List<String> labels() {
    ObjectNode place = model.isAdapter() ? attune : model.json(ModelFiles.CONFIG);
    JsonNode names = place.path("id2label");
    List<String> labels = new ArrayList<>();
    if (attune.has("task") && pipeline.endsWith("-classification")) {
      names.forEach(label -> labels.add(label.asText().replace('`', '\'')));
    }
    return labels;
  }

  private void appendTraining(StringBuilder out) {
    if (training == null) {
      return;
    }
    out.append("\n## Training\n\n| | |\n|---|---:|\n");
    List<String> files = plain(training.texts(RunOption.TRAIN_FILE));
    if (!files.isEmpty()) {
      out.append("| data | ").append(String.join(", ", files)).append(" |\n");
    }
    if (attune.has("epochs")) {
      out.append("| epochs | ").append(rounded(attune.path("epochs").asDouble())).append(" |\n");
    }
    if (attune.has("steps")) {
      out.append("| steps | ").append(attune.path("steps").asLong()).append(" |\n");
    }
    if (attune.has("best_step")) {
      out.append("| weights of step | ").append(attune.path("best_step").asLong()).append(" |\n");
    }
    for (RunOption option : TOLD) {
      String value = training.text(option);
      boolean isNothing = value == null || value.equals("0") && !training.isGiven(option);
      if (!isNothing) {
        String label = option.option().replace('-', ' ');
        out.append("| ").append(label).append(" | ").append(value).append(" |\n");
      }
    }
    if (attune.has("max_length")) {
      out.append("| tokens of a text at most | ").append(attune.path("max_length").asLong());
      out.append(" |\n");
    }
  }

  private static String rounded(double value) {
    return new BigDecimal(value).round(new MathContext(3)).stripTrailingZeros().toPlainString();
  }

  private void appendUse(StringBuilder out, int labels) {
    if (pipeline.isEmpty()) {
      return;
    }
    out.append("\n## Use\n\n```python\n");
    if (model.makesVectors()) {
      out.append("from sentence_transformers import SentenceTransformer\n\n");
      out.append("model = SentenceTransformer(\"").append(name).append("\")\n");
    } else if (model.isAdapter()) {
      String type =
          switch (pipeline) {
            case "token-classification" -> "TokenClassification";
            case "question-answering" -> "QuestionAnswering";
            case "text-generation" -> "CausalLM";
            default -> "SequenceClassification";
          };
      String number = labels > 0 ? ", num_labels=" + labels : "";
      out.append("from peft import AutoPeftModelFor").append(type).append("\n");
      out.append("from transformers import AutoTokenizer\n\n");
      out.append("model = AutoPeftModelFor").append(type).append(".from_pretrained(\"");
      out.append(name).append('"').append(number).append(")\n");
      out.append("tokenizer = AutoTokenizer.from_pretrained(\"").append(name).append("\")\n");
    } else {
      out.append("from transformers import pipeline\n\n");
      out.append("model = pipeline(\"").append(pipeline).append("\", model=\"").append(name);
      out.append("\")\n");
    }
    out.append("```\n");
  }
}
