package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.mapped.Storage;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;

/** Rows of a text, a pair of texts or words: one sequence each, cut at a maximum length. */
public final class TextRows implements RowEncoder<TokenIds> {
  /** Adds a row's tokens with its target. */
  @FunctionalInterface
  public interface Target {
    /**
     * @throws InputException with the row, where its target is missing or wrong
     */
    void add(EncodedDataset.Builder builder, TokenIds tokens, Dataset dataset, Example example);
  }

  /** Adds the tokens alone. */
  public static final Target NONE =
      (builder, tokens, dataset, example) -> builder.add(tokens.ids(), tokens.typeIds());

  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final boolean words;
  private final TargetLayout layout;
  private final Target target;
  private final String targets; // null: not known

  /**
   * @param maxLength tokens a row keeps at most, special tokens included
   * @param words whether rows must be words; else words are taken where there is no text
   * @param layout of the targets that {@code target} adds
   */
  public TextRows(
      TextTokenizer tokenizer, int maxLength, boolean words, TargetLayout layout, Target target) {
    this(tokenizer, maxLength, words, layout, target, null);
  }

  private TextRows(
      TextTokenizer tokenizer,
      int maxLength,
      boolean words,
      TargetLayout layout,
      Target target,
      String targets) {
    checkLength(tokenizer, maxLength, tokenizer.specialTokens(false) + 1);
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.words = words;
    this.layout = layout;
    this.target = target;
    this.targets = targets;
  }

  /**
   * The same, whose columns can be kept.
   *
   * @param meaning of the targets, as a text that differs where they do
   */
  public TextRows targets(String meaning) {
    return new TextRows(tokenizer, maxLength, words, layout, target, meaning);
  }

  /** Refuses a maximum length below {@code smallest}. */
  public static void checkLength(TextTokenizer tokenizer, int maxLength, int smallest) {
    Check.input(
        maxLength >= smallest,
        "max length %d leaves no room for text: the tokenizer adds %d special tokens. Give"
            + " %s at least %d.",
        maxLength,
        tokenizer.specialTokens(false),
        Term.MAX_LENGTH,
        smallest);
  }

  @Override
  public TokenIds encode(Dataset dataset, Example example) {
    if (words || (example.text() == null && example.tokens() != null)) {
      Check.input(
          example.tokens() != null,
          "%s: no tokens. Token classification needs the columns tokens and tags%s.",
          dataset.where(example),
          dataset.reading().textAsTokens() == null
              ? ""
              : "; the words of the text, parted by white space, are read with "
                  + dataset.reading().textAsTokens());
      return tokenizer.encodeWordIds(example.tokens(), maxLength);
    }
    Check.input(example.text() != null, "%s: the text is missing", dataset.where(example));
    return tokenizer.encodeJudged(example.text(), example.textPair(), maxLength);
  }

  /** A text that is a part of a row's. */
  TokenIds encodePart(String text) {
    return tokenizer.encodeJudged(text, null, maxLength);
  }

  EncodedDataset.Builder builder(Storage storage) {
    return EncodedDataset.builder(layout, tokenizer.usesTypeIds(), storage);
  }

  /** Adds a sequence of a row with the row's target. */
  void add(EncodedDataset.Builder builder, TokenIds tokens, Dataset dataset, Example example) {
    if (tokens.ids().length == 0) {
      throw new InputException(
          dataset.where(example)
              + ": the text has no tokens (\""
              + example.text()
              + "\"). Every example needs at least one; remove the row.");
    }
    target.add(builder, tokens, dataset, example);
    builder.dropped(tokens.droppedTokens());
  }

  @Override
  public Packing<TokenIds> packing(Dataset dataset, Storage storage) {
    EncodedDataset.Builder builder = builder(storage);
    return new Packing<>() {
      private int next;

      @Override
      public void add(TokenIds tokens) {
        TextRows.this.add(builder, tokens, dataset, dataset.get(next++));
      }

      @Override
      public EncodedDataset done() {
        return builder.build();
      }
    };
  }

  @Override
  public TargetLayout layout() {
    return layout;
  }

  @Override
  public String described() {
    return targets == null
        ? null
        : "texts " + maxLength + ' ' + words + ' ' + layout + ' ' + targets;
  }
}
