package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Exact match and F1 of answers, from 0 to 100, as the official scripts of SQuAD 1.1 and SQuAD 2.0
 * define them: of words in lower case without punctuation and articles, against the answer of the
 * row that fits best.
 *
 * <p>Where some questions have no answer, the second script's rules hold: "no answer" is right
 * where there is none, and the values of the two kinds of questions are given apart.
 */
public final class AnswerMetrics implements Metrics {
  /** {@code string.punctuation} of Python. */
  private static final String PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

  private final boolean withoutAnswer;
  private long count;
  private double exact;
  private double f1;
  private long answerable;
  private double answerableExact;
  private double answerableF1;

  /**
   * @param withoutAnswer whether questions may have no answer, as in SQuAD 2.0
   */
  public AnswerMetrics(boolean withoutAnswer) {
    this.withoutAnswer = withoutAnswer;
  }

  /**
   * Scores one question.
   *
   * @param answers of the row; none where there is no answer
   * @param prediction "" for no answer
   */
  public void add(List<String> answers, String prediction) {
    Check.argument(
        withoutAnswer || !answers.isEmpty(), "a question of SQuAD 1.1 without an answer");
    List<String> gold = answers;
    if (withoutAnswer) {
      gold = answers.stream().filter(answer -> !normalise(answer).isEmpty()).toList();
      gold = gold.isEmpty() ? List.of("") : gold;
    }
    double bestExact = 0;
    double bestF1 = 0;
    for (String answer : gold) {
      bestExact = Math.max(bestExact, normalise(answer).equals(normalise(prediction)) ? 1 : 0);
      bestF1 = Math.max(bestF1, f1(answer, prediction, withoutAnswer));
    }
    count++;
    exact += bestExact;
    f1 += bestF1;
    if (!answers.isEmpty()) {
      answerable++;
      answerableExact += bestExact;
      answerableF1 += bestF1;
    }
  }

  /**
   * F1 from 0 to 1 by the rules of SQuAD 2.0.
   *
   * @param answers none where there is no answer
   * @param prediction "" for no answer
   */
  public static double bestF1(List<String> answers, String prediction) {
    AnswerMetrics one = new AnswerMetrics(true);
    one.add(answers, prediction);
    return one.f1;
  }

  /** The harmonic mean of precision and recall of the words, each as often as it occurs. */
  static double f1(String answer, String prediction, boolean emptyMayBeRight) {
    List<String> gold = Words.split(normalise(answer));
    List<String> given = Words.split(normalise(prediction));
    if (emptyMayBeRight && (gold.isEmpty() || given.isEmpty())) {
      return gold.equals(given) ? 1 : 0;
    }
    int same = Words.shared(Words.runs(gold, 1), Words.runs(given, 1));
    if (same == 0) {
      return 0;
    }
    double precision = 1.0 * same / given.size();
    double recall = 1.0 * same / gold.size();
    return 2 * precision * recall / (precision + recall);
  }

  /** {@code normalize_answer} of the scripts. */
  static String normalise(String text) {
    StringBuilder kept = new StringBuilder();
    Words.lowerCase(text)
        .codePoints()
        .filter(c -> PUNCTUATION.indexOf(c) < 0)
        .forEach(kept::appendCodePoint);
    return String.join(" ", Words.split(withoutArticles(kept.toString())));
  }

  /** A space for every word that is an article: {@code \b(a|an|the)\b}. */
  private static String withoutArticles(String text) {
    StringBuilder out = new StringBuilder();
    int at = 0;
    while (at < text.length()) {
      int end = at;
      while (end < text.length() && isWordCharacter(text.codePointAt(end))) {
        end += Character.charCount(text.codePointAt(end));
      }
      String word = text.substring(at, end);
      out.append(word.equals("a") || word.equals("an") || word.equals("the") ? " " : word);
      if (end < text.length()) {
        int c = text.codePointAt(end);
        out.appendCodePoint(c);
        end += Character.charCount(c);
      }
      at = end;
    }
    return out.toString();
  }

  /** Python's {@code \w}: letters, numbers of any kind, and the underscore. */
  private static boolean isWordCharacter(int c) {
    int type = Character.getType(c);
    return Character.isLetterOrDigit(c)
        || type == Character.LETTER_NUMBER
        || type == Character.OTHER_NUMBER
        || c == '_';
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no answers were counted");
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("exact_match", 100 * exact / count);
    out.put("f1", 100 * f1 / count);
    if (withoutAnswer) {
      long others = count - answerable;
      out.put("has_answer_exact_match", share(answerableExact, answerable));
      out.put("has_answer_f1", share(answerableF1, answerable));
      out.put("no_answer_exact_match", share(exact - answerableExact, others));
    }
    return out;
  }

  private static double share(double sum, long of) {
    return of == 0 ? Double.NaN : 100 * sum / of;
  }
}
