package dev.attune.metrics;

import dev.attune.core.Check;
import java.util.LinkedHashMap;

/**
 * How near generated texts come to references: BLEU and chrF (0 to 100, as sacreBLEU prints them),
 * ROUGE-1, -2, -L and -Lsum and the share of exact matches (0 to 1). Keeps counts, no texts.
 *
 * <p>Values equal those of {@code sacrebleu.corpus_bleu}, {@code sacrebleu.corpus_chrf} and {@code
 * rouge_score} with {@code use_stemmer=False}. There is no stemming: NLTK's variant of Porter's
 * stemmer, which {@code use_stemmer=True} stands for, has no equal in Java.
 */
public final class TextMetrics implements Metrics {
  private final Bleu bleu = new Bleu();
  private final ChrF chrf = new ChrF();
  private final Rouge rouge = new Rouge();
  private long exact;
  private long count;

  /** Adds one generated text and what it should be. Exact matches forgive white space around. */
  public void add(String prediction, String reference) {
    bleu.add(prediction, reference);
    chrf.add(prediction, reference);
    rouge.add(prediction, reference);
    exact += prediction.strip().equals(reference.strip()) ? 1 : 0;
    count++;
  }

  /** Adds what another accumulator has seen. */
  public void merge(TextMetrics other) {
    bleu.merge(other.bleu);
    chrf.merge(other.chrf);
    rouge.merge(other.rouge);
    exact += other.exact;
    count += other.count;
  }

  @Override
  public long count() {
    return count;
  }

  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(count > 0, "no texts were counted");
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("bleu", bleu.score());
    out.put("chrf", chrf.score());
    rouge.put(out, count);
    out.put("exact_match", (double) exact / count);
    return out;
  }
}
