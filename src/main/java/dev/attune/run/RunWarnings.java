package dev.attune.run;

import dev.attune.data.Finding;
import dev.attune.data.SplitSummary;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.task.Task;
import dev.attune.track.CurveFindings;
import dev.attune.track.CurveFindings.Setting;
import dev.attune.track.Curves;
import dev.attune.track.PredictionFindings;
import dev.attune.track.PredictionFindings.ClassCount;
import dev.attune.track.PredictionFindings.Disagreement;
import dev.attune.train.Evaluator;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import dev.attune.train.TrainerConfig.Evaluations;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/** Looks at a run's curves as it goes, and says what is to be said once. */
final class RunWarnings {
  /** Steps between two looks where nothing is evaluated. */
  private static final long LOOK_STEPS = 50;

  /** After fewer a model cannot have learned much. */
  private static final long LEAST_STEPS = 20;

  private final Curves curves = new Curves();
  private final Setting setting;
  private final Consumer<String> listener;
  private final List<Finding> found = new ArrayList<>();
  private final Set<String> told = new HashSet<>();

  private RunWarnings(Setting setting, Consumer<String> listener) {
    this.setting = setting;
    this.listener = listener;
  }

  /**
   * Of a run.
   *
   * @param validating what names metrics; null: there is nothing to evaluate on
   * @param listener hears each message once
   */
  static RunWarnings of(PreparedRun run, Evaluator validating, Consumer<String> listener) {
    RunConfig config = run.plan().config();
    Evaluations evaluations = run.plan().trainer().evaluations();
    String metric = config.text(RunOption.METRIC_FOR_BEST_MODEL);
    if ((metric == null || metric.equals("loss")) && validating != null) {
      metric =
          validating.names().stream().filter(name -> !name.equals("loss")).findFirst().orElse(null);
    }
    return new RunWarnings(
        new Setting(
            metric,
            metric != null && Evaluator.lowerIsBetter(metric),
            evaluations.keepsBest() || TrainPlan.followsEvaluations(config)
                ? evaluations.bestMetric()
                : null,
            chanceLoss(run),
            config.number(RunOption.LEARNING_RATE),
            config.smallInteger(RunOption.BATCH_SIZE)
                * config.smallInteger(RunOption.GRADIENT_ACCUMULATION_STEPS)),
        listener);
  }

  /** The entropy of the labels that are learned; NaN where the loss is not one of labels alone. */
  private static double chanceLoss(PreparedRun run) {
    RunConfig config = run.plan().config();
    Task task = run.data().task();
    if (!task.hasOneLabel()
        || task.isFitted() // what learns labels is fitted afterwards: the loss is one of pairs
        || config.isGiven(RunOption.CLASS_WEIGHTS)
        || config.number(RunOption.LABEL_SMOOTHING) > 0) {
      return Double.NaN;
    }
    for (SplitSummary summary : run.report().summaries()) {
      if (summary.name().equals("train") && summary.classCounts().size() > 1) {
        double rows = summary.classCounts().values().stream().mapToDouble(n -> n).sum();
        return summary.classCounts().values().stream()
            .mapToDouble(n -> n == 0 ? 0 : -n / rows * Math.log(n / rows))
            .sum();
      }
    }
    return Double.NaN;
  }

  /** A listener that looks at what it hears once it was passed on. */
  TrainListener after(TrainListener first) {
    return new ForwardingListener(first) {
      @Override
      public void onStep(Step step) {
        super.onStep(step);
        curves.step(step.step(), step.totalSteps(), step.loss(), step.gradNorm());
        if (step.step() % LOOK_STEPS == 0) {
          tell(CurveFindings.live(curves, setting));
        }
      }

      @Override
      public void onEvaluation(long step, double epoch, Map<String, Double> values, boolean best) {
        super.onEvaluation(step, epoch, values, best);
        curves.evaluation(step, values);
        tell(CurveFindings.live(curves, setting));
      }
    };
  }

  private void tell(List<Finding> findings) {
    tell(findings, Integer::toString);
  }

  private void tell(List<Finding> findings, IntFunction<String> place) {
    for (Finding finding : findings) {
      if (told.add(finding.code())) {
        found.add(finding);
        listener.accept(finding.sentence(place));
      }
    }
  }

  /**
   * What can be said once the run has come to its end.
   *
   * @param metrics of the last measurement; null: there was none
   * @param split what was measured
   * @param comparison row by row; null: there was none
   * @param place of a row of it in its file
   */
  void atEnd(Metrics metrics, String split, Comparison comparison, IntFunction<String> place) {
    tell(CurveFindings.atEnd(curves, setting));
    if (curves.step() < LEAST_STEPS) {
      return; // a trial: what it has not learned says nothing
    }
    if (metrics instanceof ClassificationMetrics counts) {
      List<ClassCount> classes = new ArrayList<>();
      for (int k = 0; k < counts.names().size(); k++) {
        classes.add(
            new ClassCount(
                counts.names().get(k), counts.labelled(k), counts.predicted(k), counts.correct(k)));
      }
      tell(PredictionFindings.ofClasses(classes, split));
    }
    if (comparison != null) {
      List<Disagreement> worst =
          comparison.worst().stream()
              .map(m -> new Disagreement(m.example().row(), m.judgement().probability()))
              .toList();
      PredictionFindings.doubtfulLabels(comparison.compared(), comparison.wrong(), worst, split)
          .ifPresent(finding -> tell(List.of(finding), place));
    }
  }

  /** All that was said. */
  List<Finding> found() {
    return found;
  }
}
