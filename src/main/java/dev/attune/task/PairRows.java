package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.IntSink;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.util.List;
import java.util.function.Function;

/** Labelled rows to pairs of sequences with 1 where they are to be alike, else 0. */
final class PairRows implements RowEncoder<TokenIds> {
  private final TextRows texts;
  private final boolean usesTypeIds;
  private final Function<Dataset, RowPairs> labels;
  private final ContrastivePairs pairs;

  /**
   * @param maxLength tokens of a text at most, special tokens included
   * @param labels which rows of a dataset are alike
   */
  PairRows(
      TextTokenizer tokenizer,
      int maxLength,
      Function<Dataset, RowPairs> labels,
      ContrastivePairs pairs) {
    this.texts = new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE);
    this.usesTypeIds = tokenizer.usesTypeIds();
    this.labels = labels;
    this.pairs = pairs;
  }

  @Override
  public TokenIds encode(Dataset dataset, Example example) {
    return texts.encode(dataset, example);
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<TokenIds> rows) {
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    for (int row = 0; row < lengths.length; row++) {
      lengths[row] = rows.get(row).ids().length;
      dropped[row] = rows.get(row).droppedTokens();
      supervised[row] = 1;
    }
    List<ContrastivePairs.Pair> listed = pairs.list(labels.apply(dataset), lengths.length);
    long tokens = listed.stream().mapToLong(p -> lengths[p.first()] + lengths[p.second()]).sum();
    Check.input(
        tokens <= IntSink.MOST,
        "%s: the %,d pairs of the rows hold %,d tokens, more than %,d; list fewer by %s, give fewer"
            + " rows, or a smaller %s",
        dataset.source(),
        listed.size(),
        tokens,
        IntSink.MOST,
        Term.NUM_ITERATIONS,
        Term.MAX_LENGTH);
    EncodedDataset.Builder builder =
        EncodedDataset.builder(TargetLayout.NUMBER, usesTypeIds).columns(2);
    int[] sources = new int[2 * listed.size()];
    int at = 0;
    for (ContrastivePairs.Pair pair : listed) {
      for (int row : new int[] {pair.first(), pair.second()}) {
        TokenIds text = rows.get(row);
        builder.add(text.ids(), text.typeIds(), pair.alike() ? 1f : 0f);
        sources[at++] = row;
      }
    }
    return builder
        .rows(sources, new TokenLengths(lengths, dropped, supervised, builder.lengths(), null))
        .build();
  }
}
