package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;

/**
 * What a folder holds, as builders need it.
 *
 * @param named the special tokens that its files name
 * @param stated further tokens with ids, which come before special ones that the vocabulary lacks
 */
record VocabularySource(Path folder, JsonNode config, SpecialTokens named, List<String> stated) {
  static VocabularySource of(Path folder, JsonNode config) {
    SpecialTokens named = SpecialTokens.of(config, folder);
    return new VocabularySource(folder, config, named, AddedTokens.numbered(config, folder, named));
  }

  Path file(String name) {
    return folder.resolve(name);
  }
}
