package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Findings;
import dev.attune.data.GoldAnswer;
import dev.attune.data.LabelMap;
import dev.attune.data.SplitSummary;
import dev.attune.data.TokenLengths;
import dev.attune.folder.SavedSettings;
import dev.attune.metrics.AnswerMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.ops.SpanCrossEntropy;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * The span of a context that answers a question: {@code BertForQuestionAnswering}. Contexts longer
 * than a sequence are read in windows that overlap. Where training data has questions without
 * answer, as SQuAD 2.0 has, the model may say that there is none.
 */
public final class QuestionAnswering implements Task {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  /**
   * What can be chosen; the defaults are those of {@code run_qa.py}.
   *
   * @param docStride tokens that neighbouring windows of a context share
   * @param maxAnswerLength tokens of an answer
   * @param nBest answers that are considered
   * @param noAnswer whether there may be none
   * @param nullThreshold by how much the score of "no answer" must exceed that of the best answer
   * @param tunes whether that threshold is to be found on validation data
   */
  public record Settings(
      int docStride,
      int maxAnswerLength,
      int nBest,
      boolean noAnswer,
      double nullThreshold,
      boolean tunes) {
    /** Those of {@code run_qa.py}. */
    public static Settings defaults(boolean noAnswer) {
      return new Settings(128, 30, 20, noAnswer, 0, false);
    }

    private Settings with(TaskOptions options, boolean mayHaveNone) {
      return new Settings(
          options.integer(Term.DOC_STRIDE, 0, docStride),
          options.integer(Term.MAX_ANSWER_LENGTH, 1, maxAnswerLength),
          options.integer(Term.N_BEST, 1, nBest),
          mayHaveNone,
          options.number(Term.NULL_THRESHOLD, nullThreshold),
          options.flag(Term.TUNE_THRESHOLDS));
    }

    private Settings withNullThreshold(double threshold) {
      return new Settings(docStride, maxAnswerLength, nBest, noAnswer, threshold, tunes);
    }
  }

  /**
   * An answer.
   *
   * @param text as it stands in the context; "" for no answer
   * @param score its probability among the answers considered
   * @param start in the context, in code points; -1 for no answer
   * @param end exclusive; -1 for no answer
   */
  public record Candidate(String text, double score, int start, int end) {
    private void write(ObjectNode node, String name) {
      node.put(name, text).put("score", score);
      if (start < 0) {
        node.putNull("start").putNull("end");
      } else {
        node.put("start", start).put("end", end);
      }
    }
  }

  /**
   * What is said of one row.
   *
   * @param best the answer given
   * @param nBest all that were considered, the likeliest first
   */
  public record Predicted(Candidate best, List<Candidate> nBest) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      best.write(row, "predicted_answer");
      for (Candidate candidate : nBest) {
        candidate.write(row.withArray("nbest").addObject(), "text");
      }
    }
  }

  private final Settings settings;

  public QuestionAnswering(Settings settings) {
    this.settings = settings;
  }

  /** What was chosen. */
  public Settings settings() {
    return settings;
  }

  /**
   * The task of a trained head as options have it. One that asks for a threshold of "no answer"
   * lets the model say so, though it is not known to have learned it.
   */
  public QuestionAnswering with(TaskOptions options) {
    boolean mayHaveNone = settings.noAnswer() || options.get(Term.NULL_THRESHOLD) != null;
    return new QuestionAnswering(settings.with(options, mayHaveNone));
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.SPAN;
  }

  /** One for the first row of a span, one for the last. */
  @Override
  public int outputs() {
    return 2;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    return new AnswerWindows(
        tokenizer, maxLength, settings.docStride(), purpose != Purpose.PREDICTION);
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    SpanCrossEntropy.apply(
        tape,
        output,
        staging.cuSeqlens(),
        staging.segments(), // those that fill the batch too: their rows need a gradient, of zero
        staging.labels(0),
        staging.labels(1),
        staging.losses());
    return 2 * staging.sequences();
  }

  @Override
  public List<String> metricNames() {
    AnswerMetrics metrics = new AnswerMetrics(settings.noAnswer());
    metrics.add(List.of("a"), "a");
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    List<Example> examples = data.notes(AnswerWindows.Notes.class).dataset().examples();
    boolean none = settings.noAnswer() || examples.stream().anyMatch(e -> e.answers().isEmpty());
    AnswerMetrics metrics = new AnswerMetrics(none);
    Reading spans =
        new Spans(
            data,
            (example, found) ->
                metrics.add(
                    example.answers().stream().map(GoldAnswer::text).toList(),
                    predicted(example, found).best().text()));
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        spans.add(batch, output);
      }

      @Override
      public void end() {
        spans.end();
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
    return new Spans(data, (example, found) -> sink.accept(example, predicted(example, found)));
  }

  /** Brings the windows of each row together. */
  private final class Spans implements Reading {
    private final EncodedDataset data;
    private final AnswerWindows.Notes notes;
    private final BiConsumer<Example, AnswerSpans> sink;
    private int row = -1;
    private AnswerSpans spans;

    Spans(EncodedDataset data, BiConsumer<Example, AnswerSpans> sink) {
      this.data = data;
      this.notes = data.notes(AnswerWindows.Notes.class);
      this.sink = sink;
    }

    @Override
    public void add(Batch batch, ModelOutput output) {
      FloatBuffer logits = output.logits();
      for (int b = 0; b < batch.sequences(); b++) {
        int sequence = batch.exampleIndex()[b];
        if (data.source(sequence) != row) {
          end();
          row = data.source(sequence);
          spans = new AnswerSpans(settings.nBest(), settings.maxAnswerLength());
        }
        int first = batch.cuSeqlens()[b];
        int length = batch.cuSeqlens()[b + 1] - first;
        spans.add(logits, first, length, notes.windows().get(sequence));
      }
    }

    @Override
    public void end() {
      if (spans != null) {
        sink.accept(notes.dataset().get(row), spans);
        spans = null;
      }
    }
  }

  private static String text(String context, AnswerSpans.Span span) {
    int begin = context.offsetByCodePoints(0, span.begin());
    return context.substring(begin, context.offsetByCodePoints(begin, span.end() - span.begin()));
  }

  private Predicted predicted(Example example, AnswerSpans found) {
    List<AnswerSpans.Span> spans = settings.noAnswer() ? found.bestOrNone() : found.best();
    String context = example.textPair();
    double[] scores = Logits.softmax(spans.stream().mapToDouble(AnswerSpans.Span::score).toArray());
    List<Candidate> candidates = new ArrayList<>();
    Candidate none = new Candidate("", 0, -1, -1);
    Candidate best = null;
    double bestScore = 0;
    for (int i = 0; i < scores.length; i++) {
      AnswerSpans.Span span = spans.get(i);
      if (span.isEmpty()) {
        none = new Candidate("", scores[i], -1, -1);
        candidates.add(none);
      } else {
        Candidate candidate =
            new Candidate(text(context, span), scores[i], span.begin(), span.end());
        candidates.add(candidate);
        if (best == null) {
          best = candidate;
          bestScore = span.score();
        }
      }
    }
    boolean isNone =
        best == null
            || settings.noAnswer() && found.noAnswer() - bestScore > settings.nullThreshold();
    return new Predicted(isNone ? none : best, List.copyOf(candidates));
  }

  @Override
  public boolean isCalibrated() {
    return settings.tunes() && settings.noAnswer();
  }

  /** Finds the threshold of "no answer". */
  @Override
  public Calibration calibration(EncodedDataset data) {
    NullThreshold tuning = new NullThreshold();
    Reading spans =
        new Spans(
            data,
            (example, found) -> {
              List<AnswerSpans.Span> best = found.best();
              if (!best.isEmpty()) {
                List<String> gold = example.answers().stream().map(GoldAnswer::text).toList();
                String answer = text(example.textPair(), best.get(0));
                tuning.add(
                    found.noAnswer() - best.get(0).score(),
                    AnswerMetrics.bestF1(gold, answer),
                    AnswerMetrics.bestF1(gold, ""));
              }
            });
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        spans.add(batch, output);
      }

      @Override
      public void end() {
        spans.end();
      }

      @Override
      public Task calibrated() {
        return new QuestionAnswering(settings.withNullThreshold(tuning.best()));
      }
    };
  }

  @Override
  public String errorName() {
    return "1 - F1";
  }

  @Override
  public Judgement judged(Example example, Prediction prediction) {
    Candidate given = ((Predicted) prediction).best();
    if (example.answers() == null) {
      return null;
    }
    List<String> gold = example.answers().stream().map(GoldAnswer::text).distinct().toList();
    double f1 = AnswerMetrics.bestF1(gold, given.text());
    return new Judgement(
        gold.isEmpty() ? "(no answer)" : String.join(" | ", gold),
        given.text().isEmpty() ? "(no answer)" : given.text(),
        f1 == 1,
        1 - f1,
        given.score());
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode saved) {
    saved.put("doc_stride", settings.docStride());
    saved.put("max_answer_length", settings.maxAnswerLength());
    saved.put("n_best", settings.nBest());
    saved.put("no_answer", settings.noAnswer());
    saved.put("null_threshold", settings.nullThreshold());
  }

  @Override
  public Object target(Example example) {
    return example.answers();
  }

  @Override
  public boolean isEmpty(Example example) {
    return example.text() == null
        || example.text().isBlank()
        || example.textPair() == null
        || example.textPair().isBlank();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    new QuestionFindings(found).examine(this, settings.noAnswer());
  }

  /** A question without answer is learned too: from the first token of each window. */
  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    new QuestionFindings(found).examineLengths(tokens);
  }

  @Override
  public String unit() {
    return "window";
  }

  @Override
  public String describe(SplitSummary summary) {
    return String.format(
        Locale.ROOT,
        "%,d windows of %,d questions; %,d hold an answer",
        summary.lengths().size(),
        summary.dataset().size(),
        summary.supervised());
  }

  @Override
  public void describe(SplitSummary summary, ObjectNode split) {
    split.put("windows", summary.lengths().size());
    split.put("windows_with_answer", summary.supervised());
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "question-answering";
    }

    @Override
    public List<String> aliases() {
      return List.of("qa");
    }

    @Override
    public Example typed(int row, String text) {
      throw new InputException(
          "a question is answered from a text that holds the answer; give both as a row of a file,"
              + " {\"question\": \"…\", \"context\": \"…\"}");
    }

    @Override
    public List<Term> options() {
      return List.of(
          Term.DOC_STRIDE,
          Term.MAX_ANSWER_LENGTH,
          Term.N_BEST,
          Term.NULL_THRESHOLD,
          Term.TUNE_THRESHOLDS);
    }

    @Override
    public String peftType() {
      return "QUESTION_ANS";
    }

    @Override
    public String pipeline() {
      return "question-answering";
    }

    @Override
    public String classSuffix() {
      return "ForQuestionAnswering";
    }

    @Override
    public boolean hasLabels() {
      return false;
    }

    @Override
    public void check(TaskOptions options) {
      Settings.defaults(false).with(options, false);
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      boolean noAnswer =
          train.examples().stream().anyMatch(e -> e.answers() != null && e.answers().isEmpty());
      return new QuestionAnswering(Settings.defaults(noAnswer).with(options, noAnswer));
    }

    @Override
    public Task open(LabelMap labels, JsonNode json, TaskOptions options) {
      SavedSettings saved = new SavedSettings(json);
      Settings otherwise = Settings.defaults(false);
      Settings kept =
          new Settings(
              saved.integer("doc_stride", 0, otherwise.docStride()),
              saved.integer("max_answer_length", 1, otherwise.maxAnswerLength()),
              saved.integer("n_best", 1, otherwise.nBest()),
              saved.flag("no_answer", otherwise.noAnswer()),
              saved.number("null_threshold", otherwise.nullThreshold()),
              otherwise.tunes());
      return new QuestionAnswering(kept).with(options);
    }
  }
}
