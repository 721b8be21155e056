package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.LabelNumbers;
import dev.attune.data.TagScheme;
import dev.attune.data.TokenLengths;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.metrics.PlainTagMetrics;
import dev.attune.metrics.SequenceLabelMetrics;
import dev.attune.metrics.TagMetrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.CrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.LabelWeights.Kind;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/**
 * One tag per word: {@code BertForTokenClassification}. A word's tag is learned from, and read off,
 * its first token.
 */
public final class TokenClassification implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final String CONVERTED = "tags_as_bio";

  private final LabelMap labels;
  private final LabelWeights weights;
  private final boolean converts;

  /**
   * @param labels K tags
   */
  public TokenClassification(LabelMap labels) {
    this(labels, LabelWeights.NONE, false);
  }

  /**
   * @param labels K tags
   * @param weights of the tags in the loss
   * @param converts whether data of other schemes is learned and measured as BIO
   */
  TokenClassification(LabelMap labels, LabelWeights weights, boolean converts) {
    this.labels = labels;
    this.weights = weights;
    this.converts = converts;
  }

  /** The tags of a training set. */
  public static TokenClassification of(Dataset train) {
    return new TokenClassification(TYPE.labels(train));
  }

  /**
   * What is said of one row.
   *
   * @param tags one a word; null for words beyond the maximum length, or without tokens
   * @param scores the probability of each tag; 0 where there is none
   */
  public record Predicted(List<String> tags, List<Double> scores) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      tags.forEach(row.putArray("predicted_tags")::add);
    }
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.TOKEN;
  }

  @Override
  public int outputs() {
    return labels.size();
  }

  @Override
  public LabelMap labels() {
    return labels;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    TextRows rows =
        purpose == Purpose.PREDICTION
            ? new TextRows(tokenizer, maxLength, true, TargetLayout.NONE, TextRows.NONE)
            : new TextRows(
                tokenizer,
                maxLength,
                true,
                TargetLayout.ROWS,
                (builder, tokens, dataset, example) ->
                    builder.add(tokens.ids(), tokens.typeIds(), targets(tokens, dataset, example)));
    return purpose == Purpose.TRAINING ? rows : new WordRows(rows);
  }

  /** A word's tag goes to its first token; its other tokens and the special ones are ignored. */
  private int[] targets(TokenIds tokens, Dataset dataset, Example example) {
    if (example.tags() == null || example.tags().size() != example.tokens().size()) {
      throw new InputException(
          dataset.where(example)
              + ": "
              + (example.tags() == null
                  ? "the tags are missing"
                  : many(example.tags().size(), "tag")
                      + " for "
                      + many(example.tokens().size(), "token"))
              + ". Token classification needs one tag for each token.");
    }
    int[] out = new int[tokens.ids().length];
    Arrays.fill(out, EncodedDataset.IGNORED);
    int previous = -1;
    for (int t = 0; t < out.length; t++) {
      int word = tokens.wordIds()[t];
      if (word >= 0 && word != previous) {
        out[t] = labels.id(example.tags().get(word), dataset, example);
      }
      previous = word;
    }
    return out;
  }

  /** Rows of words that remember which word each token is of. */
  private record WordRows(TextRows rows) implements RowEncoder<TokenIds> {
    @Override
    public TokenIds encode(Dataset dataset, Example example) {
      return rows.encode(dataset, example);
    }

    @Override
    public EncodedDataset pack(Dataset dataset, List<TokenIds> tokens) {
      int[][] words = tokens.stream().map(TokenIds::wordIds).toArray(int[][]::new);
      return rows.pack(dataset, tokens).withNotes(new Words(words));
    }
  }

  /**
   * @param ids of each row, the word of each token; -1 for special tokens
   */
  private record Words(int[][] ids) {}

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    CrossEntropy.apply(
        tape,
        output,
        staging.rowLabels(),
        weights.address(staging),
        staging.losses(),
        labelSmoothing);
    return (int) output.rows();
  }

  @Override
  public double divisor(Batch batch) {
    return weights.sum(batch);
  }

  @Override
  public boolean smoothsLabels() {
    return true;
  }

  /** Entities where the tags mark them, else tag by tag. */
  private TagMetrics metrics() {
    List<String> names = labels.names();
    return SequenceLabelMetrics.areOfEntities(names)
        ? new SequenceLabelMetrics(names)
        : new PlainTagMetrics(new ClassificationMetrics(names));
  }

  @Override
  public List<String> metricNames() {
    TagMetrics metrics = metrics();
    metrics.add(new int[1], new int[1]);
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    TagMetrics metrics = metrics();
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          int begin = batch.cuSeqlens()[b];
          int end = batch.cuSeqlens()[b + 1];
          int[] gold = new int[end - begin];
          int[] predicted = new int[end - begin];
          int words = 0;
          for (int row = begin; row < end; row++) {
            if (batch.labels()[row] != EncodedDataset.IGNORED) {
              gold[words] = batch.labels()[row];
              predicted[words++] = Logits.argmax(output.logits(), row, output.cols());
            }
          }
          metrics.add(Arrays.copyOf(gold, words), Arrays.copyOf(predicted, words));
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    int[][] words = data.notes(Words.class).ids();
    return (batch, output) -> {
      for (int b = 0; b < batch.sequences(); b++) {
        int row = batch.exampleIndex()[b];
        Example example = dataset.get(row);
        String[] tags = new String[example.tokens().size()];
        Double[] scores = new Double[tags.length];
        Arrays.fill(scores, 0.0);
        for (int t = 0; t < words[row].length; t++) {
          int word = words[row][t];
          if (word >= 0 && tags[word] == null) {
            int logits = batch.cuSeqlens()[b] + t;
            int best = Logits.argmax(output.logits(), logits, output.cols());
            tags[word] = labels.name(best);
            scores[word] = Logits.softmax(output.logits(), logits, output.cols())[best];
          }
        }
        sink.accept(
            example,
            new Predicted(
                Collections.unmodifiableList(Arrays.asList(tags)),
                Collections.unmodifiableList(Arrays.asList(scores))));
      }
    };
  }

  @Override
  public String errorName() {
    return "wrong tags";
  }

  /**
   * Words with a wrong tag, and those tags, are shown. A word that the model did not read counts
   * for nothing, as in the metrics.
   */
  @Override
  public Judgement judged(Example example, Prediction prediction) {
    Predicted predicted = (Predicted) prediction;
    List<String> gold = example.tags();
    if (gold == null || gold.size() != example.tokens().size()) {
      return null;
    }
    List<String> right = new ArrayList<>();
    List<String> wrong = new ArrayList<>();
    double surest = Double.NaN;
    for (int word = 0; word < gold.size(); word++) {
      String tag = predicted.tags().get(word);
      if (tag != null && !tag.equals(gold.get(word))) {
        right.add(example.tokens().get(word) + "/" + gold.get(word));
        wrong.add(example.tokens().get(word) + "/" + tag);
        double score = predicted.scores().get(word);
        surest = Double.isNaN(surest) ? score : Math.max(surest, score);
      }
    }
    return new Judgement(
        String.join(" ", right), String.join(" ", wrong), wrong.isEmpty(), wrong.size(), surest);
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    labels.write(outputs);
    weights.write(Kind.CLASSES, labels, settings);
    if (converts) {
      settings.put(CONVERTED, true);
    }
  }

  /** Where a model was trained elsewhere, tags stay as its own are. */
  @Override
  public Dataset prepared(Dataset data) {
    checkNamed(data, labels.names());
    return converts ? TagScheme.of(data).toBio(data) : data;
  }

  private static void checkNamed(Dataset data, List<String> known) {
    List<String> tags = TYPE.labels(data).names();
    if (LabelNumbers.areNumbers(tags) && !known.containsAll(tags)) {
      throw new InputException(
          data.source()
              + ": the tags are numbers ("
              + tags.get(0)
              + " to "
              + tags.get(tags.size() - 1)
              + "), of which nothing tells what they mean. Name them in their order, from 0 on: "
              + Term.LABEL_NAMES.of("O,B-PER,I-PER"));
    }
  }

  @Override
  public Object target(Example example) {
    return example.tags();
  }

  @Override
  public boolean isEmpty(Example example) {
    return example.hasNoWords() && example.text() == null;
  }

  @Override
  public List<String> classes(Example example) {
    return example.tags() == null ? List.of() : example.tags();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    new TagFindings(found, this).examine(weights, classCounts);
  }

  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    new TagFindings(found, this).examineLengths(tokens);
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "token-classification";
    }

    @Override
    public List<String> aliases() {
      return List.of("ner");
    }

    /** Spaces part words, as in a field of a table. */
    @Override
    public Example typed(int row, String text) {
      return Example.ofTokens(row, Example.words(text), null);
    }

    @Override
    public String peftType() {
      return "TOKEN_CLS";
    }

    @Override
    public String pipeline() {
      return "token-classification";
    }

    @Override
    public boolean streams() {
      return true;
    }

    @Override
    public String classSuffix() {
      return "ForTokenClassification";
    }

    @Override
    public boolean readsTags() {
      return true;
    }

    @Override
    public List<Term> options() {
      return List.of(Term.LABEL_NAMES, Term.CLASS_WEIGHTS);
    }

    /** Tags become BIO, but where a head has outputs for them as they are. */
    @Override
    public UnaryOperator<Dataset> preparation(Dataset train, List<String> known) {
      TagScheme scheme = TagScheme.of(train);
      boolean isKnown = scheme == TagScheme.BIOES && known.containsAll(labels(train).names());
      boolean asTheyAre = isKnown || scheme == TagScheme.PLAIN;
      return data -> {
        checkNamed(data, known);
        // A file of another scheme than the training data's tells it by its names.
        boolean ends = TagScheme.ofNames(Set.copyOf(labels(data).names())) == TagScheme.BIOES;
        return asTheyAre ? data : (ends ? TagScheme.BIOES : scheme).toBio(data);
      };
    }

    @Override
    public LabelMap labels(Dataset train) {
      return LabelMap.of(
          train.examples().stream()
              .filter(example -> example.tags() != null)
              .flatMap(example -> example.tags().stream())
              .toList());
    }

    @Override
    public LabelMap labels(LabelMap names, Dataset train) {
      return TagScheme.isConverted(train)
          ? LabelMap.ofNames(TagScheme.namesInBio(names.names()))
          : names;
    }

    @Override
    public void check(TaskOptions options) {
      LabelWeights.check(Kind.CLASSES, options.get(Term.CLASS_WEIGHTS));
    }

    /** Tags of a later file become BIO where those of the training data are. */
    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      boolean areBio = TagScheme.ofNames(Set.copyOf(labels.names())) == TagScheme.BIO;
      String given = options.get(Term.CLASS_WEIGHTS);
      return new TokenClassification(
          labels,
          LabelWeights.learn(Kind.CLASSES, given, labels, train, Example::tags),
          areBio || TagScheme.isConverted(train));
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new TokenClassification(
          labels,
          LabelWeights.read(Kind.CLASSES, labels, settings),
          settings.path(CONVERTED).asBoolean(false));
    }
  }
}
