package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Masking;
import dev.attune.batch.RowEncoder;
import dev.attune.core.InputException;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LengthFindings;
import dev.attune.data.SplitSummary;
import dev.attune.data.TokenLengths;
import dev.attune.text.TextTokenizer;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;

/**
 * What learns from texts alone, of which tokens are masked as batches are packed, anew in every
 * epoch, and for evaluations always alike: see {@link Masking}. A text is learned whole, in
 * sequences of the maximum length; see {@link MaskedTexts}.
 */
abstract class MaskedTask implements Task {
  final MaskingOptions asked;
  final Masking.Shares shares;
  final long seed;

  /**
   * @param shares of what is asked for
   * @param seed of the masks of training
   */
  MaskedTask(MaskingOptions asked, Masking.Shares shares, long seed) {
    this.asked = asked;
    this.shares = shares;
    this.seed = seed;
  }

  @Override
  public List<String> notes() {
    return List.of(
        String.format(
            Locale.ROOT,
            "%s are masked anew in every epoch: %s of them, of which %s become the mask token and"
                + " %s any other",
            asked.wholeWords() ? "whole words" : "tokens",
            percent(shares.probability()),
            percent(shares.maskShare()),
            percent(shares.randomShare())));
  }

  private static String percent(double share) {
    String digits = String.format(Locale.ROOT, "%.2f", 100 * share);
    return digits.replaceFirst("\\.?0+$", "") + " %";
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    OptionalInt mask = tokenizer.vocabulary().maskId();
    if (mask.isEmpty()) {
      throw withoutMask(tokenizer);
    }
    int id = mask.getAsInt();
    int vocabulary = tokenizer.vocabulary().size();
    return new MaskedTexts(
        tokenizer,
        maxLength,
        asked.wholeWords(),
        inner ->
            purpose == Purpose.TRAINING
                ? Masking.training(shares, id, vocabulary, seed, inner)
                : Masking.evaluation(shares, id, vocabulary, inner));
  }

  /** What to say of a tokenizer without mask token. */
  public static InputException withoutMask(TextTokenizer tokenizer) {
    return new InputException(
        tokenizer.folder()
            + ": the tokenizer has no mask token (mask_token of tokenizer_config.json); a masked"
            + " language model needs one");
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    asked.describe(shares, settings);
  }

  @Override
  public boolean isEmpty(Example example) {
    return example.text() != null && example.text().isBlank();
  }

  @Override
  public String described() {
    return name();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    found.examples(
        Severity.FATAL,
        "empty_text",
        example -> example.text() == null || isEmpty(example),
        n -> many(n, "row has", "rows have") + " no text");
    found.examples(
        Severity.FATAL,
        "two_texts",
        example -> example.textPair() != null,
        n ->
            many(n, "row has", "rows have")
                + " two texts, of which one can be learned; name it: "
                + found.data().reading().oneText());
  }

  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    found.rows(
        Severity.WARNING,
        "unsupervised_rows",
        i -> tokens.supervised().get(i) == 0,
        n -> many(n, "row is", "rows are") + " left out: no token that could be masked");
    if (tokens.texts() != null) {
      LengthFindings.partBorders(found, tokens.texts());
    }
  }

  @Override
  public String unit() {
    return "sequence";
  }

  @Override
  public String describe(SplitSummary summary) {
    return String.format(
        Locale.ROOT,
        "%,d sequences; %,d of %,d tokens may be masked",
        summary.lengths().size(),
        summary.supervised(),
        summary.tokens());
  }

  @Override
  public void describe(SplitSummary summary, ObjectNode split) {
    split.put("maskable_tokens", summary.supervised());
    split.put("sequences", summary.lengths().size());
  }
}
