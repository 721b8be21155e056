package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Masking;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.Function;

/**
 * Texts to sequences of which tokens may be masked. A text longer than the maximum length becomes
 * several sequences, one after the other, each between the special tokens of its own: nothing of it
 * is lost. Special tokens are never masked, wherever they stand.
 */
final class MaskedTexts implements RowEncoder<MaskedTexts.Row> {
  /**
   * One text.
   *
   * @param ids (T)
   * @param typeIds (T), or null
   * @param begin the first token of the text, behind special tokens
   * @param end the token behind its last one
   * @param inner tokens that belong to the word of the one before
   */
  record Row(int[] ids, int[] typeIds, int begin, int end, BitSet inner) {}

  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final boolean wholeWords;
  private final Function<BitSet, Masking> masking;
  private final BitSet special;

  /**
   * @param wholeWords whether words are masked as a whole, as the tokenizer divides a text into
   *     them
   * @param masking of the dataset, given the tokens that go with those before them, or null
   */
  MaskedTexts(
      TextTokenizer tokenizer,
      int maxLength,
      boolean wholeWords,
      Function<BitSet, Masking> masking) {
    TextRows.checkLength(tokenizer, maxLength, tokenizer.specialTokens(false) + 1);
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.wholeWords = wholeWords;
    this.masking = masking;
    this.special = tokenizer.specialIds();
  }

  @Override
  public Row encode(Dataset dataset, Example example) {
    Check.input(example.text() != null, "%s: the text is missing", dataset.where(example));
    Check.input(
        example.textPair() == null,
        "%s: the row has two texts, of which one can be learned",
        dataset.where(example));
    Encoding whole = tokenizer.encode(example.text(), null);
    int begin = 0;
    while (begin < whole.length() && whole.isSpecial(begin)) {
      begin++;
    }
    int end = whole.length();
    while (end > begin && whole.isSpecial(end - 1)) {
      end--;
    }
    BitSet inner = null;
    if (wholeWords) {
      inner = new BitSet(whole.length());
      for (int t = begin + 1; t < end; t++) {
        boolean isSame = whole.wordIds()[t] == whole.wordIds()[t - 1];
        inner.set(t, isSame && maskable(whole.ids()[t]) && maskable(whole.ids()[t - 1]));
      }
    }
    int[] typeIds = tokenizer.usesTypeIds() ? whole.typeIds() : null;
    return new Row(whole.ids(), typeIds, begin, end, inner);
  }

  private boolean maskable(int id) {
    return !special.get(id);
  }

  /** Cuts the texts into sequences; one without a token that may be masked is left out. */
  @Override
  public EncodedDataset pack(Dataset dataset, List<Row> rows) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, tokenizer.usesTypeIds());
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    int[] sources = new int[rows.size()];
    BitSet inner = wholeWords ? new BitSet() : null;
    int count = 0;
    int tokens = 0;
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.set(i, null);
      int room = maxLength - (row.ids().length - (row.end() - row.begin()));
      for (int from = row.begin(); from < row.end(); from += room) {
        int to = Math.min(row.end(), from + room);
        int[] ids = AnswerWindows.part(row.ids(), row.begin(), from, to, row.end());
        int[] labels = labels(ids, row.begin(), row.begin() + to - from);
        int targets = (int) Arrays.stream(labels).filter(l -> l != EncodedDataset.IGNORED).count();
        if (targets == 0) {
          dropped[i] += to - from;
          continue;
        }
        int[] typeIds =
            row.typeIds() == null
                ? null
                : AnswerWindows.part(row.typeIds(), row.begin(), from, to, row.end());
        builder.add(ids, typeIds, labels);
        for (int t = from + 1; wholeWords && t < to; t++) {
          inner.set(tokens + row.begin() + t - from, row.inner().get(t));
        }
        tokens += ids.length;
        lengths[i] += ids.length;
        supervised[i] += targets;
        if (count == sources.length) {
          sources = Arrays.copyOf(sources, 2 * count);
        }
        sources[count++] = i;
      }
    }
    if (count == 0 && !rows.isEmpty()) {
      throw new InputException(dataset.source() + ": no text has a token that could be masked");
    }
    return builder
        .rows(
            Arrays.copyOf(sources, count),
            new TokenLengths(lengths, dropped, supervised, builder.lengths(), null))
        .masking(masking.apply(inner))
        .build();
  }

  /** The tokens of a text that may be masked, of those {@code begin .. end-1} of a sequence. */
  private int[] labels(int[] ids, int begin, int end) {
    int[] labels = new int[ids.length];
    Arrays.fill(labels, EncodedDataset.IGNORED);
    for (int t = begin; t < end; t++) {
      if (maskable(ids[t])) {
        labels[t] = ids[t];
      }
    }
    return labels;
  }
}
