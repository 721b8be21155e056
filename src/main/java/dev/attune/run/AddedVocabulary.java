package dev.attune.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.AddedRows;
import dev.attune.folder.ModelFolder;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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
    for (String word : new LinkedHashSet<>(words(option))) {
      if (plain.tokenId(word).isPresent()) {
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
    int firstId = tokenizer.tokenId(fresh.get(0)).orElseThrow();
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
        fresh.size()
            + (fresh.size() == 1 ? " token is" : " tokens are")
            + " added to the vocabulary, from id "
            + firstId
            + " on, as the mean of its pieces each"
            + (known.isEmpty() ? "" : "; tokens already: " + String.join(", ", known));
    return new AddedVocabulary(
        tokenizer, new AddedRows(old, pieces.toArray(int[][]::new), firstId, rows), note);
  }

  /** Words parted by commas, or the lines of a file. */
  private static List<String> words(String option) {
    List<String> words;
    try {
      words =
          Files.isRegularFile(Path.of(option))
              ? Files.readAllLines(Path.of(option))
              : Arrays.asList(option.split(","));
    } catch (InvalidPathException e) {
      words = Arrays.asList(option.split(","));
    } catch (IOException e) {
      throw new InputException(
          RunOption.ADD_TOKENS.with(option) + " cannot be read: " + e.getMessage(), e);
    }
    return words.stream().map(String::strip).filter(word -> !word.isEmpty()).toList();
  }

  /** The config of the model with them. */
  ObjectNode config(ObjectNode old) {
    return old.put(KEY, rows.rows());
  }
}
