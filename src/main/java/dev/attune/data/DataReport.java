package dev.attune.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.data.Finding.Severity;
import dev.attune.data.mapped.Ints;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * What a person should know about their data before a run: sizes, classes, lengths, and everything
 * that is wrong or will be cut.
 *
 * <p>It is built twice in a run: first without token lengths, because labels must be right before
 * anything is encoded; then with them.
 */
public final class DataReport {
  private final TargetChecks checks;
  private final int maxLength;
  private final int batchSize;
  private final List<SplitSummary> summaries;
  private final List<Finding> findings;

  DataReport(
      TargetChecks checks,
      int maxLength,
      int batchSize,
      List<SplitSummary> summaries,
      List<Finding> findings) {
    this.checks = checks;
    this.maxLength = maxLength;
    this.batchSize = batchSize;
    this.summaries = List.copyOf(summaries);
    this.findings =
        findings.stream().sorted((a, b) -> a.severity().compareTo(b.severity())).toList();
  }

  /** Starts a report on data for a task. */
  public static Builder builder(TargetChecks checks) {
    return new Builder(checks);
  }

  /** What was found, worst first. */
  public List<Finding> findings() {
    return findings;
  }

  /** The findings of one severity. */
  public List<Finding> findings(Severity severity) {
    return findings.stream().filter(f -> f.severity() == severity).toList();
  }

  /** The splits in the order train, validation, test. */
  public List<SplitSummary> summaries() {
    return summaries;
  }

  /** Throws an {@link InputException} that lists every FATAL finding, if there is one. */
  public void throwIfFatal() {
    List<Finding> fatal = findings(Severity.FATAL);
    if (fatal.isEmpty()) {
      return;
    }
    String list =
        fatal.stream()
            .map(f -> "\n  " + source(f.split()) + ": " + sentence(f))
            .collect(Collectors.joining());
    throw new InputException(
        fatal.size() == 1
            ? source(fatal.get(0).split()) + ": " + sentence(fatal.get(0))
            : "the data has " + fatal.size() + " problems that must be solved first:" + list);
  }

  /**
   * Share of real tokens if batches were padded to their longest sequence, in file order; 1 where
   * there are no lengths. Packed batches have a share of 1.
   */
  double usefulShareIfPaddedToLongest() {
    long real = 0;
    long padded = 0;
    for (SplitSummary summary : train()) {
      Ints lengths = summary.lengths();
      int[] batch = new int[Math.min(batchSize, lengths.size())];
      for (int i = 0; i < lengths.size(); i += batch.length) {
        int count = Math.min(lengths.size() - i, batch.length);
        lengths.copy(i, batch, 0, count);
        int longest = 0;
        for (int j = 0; j < count; j++) {
          real += batch[j];
          longest = Math.max(longest, batch[j]);
        }
        padded += (long) longest * count;
      }
    }
    return padded == 0 ? 1 : (double) real / padded;
  }

  /** Share of real tokens if every sequence were padded to the maximum length. */
  double usefulShareIfPaddedToMaxLength() {
    long real = 0;
    long padded = 0;
    for (SplitSummary summary : train()) {
      real += summary.tokens();
      padded += (long) summary.lengths().size() * maxLength;
    }
    return padded == 0 ? 1 : (double) real / padded;
  }

  private List<SplitSummary> train() {
    return summaries.stream().filter(s -> s.name().equals("train") && s.lengths() != null).toList();
  }

  private String source(String split) {
    return dataset(split).source().toString();
  }

  /** A finding with the rows that it concerns. */
  String sentence(Finding finding) {
    return finding.sentence(dataset(finding.split())::place);
  }

  private Dataset dataset(String split) {
    return summaries.stream()
        .filter(s -> s.name().equals(split))
        .map(SplitSummary::dataset)
        .findFirst()
        .orElseThrow();
  }

  TargetChecks checks() {
    return checks;
  }

  int maxLength() {
    return maxLength;
  }

  int batchSize() {
    return batchSize;
  }

  /**
   * The report for programs.
   *
   * @param words of the face that asks for it
   */
  public ObjectNode toJson(UnaryOperator<String> words) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    root.put("task", checks.name());
    if (maxLength > 0) {
      root.put("max_length", maxLength);
    }
    ObjectNode splits = root.putObject("splits");
    for (SplitSummary summary : summaries) {
      ObjectNode split = splits.putObject(summary.name());
      split.put("source", summary.dataset().source().toString());
      split.put("columns", summary.dataset().columns());
      split.put("rows", summary.dataset().rows());
      ArrayNode files = split.putArray("files");
      int[] rowsOfFiles = summary.dataset().rowsOfParts();
      for (int i = 0; i < rowsOfFiles.length; i++) {
        DatasetPart part = summary.dataset().parts().get(i);
        files
            .addObject()
            .put("file", part.file().toString())
            .put("rows", rowsOfFiles[i])
            .put("form", part.form());
      }
      if (summary.quantiles() != null) {
        split.put("tokens", summary.tokens());
        split
            .putObject("length")
            .put("p50", summary.quantiles().p50())
            .put("p90", summary.quantiles().p90())
            .put("p99", summary.quantiles().p99())
            .put("max", summary.quantiles().max());
        checks.describe(summary, split);
        split.put("truncated_rows", summary.truncatedRows());
        split.put("dropped_tokens", summary.droppedTokens());
        ArrayNode worst = split.putArray("worst_rows");
        summary
            .worst()
            .forEach(
                e -> worst.addObject().put("row", e.getKey()).put("dropped_tokens", e.getValue()));
      }
      if (!summary.classCounts().isEmpty()) {
        ObjectNode counts = split.putObject("class_counts");
        summary.classCounts().forEach(counts::put);
      }
    }
    if (!train().isEmpty()) {
      root.putObject("useful_token_share")
          .put("packed", 1.0)
          .put("padded_to_longest_of_batch", usefulShareIfPaddedToLongest())
          .put("padded_to_max_length", usefulShareIfPaddedToMaxLength());
    }
    ArrayNode list = root.putArray("findings");
    for (Finding finding : findings) {
      ObjectNode node = list.addObject();
      node.put("severity", finding.severity().name());
      node.put("code", finding.code());
      node.put("split", finding.split());
      node.put("message", words.apply(finding.message()));
      node.put("count", finding.count());
      ArrayNode rows = node.putArray("rows");
      finding.rows().forEach(rows::add);
      Dataset data = dataset(finding.split());
      if (data.parts().size() > 1) {
        ArrayNode places = node.putArray("places");
        finding.rows().forEach(row -> places.add(data.place(row)));
      }
    }
    return root;
  }

  /** Gathers the splits of a report. */
  public static final class Builder {
    private final TargetChecks checks;
    private final Map<String, Dataset> datasets = new LinkedHashMap<>();
    private final Map<String, TokenLengths> lengths = new HashMap<>();
    private final Map<String, Examined> examined = new HashMap<>();
    private final Map<String, List<Finding>> leakage = new HashMap<>();
    private int maxLength;
    private int batchSize = 32;

    private Builder(TargetChecks checks) {
      this.checks = checks;
    }

    /** The length that examples are cut to. */
    public Builder maxLength(int tokens) {
      this.maxLength = tokens;
      return this;
    }

    /** The batch size for the price of padding. */
    public Builder batchSize(int size) {
      Check.argument(size >= 1, "batch size %d", size);
      this.batchSize = size;
      return this;
    }

    /** The training set; {@code tokens} may be null before it is encoded. */
    public Builder train(Dataset dataset, TokenLengths tokens) {
      return split("train", dataset, tokens);
    }

    /** The validation set. */
    public Builder validation(Dataset dataset, TokenLengths tokens) {
      return split("validation", dataset, tokens);
    }

    /** The test set. */
    public Builder test(Dataset dataset, TokenLengths tokens) {
      return split("test", dataset, tokens);
    }

    private Builder split(String name, Dataset dataset, TokenLengths tokens) {
      Check.argument(
          tokens == null || tokens.lengths().size() == dataset.size(),
          "token lengths of another dataset than %s",
          dataset.source());
      Dataset before = datasets.put(name, dataset);
      if (before != null && before != dataset) {
        examined.clear();
        leakage.clear();
      }
      lengths.put(name, tokens);
      return this;
    }

    /**
     * Examines the data. Of what was examined before, as when token lengths come later, the rows
     * are not read again.
     */
    public DataReport build() {
      List<SplitSummary> summaries = new ArrayList<>();
      List<Finding> findings = new ArrayList<>();
      datasets.forEach(
          (name, dataset) -> {
            Examined known = examined.computeIfAbsent(name, n -> examined(n, dataset));
            TokenLengths tokens = lengths.get(name);
            summaries.add(SplitSummary.of(name, dataset, tokens, known.classCounts));
            dataset.reading().findings().forEach(finding -> findings.add(finding.in(name)));
            findings.addAll(known.onTexts);
            if (tokens != null && dataset.size() > 0) {
              Findings found = new Findings(name, dataset, maxLength, findings);
              LengthFindings.truncation(found, tokens);
              checks.examineLengths(found, tokens);
              found.finish();
            }
            findings.addAll(known.onEqualTexts);
          });
      datasets.forEach(
          (name, dataset) -> {
            if (examined.containsKey("train") && !name.equals("train")) {
              findings.addAll(leakage.computeIfAbsent(name, n -> leakage(n, dataset)));
            }
          });
      examined.values().forEach(known -> known.texts = null); // which are as many as the rows
      return new DataReport(checks, maxLength, batchSize, summaries, findings);
    }

    /** The texts of the training set, by which another split is held against it. */
    private EqualTexts training() {
      Examined train = examined.get("train");
      if (train.texts == null) {
        train.texts = new EqualTexts(datasets.get("train"), checks);
      }
      return train.texts;
    }

    private Examined examined(String name, Dataset dataset) {
      Examined fresh = new Examined();
      String checked = checks.described();
      JsonNode facts =
          dataset.foundOut(
              checked == null ? null : "examined as " + name + " for " + checked,
              () -> {
                examine(name, dataset, fresh);
                return fresh.toJson();
              });
      return fresh.classCounts != null ? fresh : Examined.of(facts);
    }

    private void examine(String name, Dataset dataset, Examined known) {
      known.classCounts = checks.classCounts(dataset);
      known.texts = new EqualTexts(dataset, checks);
      Findings found = new Findings(name, dataset, maxLength, known.onTexts);
      if (dataset.size() == 0) {
        found.add(Severity.FATAL, "no_rows", "there are no rows");
        found.finish();
        return;
      }
      checks.examine(found, known.classCounts);
      DamagedText.find(found);
      found.finish();
      Findings equal = new Findings(name, dataset, maxLength, known.onEqualTexts);
      TextFindings.equalTexts(equal, known.texts);
      equal.finish();
    }

    private List<Finding> leakage(String name, Dataset dataset) {
      Dataset train = datasets.get("train");
      String checked = checks.described();
      JsonNode facts =
          train.foundOut(
              checked == null || dataset.isStored()
                  ? null
                  : "texts of " + name + ' ' + textsKey(dataset) + " for " + checked,
              () -> {
                List<Finding> leaked = new ArrayList<>();
                Findings found = new Findings(name, dataset, maxLength, leaked);
                TextFindings.leakage(found, training(), name, checks);
                found.finish();
                return FindingsJson.of(leaked);
              });
      return FindingsJson.findings(facts);
    }

    private static String textsKey(Dataset dataset) {
      ContentKey key = ContentKey.of("texts");
      for (Example example : dataset.examples()) {
        key.with(String.valueOf(example.row())).with(example.normalised());
      }
      return key.text();
    }

    /** What a split's rows say whatever their lengths. */
    private static final class Examined {
      private final List<Finding> onTexts = new ArrayList<>();
      private final List<Finding> onEqualTexts = new ArrayList<>();
      private Map<String, Integer> classCounts;
      private EqualTexts texts; // null where nobody needs them

      JsonNode toJson() {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        ArrayNode classes = node.putArray("classes");
        classCounts.forEach((name, count) -> classes.addArray().add(name).add(count));
        node.set("texts", FindingsJson.of(onTexts));
        node.set("equal", FindingsJson.of(onEqualTexts));
        return node;
      }

      static Examined of(JsonNode node) {
        Examined known = new Examined();
        known.classCounts = new LinkedHashMap<>();
        node.path("classes")
            .forEach(entry -> known.classCounts.put(entry.get(0).asText(), entry.get(1).asInt()));
        known.onTexts.addAll(FindingsJson.findings(node.path("texts")));
        known.onEqualTexts.addAll(FindingsJson.findings(node.path("equal")));
        return known;
      }
    }
  }
}
