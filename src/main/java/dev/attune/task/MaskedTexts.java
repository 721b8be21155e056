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
import dev.attune.data.mapped.Storage;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Function;

/**
 * Texts to sequences of which tokens may be masked. A text longer than the maximum length becomes
 * several sequences, one after the other, each between the special tokens of its own: nothing of it
 * is lost. Special tokens are never masked, wherever they stand.
 */
final class MaskedTexts implements RowEncoder<MaskedTexts.Row> {
  /** Characters on each side of the border of a part by which it is checked. */
  private static final int BORDER = 512;

  /**
   * One text.
   *
   * @param ids (T)
   * @param typeIds (T), or null
   * @param begin the first token of the text, behind special tokens
   * @param end the token behind its last one
   * @param inner tokens that belong to the word of the one before; null where nobody asks
   * @param marks see {@link TokenLengths.Texts}
   * @param continues whether it goes on with the text of the row before
   * @param more whether the next row goes on with this one's
   */
  record Row(
      int[] ids,
      int[] typeIds,
      int begin,
      int end,
      BitSet inner,
      int marks,
      boolean continues,
      boolean more) {
    /** The same row as a part of a text. */
    Row part(int mark, boolean goesOn, boolean hasMore) {
      return new Row(ids, typeIds, begin, end, inner, mark, goesOn, hasMore);
    }

    /** The same row with tokens of the part before in front of its own. */
    Row after(int[] held, BitSet heldInner) {
      BitSet all = inner == null ? null : new BitSet();
      if (inner != null) {
        heldInner.stream().forEach(t -> all.set(begin + t));
        inner.stream().forEach(t -> all.set(held.length + t));
      }
      int[] zeros = new int[held.length];
      return new Row(
          inserted(ids, begin, held),
          typeIds == null ? null : inserted(typeIds, begin, zeros),
          begin,
          end + held.length,
          all,
          marks,
          continues,
          more);
    }

    private static int[] inserted(int[] values, int at, int[] more) {
      int[] out = new int[values.length + more.length];
      System.arraycopy(values, 0, out, 0, at);
      System.arraycopy(more, 0, out, at, more.length);
      System.arraycopy(values, at, out, at + more.length, values.length - at);
      return out;
    }
  }

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
    this.special = tokenizer.vocabulary().specialIds();
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
    return new Row(whole.ids(), typeIds, begin, end, inner, 0, false, false);
  }

  @Override
  public Row encodeAt(Dataset dataset, int index) {
    Row row = encode(dataset, dataset.get(index));
    boolean continues = dataset.continues(index);
    boolean more = index + 1 < dataset.size() && dataset.continues(index + 1);
    boolean isExact =
        !continues
            || tokenizer.partsAt(
                end(dataset.get(index - 1).text()), begin(dataset.get(index).text()));
    return row.part(isExact ? 0 : TokenLengths.Texts.PART_BORDER, continues, more);
  }

  private static String end(String text) {
    int from = Math.max(0, text.length() - BORDER);
    return text.substring(
        from < text.length() && Character.isLowSurrogate(text.charAt(from)) ? from + 1 : from);
  }

  private static String begin(String text) {
    int to = Math.min(text.length(), BORDER);
    return text.substring(
        0, to > 0 && Character.isHighSurrogate(text.charAt(to - 1)) ? to - 1 : to);
  }

  private boolean maskable(int id) {
    return !special.get(id);
  }

  @Override
  public Packing<Row> packing(Dataset dataset, Storage storage) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, tokenizer.usesTypeIds(), storage);
    return new Sequences(dataset, builder);
  }

  /** Cuts the texts into sequences; one without a token that may be masked is left out. */
  private final class Sequences implements Packing<Row> {
    private final Dataset dataset;
    private final EncodedDataset.Builder builder;
    private final BitSet inner = wholeWords ? new BitSet() : null; // of all tokens
    private int index; // of the row
    private int count; // sequences
    private int tokens;
    private int[] held = new int[0]; // tokens of a text that goes on
    private BitSet heldInner = new BitSet();

    Sequences(Dataset dataset, EncodedDataset.Builder builder) {
      this.dataset = dataset;
      this.builder = builder;
    }

    @Override
    public void add(Row given) {
      Row row = given.continues() ? given.after(held, heldInner) : given;
      int room = maxLength - (row.ids().length - (row.end() - row.begin()));
      int length = 0;
      int dropped = 0;
      int supervised = 0;
      int from = row.begin();
      for (; from < row.end() && !(row.more() && from + room > row.end()); from += room) {
        int to = Math.min(row.end(), from + room);
        int[] ids = AnswerWindows.part(row.ids(), row.begin(), from, to, row.end());
        int[] labels = labels(ids, row.begin(), row.begin() + to - from);
        int targets = (int) Arrays.stream(labels).filter(l -> l != EncodedDataset.IGNORED).count();
        if (targets == 0) {
          dropped += to - from;
          continue;
        }
        int[] typeIds =
            row.typeIds() == null
                ? null
                : AnswerWindows.part(row.typeIds(), row.begin(), from, to, row.end());
        builder.add(ids, typeIds, labels).source(index);
        for (int t = from + 1; wholeWords && t < to; t++) {
          inner.set(tokens + row.begin() + t - from, row.inner().get(t));
        }
        tokens += ids.length;
        length += ids.length;
        supervised += targets;
        count++;
      }
      hold(row, Math.min(from, row.end()));
      builder.row(length, dropped, supervised, row.marks());
      index++;
    }

    /** Keeps what the next sequence begins with. */
    private void hold(Row row, int from) {
      held = Arrays.copyOfRange(row.ids(), row.more() ? from : row.end(), row.end());
      heldInner = row.inner() == null ? new BitSet() : row.inner().get(from, row.end());
    }

    @Override
    public EncodedDataset done() {
      if (count == 0 && index > 0) {
        throw new InputException(dataset.source() + ": no text has a token that could be masked");
      }
      return builder.masking(masking.apply(inner)).build();
    }
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
