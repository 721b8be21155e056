package dev.attune.text;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where the tokenizer of an adapter is: in its folder, or else in its base's.
 *
 * @param note why that in its folder is not read; empty: it is, or there is none
 */
public record OwnTokenizer(Path folder, Optional<String> note) {
  private static final List<String> NOT_PIECES =
      List.of("tokenizer.json", "vocab.txt", "vocab.json");

  private static final List<String> PIECES =
      List.of("tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model");

  /** What makes another tokenizer of the same pieces. */
  private static final List<String> MORE =
      List.of("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json");

  /**
   * Finds it; a model is its own base. A sentencepiece file alone counts where its class can be
   * built from it: programs copied such a file into folders that were never read without the base's
   * tokenizer.json.
   */
  public static OwnTokenizer of(Path adapter, Path base) {
    if (adapter.equals(base) || !TextTokenizer.isIn(adapter) || isCopy(adapter, base)) {
      return new OwnTokenizer(base, Optional.empty());
    }
    if (NOT_PIECES.stream().noneMatch(name -> Files.exists(adapter.resolve(name)))) {
      try {
        VocabularyFiles.tokenizerJson(adapter, JsonFile.read(base.resolve("config.json")));
      } catch (InputException e) {
        return new OwnTokenizer(
            base, Optional.of("the tokenizer of " + base + " is used, because " + e.getMessage()));
      }
    }
    return new OwnTokenizer(adapter, Optional.empty());
  }

  /** Whether an adapter's folder has the base's sentencepiece file and nothing else of it. */
  private static boolean isCopy(Path adapter, Path base) {
    try {
      for (String name : PIECES) {
        Path own = adapter.resolve(name);
        Path theirs = base.resolve(name);
        if (Files.exists(own) && !(Files.exists(theirs) && Files.mismatch(own, theirs) < 0)) {
          return false;
        }
      }
      return NOT_PIECES.stream().noneMatch(name -> Files.exists(adapter.resolve(name)))
          && MORE.stream().noneMatch(name -> Files.exists(adapter.resolve(name)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
