package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.text.TokenIds;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Supplier;

/** Rows to as many sequences as there are labels, each of the row's text with one of them. */
final class LabelledPairs<T> implements RowEncoder<List<T>> {
  /** Makes the sequences of a text. */
  @FunctionalInterface
  interface Sequences<T> {
    /** One of each label (K). */
    List<T> of(String text);
  }

  /** What a sequence is as tokens. */
  @FunctionalInterface
  interface Tokens<T> {
    TokenIds of(T sequence);
  }

  private final int labels;
  private final Sequences<T> sequences;
  private final Tokens<T> tokens;
  private final BiConsumer<EncodedDataset.Builder, T> adder;
  private final Supplier<EncodedDataset.Builder> builders;

  /**
   * @param labels K
   * @param adder adds a sequence to what is built
   * @param builders of what the rows become
   */
  LabelledPairs(
      int labels,
      Sequences<T> sequences,
      Tokens<T> tokens,
      BiConsumer<EncodedDataset.Builder, T> adder,
      Supplier<EncodedDataset.Builder> builders) {
    this.labels = labels;
    this.sequences = sequences;
    this.tokens = tokens;
    this.adder = adder;
    this.builders = builders;
  }

  @Override
  public List<T> encode(Dataset dataset, Example example) {
    return sequences.of(ZeroShot.textOf(dataset, example));
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<List<T>> rows) {
    EncodedDataset.Builder builder = builders.get().columns(labels);
    int[] sources = new int[rows.size() * labels];
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    for (int row = 0; row < lengths.length; row++) {
      List<T> ofRow = rows.set(row, null);
      for (int k = 0; k < labels; k++) {
        adder.accept(builder, ofRow.get(k));
        TokenIds ids = tokens.of(ofRow.get(k));
        sources[row * labels + k] = row;
        lengths[row] += ids.ids().length;
        dropped[row] = Math.max(dropped[row], ids.droppedTokens());
      }
      supervised[row] = 1;
    }
    return builder
        .rows(sources, new TokenLengths(lengths, dropped, supervised, builder.lengths(), null))
        .build()
        .withNotes(new ZeroShot.Rows(dataset));
  }
}
