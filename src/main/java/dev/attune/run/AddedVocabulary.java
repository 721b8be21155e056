package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.LabelNames;
import dev.attune.folder.AddedRows;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFolder;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Tokens that a run adds to the vocabulary of the model that it starts from.
 *
 * @param tokenizer with them
 * @param rows of the model for them
 * @param note of what was added
 */
record AddedVocabulary(TextTokenizer tokenizer, AddedRows rows, String note) {
  private static final String KEY = "vocab_size";

  /**
   * What the options ask for; null: nothing.
   *
   * @param plain the tokenizer of the folder, which is closed where another takes its place
   * @throws InputException if the model cannot have more tokens, or there is none to add
   */
  static AddedVocabulary of(RunConfig config, ModelFolder base, TextTokenizer plain) {
    String option = config.text(RunOption.ADD_TOKENS);
    if (option == null) {
      return null;
    }
    if (base.isAdapter() || config.smallInteger(RunOption.LORA_R) > 0) {
      throw new InputException(
          RunOption.ADD_TOKENS
              + " does not go with adapters, which keep the word embedding as it is; train the"
              + " whole model");
    }
    int old = base.vocabularySize();
    if (old < 1) {
      throw new InputException(base.base() + ": config.json does not say its " + KEY);
    }
    Set<String> known = new LinkedHashSet<>();
    List<String> fresh = new ArrayList<>();
    List<int[]> pieces = new ArrayList<>();
    for (String word : new LinkedHashSet<>(words(config))) {
      if (plain.vocabulary().tokenId(word).isPresent()) {
        known.add(word);
        continue;
      }
      int[] ids = plain.encodePlain(word);
      if (ids.length == 0) {
        throw new InputException(
            RunOption.ADD_TOKENS + ": '" + word + "' has no tokens to begin from");
      }
      fresh.add(word);
      pieces.add(ids);
    }
    if (fresh.isEmpty()) {
      throw new InputException(
          RunOption.ADD_TOKENS.with(option) + ": all of these are tokens of the model already");
    }
    TextTokenizer tokenizer = plain.withTokens(fresh);
    plain.close();
    int firstId = tokenizer.vocabulary().tokenId(fresh.get(0)).orElseThrow();
    int rows = Math.max(old, firstId + fresh.size());
    if (firstId > old) {
      tokenizer.close();
      throw new InputException(
          base.base()
              + ": the tokenizer has "
              + firstId
              + " tokens, the model rows for "
              + old
              + "; nothing says what those between are");
    }
    String note =
        Count.many(fresh.size(), "token is", "tokens are")
            + " added to the vocabulary, from id "
            + firstId
            + " on, as the mean of its pieces each"
            + (known.isEmpty() ? "" : "; tokens already: " + String.join(", ", known));
    return new AddedVocabulary(
        tokenizer, new AddedRows(old, pieces.toArray(int[][]::new), firstId, rows), note);
  }

  private static List<String> words(RunConfig config) {
    return LabelNames.list(Term.ADD_TOKENS, config.text(RunOption.ADD_TOKENS));
  }

  /** By content what the option lists: a file of the same name may hold others later. */
  static String fingerprint(RunConfig config) {
    return ContentDigest.ofTexts(words(config));
  }

  /** The config of the model with them. */
  ObjectNode config(ObjectNode old) {
    return old.put(KEY, rows.rows());
  }
}
