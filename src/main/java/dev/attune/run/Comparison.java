package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.Example;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.task.Judgement;
import dev.attune.task.Prediction;
import dev.attune.task.Task;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** Predictions beside what their rows say: the worst of them, and labels counted by labels. */
public final class Comparison {
  private static final int MOST_WORST = 100_000;

  /** (K, K) counts are kept. */
  private static final int MOST_CLASSES = 2000;

  /**
   * A row that was predicted wrong.
   *
   * @param example the row
   */
  public record Mistake(Example example, Judgement judgement) {
    private static final String BETWEEN_TEXTS = " ⏐ ";

    /** What a model read of the row. */
    public String text() {
      if (example.text() == null && example.tokens() != null) {
        return String.join(" ", example.tokens());
      }
      String text = example.text() == null ? "" : example.text();
      return example.textPair() == null ? text : text + BETWEEN_TEXTS + example.textPair();
    }

    /** For programs: nothing is shortened. */
    public void writeTo(ObjectNode json) {
      json.put("text", text());
      json.put("gold", judgement.gold());
      json.put("predicted", judgement.predicted());
      json.put("error", judgement.error());
      if (!Double.isNaN(judgement.probability())) {
        json.put("probability", judgement.probability());
      }
    }
  }

  /** The least bad first; of two that are as bad, the later row. */
  private static final Comparator<Mistake> BY_BADNESS =
      Comparator.comparingDouble((Mistake mistake) -> mistake.judgement().error())
          .thenComparing(
              Comparator.comparingInt((Mistake mistake) -> mistake.example().row()).reversed());

  private final Task task;
  private final int most;
  private final PriorityQueue<Mistake> worst = new PriorityQueue<>(BY_BADNESS);
  private final ClassificationMetrics counts;
  private int compared;
  private int wrong;
  private int skipped;

  private Comparison(Task task, int most, ClassificationMetrics counts) {
    this.task = task;
    this.most = most;
    this.counts = counts;
  }

  /** Whether options ask for one. */
  static boolean isAsked(RunConfig config) {
    return config.isGiven(RunOption.WORST) || config.flag(RunOption.CONFUSION_MATRIX);
  }

  /**
   * What the options ask for; null: nothing.
   *
   * @throws InputException if that means nothing for the task
   */
  static Comparison of(RunConfig config, Task task) {
    if (!isAsked(config)) {
      return null;
    }
    int most = config.isGiven(RunOption.WORST) ? config.smallInteger(RunOption.WORST) : 0;
    if (config.isGiven(RunOption.WORST) && (most < 1 || most > MOST_WORST)) {
      throw new InputException(
          RunOption.WORST + " is " + most + "; it is a number of rows, from 1 to " + MOST_WORST);
    }
    if (most > 0 && task.errorName() == null) {
      throw new InputException(
          RunOption.WORST
              + " has no meaning for "
              + RunOption.TASK.with(task.name())
              + ", whose rows are not judged one by one");
    }
    boolean counts = config.flag(RunOption.CONFUSION_MATRIX);
    if (counts && !task.hasOneLabel()) {
      throw new InputException(
          RunOption.CONFUSION_MATRIX
              + " has no meaning for "
              + RunOption.TASK.with(task.name())
              + ": it is of rows that have one label each");
    }
    if (counts && task.labels().size() > MOST_CLASSES) {
      throw new InputException(
          RunOption.CONFUSION_MATRIX
              + " is of at most "
              + MOST_CLASSES
              + " labels; the model has "
              + task.labels().size());
    }
    return new Comparison(
        task, most, counts ? ClassificationMetrics.withConfusion(task.labels().names()) : null);
  }

  /** Of so many of the worst rows of a task whose rows are judged; null where they are not. */
  static Comparison ofWorst(int most, Task task) {
    return task.errorName() == null ? null : new Comparison(task, most, null);
  }

  /** Adds a row in the form in which the task was learned, and what was predicted of it. */
  void add(Example example, Prediction prediction) {
    Judgement judgement = task.judged(example, prediction);
    if (judgement == null) {
      skipped++;
      return;
    }
    compared++;
    if (counts != null) {
      counts.add(
          task.labels().idOrMinusOne(judgement.gold()),
          task.labels().idOrMinusOne(judgement.predicted()));
    }
    if (judgement.isRight()) {
      return;
    }
    wrong++;
    if (most > 0) {
      worst.add(new Mistake(example, judgement));
      if (worst.size() > most) {
        worst.remove();
      }
    }
  }

  /** Rows that were compared. */
  public int compared() {
    return compared;
  }

  /** Those of them that were predicted otherwise. */
  public int wrong() {
    return wrong;
  }

  /** Rows that say nothing that could be compared. */
  public int skipped() {
    return skipped;
  }

  /** Whether the worst were asked for. */
  public boolean hasWorst() {
    return most > 0;
  }

  /** Mistakes, the worst first. */
  public List<Mistake> worst() {
    List<Mistake> out = new ArrayList<>(worst);
    out.sort(BY_BADNESS.reversed());
    return out;
  }

  /** What the worst are the worst by: "loss". */
  public String errorName() {
    return task.errorName();
  }

  /** Labels counted by labels; null where that was not asked for. */
  public ClassificationMetrics counts() {
    return counts;
  }
}
