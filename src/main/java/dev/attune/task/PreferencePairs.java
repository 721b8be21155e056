package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.Check;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.data.TokenLengths.Texts;
import dev.attune.data.mapped.Ints;
import dev.attune.text.ChatMessage;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.List;

/**
 * Prompts with two answers to two sequences each, that of the better answer first; the answers are
 * what is learned of them. A row of which truncation leaves an answer nothing gives none.
 */
final class PreferencePairs implements RowEncoder<PreferencePairs.Row> {
  private static final int COLUMNS = 2;

  /** Both answers, each behind the prompt. */
  record Row(NextTokens.Row chosen, NextTokens.Row rejected) {}

  private final NextTokens tokens;
  private final int maxLength;

  /**
   * @param maxLength tokens of a prompt with an answer at most; what is beyond is cut
   */
  PreferencePairs(TextTokenizer tokenizer, int maxLength) {
    this.tokens = new NextTokens(tokenizer, maxLength, maxLength, false);
    this.maxLength = maxLength;
  }

  @Override
  public Row encode(Dataset dataset, Example example) {
    Example other = example.rejected();
    Check.input(
        other != null && (example.messages() == null) == (other.messages() == null),
        "%s: learning from preferences needs a prompt with two answers, of one kind",
        dataset.where(example));
    int given = example.messages() == null ? 0 : shared(example.messages(), other.messages());
    List<?> tools = dataset.tools(example);
    return new Row(
        tokens.answer(dataset, example, tools, given), tokens.answer(dataset, other, tools, given));
  }

  /** Turns that two conversations begin with. */
  static int shared(List<ChatMessage> one, List<ChatMessage> other) {
    int count = 0;
    while (count < Math.min(one.size(), other.size()) && one.get(count).equals(other.get(count))) {
      count++;
    }
    return count;
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<Row> rows) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false).columns(COLUMNS);
    int count = rows.size();
    int[] lengths = new int[count];
    int[] dropped = new int[count];
    int[] supervised = new int[count];
    int[] marks = new int[count];
    int[] sources = new int[COLUMNS * count];
    int sequences = 0;
    for (int i = 0; i < count; i++) {
      Row row = rows.set(i, null);
      int chosen = learned(row.chosen());
      int rejected = learned(row.rejected());
      int all = row.chosen().ids().length + row.rejected().ids().length;
      marks[i] = marks(row);
      dropped[i] = all;
      if (chosen > 0 && rejected > 0) {
        lengths[i] = add(builder, row.chosen()) + add(builder, row.rejected());
        dropped[i] -= lengths[i];
        supervised[i] = chosen + rejected;
        sources[sequences++] = i;
        sources[sequences++] = i;
      }
    }
    return builder
        .rows(
            Arrays.copyOf(sources, sequences),
            new TokenLengths(
                lengths, dropped, supervised, builder.lengths(), new Texts(Ints.of(marks))))
        .build();
  }

  private int add(EncodedDataset.Builder builder, NextTokens.Row row) {
    int kept = Math.min(row.ids().length, maxLength);
    builder.addNextTokens(row.ids(), row.supervised(), 0, kept);
    return kept;
  }

  /** Tokens of an answer that are left of it. */
  private int learned(NextTokens.Row row) {
    int count = 0;
    for (int t = 1; t < Math.min(row.ids().length, maxLength); t++) {
      count += row.learns(t) ? 1 : 0;
    }
    return count;
  }

  private int marks(Row row) {
    int marks = 0;
    for (NextTokens.Row one : List.of(row.chosen(), row.rejected())) {
      boolean isWhole = one.ids().length <= maxLength;
      marks |= one.marks() | (one.ends() && isWhole ? Texts.ENDS : 0);
    }
    return marks;
  }
}
