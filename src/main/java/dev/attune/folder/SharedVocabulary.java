package dev.attune.folder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.model.Families;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * Whether a language model's last product shares its weight with the word embedding. As in
 * Transformers, weights that are stored apart and differ are two, whatever config.json says.
 */
final class SharedVocabulary {
  private static final String KEY = "tie_word_embeddings";

  private SharedVocabulary() {}

  /** The config.json of a folder; where its weights contradict it, as they are. */
  static ObjectNode asStored(ObjectNode config, Path folder) {
    Optional<Families.Vocabulary> names = Families.sharedVocabulary(config);
    if (names.isPresent() && hasWeights(folder)) {
      try (WeightSource source = WeightFolder.open(folder)) {
        String wrapper = ModelWeights.wrapper(source);
        Optional<String> word = stored(source, names.get().word(), wrapper);
        Optional<String> last = stored(source, names.get().last(), wrapper);
        if (word.isPresent() && last.isPresent() && !source.holdsSame(word.get(), last.get())) {
          config.put(KEY, false);
        }
      }
    }
    return config;
  }

  /** A model that is to be drawn anew needs none. */
  private static boolean hasWeights(Path folder) {
    try {
      return !ModelFiles.weights(folder).isEmpty();
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** A body's tensors are stored with its prefix or without. */
  private static Optional<String> stored(WeightSource source, Set<String> names, String wrapper) {
    return names.stream().map(name -> wrapper + name).filter(source.names()::contains).findFirst();
  }
}
