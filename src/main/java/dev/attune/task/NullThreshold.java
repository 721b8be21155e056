package dev.attune.task;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Finds how much likelier than the best answer it must be that there is none for "no answer" to be
 * given, so that F1 is highest: {@code find_best_thresh} of SQuAD 2.0's official script.
 */
final class NullThreshold {
  private record Question(double difference, double f1OfAnswer, double f1OfNone) {}

  private final List<Question> questions = new ArrayList<>();

  /**
   * @param difference of the score of "no answer" and that of the best answer
   * @param f1OfAnswer what giving that answer scores
   * @param f1OfNone what giving none scores
   */
  void add(double difference, double f1OfAnswer, double f1OfNone) {
    questions.add(new Question(difference, f1OfAnswer, f1OfNone));
  }

  /** Half-way between two neighbouring differences; of equally good thresholds the nearest to 0. */
  double best() {
    List<Question> sorted =
        questions.stream().sorted(Comparator.comparingDouble(Question::difference)).toList();
    double sum = 0; // above the threshold no answer is given
    for (Question question : sorted) {
      sum += question.difference() > 0 ? question.f1OfNone() : question.f1OfAnswer();
    }
    double best = 0;
    double bestSum = sum;
    sum = sorted.stream().mapToDouble(Question::f1OfNone).sum();
    for (int i = 0; i < sorted.size(); i++) {
      Question question = sorted.get(i);
      sum += question.f1OfAnswer() - question.f1OfNone();
      double next =
          i + 1 < sorted.size() ? sorted.get(i + 1).difference() : question.difference() + 1;
      double threshold = (question.difference() + next) / 2;
      boolean isNearer = Math.abs(threshold) < Math.abs(best);
      if (next > question.difference()
          && (sum > bestSum + 1e-9 || Math.abs(sum - bestSum) <= 1e-9 && isNearer)) {
        best = threshold;
        bestSum = sum;
      }
    }
    return best;
  }
}
