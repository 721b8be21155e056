package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import dev.attune.data.TokenLengths;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Rows of texts that belong together to as many sequences each: an anchor, what it is like, and
 * what it is not like.
 */
final class TextGroups implements RowEncoder<TokenIds[]> {
  /**
   * What the rows of a dataset are.
   *
   * @param columns texts of a row
   * @param scored whether a number says how alike the two texts of a row are
   */
  record Form(int columns, boolean scored) {
    /** That of most rows, of equally many that with the fewest texts: those that differ are bad. */
    static Form of(List<Example> examples) {
      if (examples.stream().anyMatch(e -> LabelMap.isPresent(e.label()))) {
        return new Form(2, true);
      }
      Map<Integer, Integer> rows = new TreeMap<>(); // by their texts, at least two
      examples.forEach(e -> rows.merge(texts(e).size(), 1, Integer::sum));
      int columns = 2;
      int most = 0;
      for (Map.Entry<Integer, Integer> entry : rows.entrySet()) {
        if (entry.getValue() > most) {
          columns = entry.getKey();
          most = entry.getValue();
        }
      }
      return new Form(columns, false);
    }

    /** As messages call it. */
    @Override
    public String toString() {
      return scored
          ? "pairs with a score"
          : switch (columns) {
            case 2 -> "pairs";
            case 3 -> "triplets (anchor, positive, negative)";
            default -> "an anchor, a positive and " + (columns - 2) + " negatives";
          };
    }
  }

  /** What measuring needs: the rows and what they are. */
  record Notes(Dataset dataset, Form form) {}

  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final String firstPrompt;
  private final String otherPrompt;
  private boolean apart;
  private boolean single; // rows of one text each

  /**
   * @param maxLength tokens of a text at most, special tokens included
   * @param firstPrompt what stands before the first text of a row
   * @param otherPrompt what stands before the others
   */
  TextGroups(TextTokenizer tokenizer, int maxLength, String firstPrompt, String otherPrompt) {
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.firstPrompt = firstPrompt;
    this.otherPrompt = otherPrompt;
  }

  /** The same, whose batches have no text twice. */
  TextGroups apart(boolean keepsApart) {
    apart = keepsApart;
    return this;
  }

  /** The same for rows of one text each. */
  TextGroups ofOne() {
    single = true;
    return this;
  }

  /** The texts of a row, some of which may be null. */
  static List<String> texts(Example example) {
    List<String> texts = new ArrayList<>();
    texts.add(example.text());
    texts.add(example.textPair());
    if (example.negatives() != null) {
      texts.addAll(example.negatives());
    }
    return texts;
  }

  @Override
  public TokenIds[] encode(Dataset dataset, Example example) {
    List<String> texts = single ? Arrays.asList(example.text()) : texts(example);
    TokenIds[] tokens = new TokenIds[texts.size()];
    for (int i = 0; i < tokens.length; i++) {
      Check.input(texts.get(i) != null, "%s: a text is missing", dataset.where(example));
      String prompt = i == 0 ? firstPrompt : otherPrompt;
      tokens[i] = tokenizer.encodeIds(prompt + texts.get(i), null, maxLength);
      if (tokens[i].ids().length == 0) {
        throw new InputException(
            dataset.where(example)
                + ": a text has no tokens (\""
                + texts.get(i)
                + "\"). Every text needs at least one; remove the row.");
      }
    }
    return tokens;
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<TokenIds[]> rows) {
    Form form = single ? new Form(1, false) : Form.of(dataset.examples());
    EncodedDataset.Builder builder =
        EncodedDataset.builder(
                form.scored() ? TargetLayout.NUMBER : TargetLayout.NONE, tokenizer.usesTypeIds())
            .columns(form.columns())
            .apart(apart);
    int[] sources = new int[rows.size() * form.columns()];
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    for (int i = 0; i < lengths.length; i++) {
      TokenIds[] texts = rows.set(i, null);
      Check.input(
          texts.length == form.columns(),
          "%s has %s, other rows have %d",
          dataset.where(dataset.get(i)),
          Count.many(texts.length, "text"),
          form.columns());
      float score = form.scored() ? Numbers.target(dataset, dataset.get(i)) : 0f;
      for (int column = 0; column < texts.length; column++) {
        TokenIds tokens = texts[column];
        if (form.scored()) {
          builder.add(tokens.ids(), tokens.typeIds(), score);
        } else {
          builder.add(tokens.ids(), tokens.typeIds());
        }
        lengths[i] += tokens.ids().length;
        dropped[i] += tokens.droppedTokens();
        sources[i * texts.length + column] = i;
      }
      supervised[i] = 1;
    }
    return builder
        .rows(sources, new TokenLengths(lengths, dropped, supervised, builder.lengths(), null))
        .build()
        .withNotes(new Notes(dataset, form));
  }
}
