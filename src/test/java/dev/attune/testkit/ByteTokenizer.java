package dev.attune.testkit;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** A GPT-2 tokenizer of single bytes and a few chosen merges: a letter is its own token id. */
public final class ByteTokenizer {
  /** The id of the end of sequence. */
  public static final int END = 256;

  private ByteTokenizer() {}

  /** The merges by which each of some words is one token where it stands behind a space. */
  public static String[] words(List<String> words) {
    Set<String> merges = new LinkedHashSet<>();
    for (String word : words) {
      for (int i = 0; i < word.length(); i++) {
        merges.add("Ġ" + word.substring(0, i) + ' ' + word.charAt(i));
      }
    }
    return merges.toArray(String[]::new);
  }

  /**
   * Writes vocab.json, merges.txt and tokenizer_config.json. Ids are the bytes, {@link #END}, then
   * the merges in their order.
   *
   * @param endToken its spelling; null: the tokenizer names none
   * @param merges two spellings parted by a space, where Ġ is a space
   */
  public static Path write(Path folder, String endToken, String... merges) {
    ObjectMapper json = new ObjectMapper();
    ObjectNode vocabulary = json.createObjectNode();
    int others = 0;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b > 32 && b < 127) || (b > 160 && b != 173);
      vocabulary.put(String.valueOf((char) (printable ? b : 256 + others++)), b);
    }
    vocabulary.put(endToken == null ? "<|unused|>" : endToken, END);
    StringBuilder rules = new StringBuilder("#version: 0.2\n");
    for (String merge : merges) {
      vocabulary.put(merge.replace(" ", ""), vocabulary.size());
      rules.append(merge).append('\n');
    }
    // Where the file says nothing, the class has an end of its own.
    ObjectNode config = json.createObjectNode().put("tokenizer_class", "GPT2Tokenizer");
    config.put("eos_token", endToken);
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("vocab.json"), vocabulary.toString());
      Files.writeString(folder.resolve("merges.txt"), rules);
      Files.writeString(folder.resolve("tokenizer_config.json"), config.toString());
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
