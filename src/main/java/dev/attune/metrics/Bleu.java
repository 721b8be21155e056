package dev.attune.metrics;

import java.util.List;
import java.util.regex.Pattern;

/**
 * BLEU of a corpus (Papineni and others 2002) as sacreBLEU computes it: tokenizer 13a, words as
 * written, one reference, runs of up to four words, exponential smoothing.
 */
final class Bleu {
  private static final int ORDERS = 4;
  private static final Pattern SYMBOL = Pattern.compile("([\\{-~\\[-` -&\\(-\\+:-@/])");
  private static final Pattern MARK_AFTER_OTHER = Pattern.compile("([^0-9])([.,])");
  private static final Pattern MARK_BEFORE_OTHER = Pattern.compile("([.,])([^0-9])");
  private static final Pattern DASH_AFTER_DIGIT = Pattern.compile("([0-9])(-)");

  private final long[] correct = new long[ORDERS];
  private final long[] total = new long[ORDERS];
  private long length;
  private long referenceLength;

  void add(String prediction, String reference) {
    List<String> words = tokens(prediction);
    List<String> expected = tokens(reference);
    length += words.size();
    referenceLength += expected.size();
    for (int n = 0; n < ORDERS; n++) {
      correct[n] += Words.shared(Words.runs(words, n + 1), Words.runs(expected, n + 1));
      total[n] += Math.max(0, words.size() - n);
    }
  }

  void merge(Bleu other) {
    length += other.length;
    referenceLength += other.referenceLength;
    for (int n = 0; n < ORDERS; n++) {
      correct[n] += other.correct[n];
      total[n] += other.total[n];
    }
  }

  /** 0 to 100. */
  double score() {
    if (java.util.Arrays.stream(correct).sum() == 0) {
      return 0;
    }
    double logs = 0;
    double smoothing = 1;
    for (int n = 0; n < ORDERS; n++) {
      if (total[n] == 0) {
        return 0; // no run is that long: sacreBLEU's logarithm of zero
      }
      if (correct[n] == 0) {
        smoothing *= 2;
        logs += Math.log(100 / (smoothing * total[n]));
      } else {
        logs += Math.log(100.0 * correct[n] / total[n]);
      }
    }
    double brevity = length < referenceLength ? Math.exp(1 - (double) referenceLength / length) : 1;
    return brevity * Math.exp(logs / ORDERS);
  }

  /** The words of mteval-v13a. */
  static List<String> tokens(String line) {
    String text =
        Words.stripEnd(line).replace("<skipped>", "").replace("-\n", "").replace('\n', ' ');
    if (text.indexOf('&') >= 0) {
      text = text.replace("&quot;", "\"").replace("&amp;", "&");
      text = text.replace("&lt;", "<").replace("&gt;", ">");
    }
    text = SYMBOL.matcher(" " + text + " ").replaceAll(" $1 ");
    text = MARK_AFTER_OTHER.matcher(text).replaceAll("$1 $2 ");
    text = MARK_BEFORE_OTHER.matcher(text).replaceAll(" $1 $2");
    return Words.split(DASH_AFTER_DIGIT.matcher(text).replaceAll("$1 $2 "));
  }
}
