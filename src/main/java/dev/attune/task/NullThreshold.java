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

  /**
   * Half-way between two neighbouring differences, or beyond the smallest or the largest; of
   * equally good thresholds the nearest to 0.
   */
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
    for (int answered = 0; answered <= sorted.size() && !sorted.isEmpty(); answered++) {
      if (answered > 0) {
        Question last = sorted.get(answered - 1);
        sum += last.f1OfAnswer() - last.f1OfNone();
      }
      double threshold = between(sorted, answered);
      boolean parts = answered == sorted.size() || sorted.get(answered).difference() > threshold;
      boolean isNearer = Math.abs(threshold) < Math.abs(best);
      if (parts && (sum > bestSum + 1e-9 || Math.abs(sum - bestSum) <= 1e-9 && isNearer)) {
        best = threshold;
        bestSum = sum;
      }
    }
    return best;
  }

  /** A threshold between the first {@code count} questions and the others. */
  private static double between(List<Question> sorted, int count) {
    if (count == 0) {
      return sorted.get(0).difference() - 1;
    }
    double below = sorted.get(count - 1).difference();
    return count == sorted.size() ? below + 1 : (below + sorted.get(count).difference()) / 2;
  }
}
