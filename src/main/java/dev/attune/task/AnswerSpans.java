package dev.attune.task;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The likeliest spans of one context over all its windows, as {@code postprocess_qa_predictions} of
 * Transformers finds them: of the likeliest starts and ends of each window, every pair that makes a
 * span of allowed length, ranked by the sum of their logits. Where that gives the word "empty"
 * because no pair makes a span, here there are none.
 */
final class AnswerSpans {
  /**
   * A span of the context.
   *
   * @param begin in code points of the context
   * @param end exclusive; equal to begin for "no answer"
   * @param score sum of the two logits
   */
  record Span(int begin, int end, double score) {
    boolean isEmpty() {
      return begin == end;
    }
  }

  private static final Comparator<Span> BEST_FIRST =
      Comparator.comparingDouble(Span::score).reversed();

  private final int nBest;
  private final int maxLength;
  private final List<Span> spans = new ArrayList<>();
  private double noAnswer = Double.POSITIVE_INFINITY;

  /**
   * @param nBest starts and ends that are tried in each window
   * @param maxLength tokens of a span at most
   */
  AnswerSpans(int nBest, int maxLength) {
    this.nBest = nBest;
    this.maxLength = maxLength;
  }

  /**
   * Adds a window.
   *
   * @param logits (rows,2)
   * @param first row of the window
   * @param length its rows
   */
  void add(FloatBuffer logits, int first, int length, AnswerWindows.Window window) {
    noAnswer = Math.min(noAnswer, (double) logits.get(2 * first) + logits.get(2 * first + 1));
    int[] starts = best(logits, 2 * first, length);
    int[] ends = best(logits, 2 * first + 1, length);
    int begin = window.contextBegin();
    int context = window.contextLength();
    for (int start : starts) {
      for (int end : ends) {
        if (start >= begin && end < begin + context && end >= start && end - start < maxLength) {
          double score =
              (double) logits.get(2 * (first + start)) + logits.get(2 * (first + end) + 1);
          int[] offsets = window.offsets();
          spans.add(new Span(offsets[2 * (start - begin)], offsets[2 * (end - begin) + 1], score));
        }
      }
    }
  }

  /** The rows with the largest logits of a column. */
  private int[] best(FloatBuffer logits, int at, int length) {
    return IntStream.range(0, length)
        .boxed()
        .sorted(Comparator.<Integer>comparingDouble(row -> logits.get(at + 2 * row)).reversed())
        .limit(nBest)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /** The best spans, best first; empty where no window has an allowed one. */
  List<Span> best() {
    return spans.stream().sorted(BEST_FIRST).limit(nBest).toList();
  }

  /**
   * The best of these and "no answer"; that one comes on top of them where it is not among them.
   */
  List<Span> bestOrNone() {
    Span none = new Span(0, 0, noAnswer);
    List<Span> all = new ArrayList<>(spans);
    all.add(none);
    all.sort(BEST_FIRST);
    int place = all.indexOf(none);
    List<Span> best = new ArrayList<>(all.subList(0, Math.min(nBest, all.size())));
    if (place >= nBest) {
      best.add(none);
    }
    return best;
  }

  /** The smallest sum of the first row's logits: how likely all windows are to hold no answer. */
  double noAnswer() {
    return noAnswer;
  }
}
