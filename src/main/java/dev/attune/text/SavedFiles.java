package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A tokenizer's files as they are written: copied, but for those that memory has otherwise.
 *
 * @param folder it was opened from
 * @param source tokenizer.json as files have it, with all tokens that they name
 * @param json tokenizer.json as the class reads it
 * @param isBuilt whether the folder has none
 * @param isExtended whether it has tokens that the folder's files do not name
 */
record SavedFiles(
    Path folder,
    String source,
    String json,
    boolean isBuilt,
    boolean isExtended,
    JsonNode config,
    JsonNode modelConfig,
    TokenVocabulary vocabulary) {
  /** The files that make a tokenizer. */
  static final List<String> NAMES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.txt",
          "vocab.json",
          "merges.txt",
          "tokenizer.model",
          "spiece.model",
          "spm.model",
          "sentencepiece.bpe.model",
          ChatTemplate.FILE,
          ChatTemplate.FOR_TOOLS,
          "chat_template.json");

  /** As {@link TextTokenizer#saveTo} says. */
  void writeTo(Path target) throws IOException {
    FileOps files = FileOps.SYSTEM;
    files.createFolder(target);
    for (String name : NAMES) {
      Path own = folder.resolve(name);
      Path copy = target.resolve(name);
      if (Files.isRegularFile(own) && !(Files.exists(copy) && Files.isSameFile(own, copy))) {
        files.createFolder(copy.getParent());
        files.copyPart(own, copy);
      }
    }
    for (Map.Entry<String, byte[]> file : changed().entrySet()) {
      files.writePart(target.resolve(file.getKey()), file.getValue());
    }
  }

  /** Whether a folder has these files, as they were opened or as they are written. */
  boolean areIn(Path other) throws IOException {
    return areIn(other, Map.of()) || areIn(other, changed());
  }

  private boolean areIn(Path other, Map<String, byte[]> changed) throws IOException {
    for (String name : NAMES) {
      byte[] own = changed.containsKey(name) ? changed.get(name) : read(folder.resolve(name));
      if (!Arrays.equals(own, read(other.resolve(name)))) {
        return false;
      }
    }
    return true;
  }

  /** Null where there is no file. */
  private static byte[] read(Path file) throws IOException {
    return Files.isRegularFile(file) ? Files.readAllBytes(file) : null;
  }

  /** Files of which a copy would not do. */
  private Map<String, byte[]> changed() {
    boolean isKept = !isBuilt && KeptFile.isKept(json, config, modelConfig);
    Map<String, byte[]> changed = new LinkedHashMap<>();
    if (isBuilt || isKept || isExtended) {
      changed.put("tokenizer.json", bytes(isBuilt || isKept ? json : source));
    }
    if (isExtended || isKept) {
      JsonNode named = isExtended ? AddedTokens.named(config, source) : config;
      JsonNode read = isKept ? KeptFile.config(named, modelConfig, vocabulary) : named;
      changed.put("tokenizer_config.json", bytes(read.toPrettyString() + "\n"));
    }
    return changed;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
