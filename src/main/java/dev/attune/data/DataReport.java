package dev.attune.data;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What a person should know about their data before a run: sizes, classes, lengths, and everything
 * that is wrong or will be cut.
 *
 * <p>It is built twice in a run: first without token lengths, because labels must be right before
 * anything is encoded; then with them.
 */
public final class DataReport {
  /** Rows named in a finding at most. */
  static final int ROWS_SHOWN = 10;

  /** How bad a finding is. */
  public enum Severity {
    /** Training would fail or mean nothing. */
    FATAL,
    /** Results will probably be worse or look better than they are. */
    WARNING,
    /** Worth knowing. */
    NOTE
  }

  /**
   * One thing found.
   *
   * @param code stable name for programs
   * @param split train, validation or test
   * @param message one sentence for people
   * @param rows the first rows concerned, lines of the file
   * @param count all rows concerned
   */
  public record Finding(
      Severity severity,
      String code,
      String split,
      String message,
      List<Integer> rows,
      int count) {}

  /** Token lengths of a split by nearest rank. */
  public record Quantiles(int p50, int p90, int p99, int max) {}

  /**
   * One split in numbers. Token numbers are 0, and quantiles null, where lengths were not given.
   *
   * @param lengths tokens of each sequence
   * @param classCounts examples (or words, where words have classes) a class, by name
   * @param supervised targets of all rows
   * @param worst rows that lose most to truncation: row and lost tokens
   */
  public record Summary(
      String name,
      Dataset dataset,
      long tokens,
      Quantiles quantiles,
      long supervised,
      int truncatedRows,
      long droppedTokens,
      List<Map.Entry<Integer, Integer>> worst,
      Map<String, Integer> classCounts,
      int[] lengths) {}

  private final TargetChecks checks;
  private final int maxLength;
  private final int batchSize;
  private final List<Summary> summaries;
  private final List<Finding> findings;

  DataReport(
      TargetChecks checks,
      int maxLength,
      int batchSize,
      List<Summary> summaries,
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
  public List<Summary> summaries() {
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
            .map(f -> "\n  " + source(f.split()) + ": " + f.message() + rows(f))
            .collect(Collectors.joining());
    throw new InputException(
        fatal.size() == 1
            ? source(fatal.get(0).split()) + ": " + fatal.get(0).message() + rows(fatal.get(0))
            : "the data has " + fatal.size() + " problems that must be solved first:" + list);
  }

  /**
   * Share of real tokens if batches were padded to their longest sequence, in file order; 1 where
   * there are no lengths. Packed batches have a share of 1.
   */
  public double usefulShareIfPaddedToLongest() {
    long real = 0;
    long padded = 0;
    for (Summary summary : train()) {
      int[] lengths = summary.lengths();
      for (int i = 0; i < lengths.length; i += batchSize) {
        int end = Math.min(lengths.length, i + batchSize);
        int longest = 0;
        for (int j = i; j < end; j++) {
          real += lengths[j];
          longest = Math.max(longest, lengths[j]);
        }
        padded += (long) longest * (end - i);
      }
    }
    return padded == 0 ? 1 : (double) real / padded;
  }

  /** Share of real tokens if every sequence were padded to the maximum length. */
  public double usefulShareIfPaddedToMaxLength() {
    long real = 0;
    long padded = 0;
    for (Summary summary : train()) {
      real += summary.tokens();
      padded += (long) summary.lengths().length * maxLength;
    }
    return padded == 0 ? 1 : (double) real / padded;
  }

  private List<Summary> train() {
    return summaries.stream().filter(s -> s.name().equals("train") && s.lengths() != null).toList();
  }

  private String source(String split) {
    return summaries.stream()
        .filter(s -> s.name().equals(split))
        .map(s -> s.dataset().source().toString())
        .findFirst()
        .orElse(split);
  }

  static String rows(Finding finding) {
    if (finding.rows().isEmpty()) {
      return "";
    }
    String list = finding.rows().stream().map(String::valueOf).collect(Collectors.joining(", "));
    return (finding.count() == 1 ? " (row " : " (rows ")
        + list
        + (finding.count() > finding.rows().size()
            ? " and " + (finding.count() - finding.rows().size()) + " more)"
            : ")");
  }

  /**
   * Prints the report as plain text, with block characters where the console can show them.
   *
   * @param words of the face that shows it: see {@link dev.attune.core.Term}
   */
  public void render(PrintStream out, UnaryOperator<String> words) {
    new DataReportText(this, DataReportText.consoleShowsBlocks(), words).print(out);
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
    for (Summary summary : summaries) {
      ObjectNode split = splits.putObject(summary.name());
      split.put("source", summary.dataset().source().toString());
      split.put("columns", summary.dataset().columns());
      split.put("rows", summary.dataset().size());
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
    }
    return root;
  }

  /** Gathers the splits of a report. */
  public static final class Builder {
    private final TargetChecks checks;
    private final Map<String, Dataset> datasets = new LinkedHashMap<>();
    private final Map<String, TokenLengths> lengths = new HashMap<>();
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
          tokens == null || tokens.lengths().length == dataset.size(),
          "token lengths of another dataset than %s",
          dataset.source());
      datasets.put(name, dataset);
      lengths.put(name, tokens);
      return this;
    }

    /** Examines the data. */
    public DataReport build() {
      List<Summary> summaries = new ArrayList<>();
      List<Finding> findings = new ArrayList<>();
      datasets.forEach(
          (name, dataset) -> {
            TokenLengths tokens = lengths.get(name);
            Map<String, Integer> counts = checks.classCounts(dataset);
            summaries.add(summary(name, dataset, tokens, counts));
            examine(new Findings(name, dataset, maxLength, findings), tokens, counts);
          });
      if (datasets.containsKey("train")) {
        Set<String> training = TextFindings.texts(datasets.get("train"), checks);
        datasets.forEach(
            (name, dataset) -> {
              Findings found = new Findings(name, dataset, maxLength, findings);
              if (!found.isTraining()) {
                TextFindings.leakage(found, training, name, checks);
              }
            });
      }
      return new DataReport(checks, maxLength, batchSize, summaries, findings);
    }

    private void examine(Findings found, TokenLengths tokens, Map<String, Integer> counts) {
      if (found.data().size() == 0) {
        found.add(Severity.FATAL, "no_rows", "there are no rows");
        return;
      }
      checks.examine(found, counts);
      if (tokens != null) {
        TextFindings.truncation(found, tokens);
        checks.examineLengths(found, tokens);
      }
      TextFindings.equalTexts(found, checks);
    }

    private static Summary summary(
        String name, Dataset dataset, TokenLengths tokens, Map<String, Integer> counts) {
      if (tokens == null || dataset.size() == 0) {
        return new Summary(name, dataset, 0, null, 0, 0, 0, List.of(), counts, null);
      }
      int[] sorted = tokens.sequences().clone();
      Arrays.sort(sorted);
      int[] dropped = tokens.dropped();
      List<Map.Entry<Integer, Integer>> worst =
          IntStream.range(0, dropped.length)
              .filter(i -> dropped[i] > 0)
              .boxed()
              .sorted((a, b) -> dropped[b] - dropped[a])
              .limit(ROWS_SHOWN)
              .map(i -> Map.entry(dataset.get(i).row(), dropped[i]))
              .toList();
      return new Summary(
          name,
          dataset,
          Arrays.stream(sorted).asLongStream().sum(),
          new Quantiles(
              quantile(sorted, 50),
              quantile(sorted, 90),
              quantile(sorted, 99),
              quantile(sorted, 100)),
          Arrays.stream(tokens.supervised()).asLongStream().sum(),
          (int) Arrays.stream(dropped).filter(d -> d > 0).count(),
          Arrays.stream(dropped).asLongStream().sum(),
          worst,
          counts,
          tokens.sequences());
    }

    /** Nearest rank: the smallest value that at least so many percent do not exceed. */
    private static int quantile(int[] sorted, int percent) {
      long rank = ((long) percent * sorted.length + 99) / 100;
      return sorted.length == 0 ? 0 : sorted[(int) Math.max(1, rank) - 1];
    }
  }
}
