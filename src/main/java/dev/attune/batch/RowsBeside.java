package dev.attune.batch;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.Ints;
import dev.attune.data.mapped.Storage;
import dev.attune.text.TokenIds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Texts, and more sequences to learn from beside them: the halves of each text, by words, with the
 * target of the text, and texts that are in no file.
 *
 * <p>Of a row whose halves have tokens there are three sequences; of a row of two texts, of words,
 * or of a text of few words there is one.
 */
public final class RowsBeside implements RowEncoder<List<TokenIds>> {
  /** Words of a text that is cut. Halves of fewer say little. */
  private static final int LEAST_WORDS = 4;

  private final TextRows texts;
  private final boolean halves;
  private final List<Example> more;
  private final int[] nothing; // special tokens alone

  /**
   * @param texts how a text and its target become a row
   * @param halves whether those of each text are learned too
   * @param more texts that are in no file, with what their targets are made of
   */
  public RowsBeside(TextRows texts, boolean halves, List<Example> more) {
    this.texts = texts;
    this.halves = halves;
    this.more = List.copyOf(more);
    this.nothing = texts.encodePart("").ids();
  }

  /**
   * Sequences of rows at most: a half that has no tokens is none.
   *
   * @param more how many texts there are that are in no file
   */
  public static long most(Dataset rows, boolean halves, int more) {
    long ofRows =
        halves
            ? rows.examples().stream().mapToLong(example -> 1 + halves(example).size()).sum()
            : rows.size();
    return ofRows + more;
  }

  @Override
  public List<TokenIds> encode(Dataset dataset, Example example) {
    List<TokenIds> parts = new ArrayList<>();
    parts.add(texts.encode(dataset, example));
    for (String half : halves ? halves(example) : List.<String>of()) {
      TokenIds part = texts.encodePart(half);
      if (!Arrays.equals(part.ids(), nothing)) {
        parts.add(part);
      }
    }
    return parts;
  }

  private static List<String> halves(Example example) {
    if (example.text() == null || example.textPair() != null) {
      return List.of();
    }
    String[] words = example.text().strip().split("\\s+");
    if (words.length < LEAST_WORDS) {
      return List.of();
    }
    int middle = words.length / 2;
    return List.of(
        String.join(" ", Arrays.copyOfRange(words, 0, middle)),
        String.join(" ", Arrays.copyOfRange(words, middle, words.length)));
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<List<TokenIds>> rows) {
    EncodedDataset.Builder builder = texts.builder(Storage.MEMORY);
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    List<Integer> sources = new ArrayList<>();
    for (int row = 0; row < lengths.length; row++) {
      List<TokenIds> parts = rows.get(row);
      lengths[row] = parts.get(0).ids().length;
      dropped[row] = parts.get(0).droppedTokens();
      supervised[row] = 1;
      for (TokenIds part : parts) {
        texts.add(builder, part, dataset, dataset.get(row));
        sources.add(row);
      }
    }
    int ofRows = sources.size();
    for (Example example : more) {
      texts.add(builder, texts.encode(dataset, example), dataset, example);
      sources.add(lengths.length - 1); // every sequence is of a row: these are beside the last
    }
    Ints all = builder.lengths();
    Ints told = Ints.computed(ofRows, all::get); // a report is about what a file holds
    return builder
        .rows(
            sources.stream().mapToInt(Integer::intValue).toArray(),
            new TokenLengths(lengths, dropped, supervised, told, null))
        .build();
  }
}
