package dev.attune.testkit;

import dev.attune.core.Philox;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A small BERT with random weights and a small vocabulary, and data that it can learn. */
public final class TinyModel {
  static final List<String> GOOD = List.of("good", "fine", "lovely", "great", "happy");
  static final List<String> BAD = List.of("bad", "poor", "awful", "broken", "sad");
  static final List<String> FILLER =
      List.of("the", "a", "it", "is", "was", "phone", "book", "chair", "very", "and", "this", "my");

  private TinyModel() {}

  /** Writes a model folder without head: config.json, model.safetensors, vocab.txt. */
  public static Path write(Path folder, Backend backend) {
    try {
      Files.createDirectories(folder);
      StringBuilder vocabulary = new StringBuilder("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
      for (List<String> words : List.of(GOOD, BAD, FILLER)) {
        words.forEach(word -> vocabulary.append(word).append('\n'));
      }
      Files.writeString(folder.resolve("vocab.txt"), vocabulary);
      Files.writeString(
          folder.resolve("tokenizer_config.json"),
          "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n");
      Files.writeString(
          folder.resolve("config.json"),
          """
          {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": %d,
           "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
           "intermediate_size": 64, "max_position_embeddings": 24, "type_vocab_size": 2,
           "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
          """
              .formatted(vocabulary.toString().lines().count()));
      try (Model model =
          Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 2, null)) {
        ModelWeights.randomize(model, 7);
        ModelWeights.write(folder.resolve("model.safetensors"), model);
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes a CSV of short texts whose label is decided by one word. */
  public static Path writeData(Path file, int rows, long seed) {
    StringBuilder csv = new StringBuilder("text,label\n");
    for (int row = 0; row < rows; row++) {
      long stream = Philox.stream(row, -200);
      boolean good = row % 2 == 0;
      List<String> telling = good ? GOOD : BAD;
      int length = 4 + (int) Math.floorMod(Philox.bits64(seed, stream, 0), 9L);
      int place = (int) Math.floorMod(Philox.bits64(seed, stream, 1), (long) length);
      for (int i = 0; i < length; i++) {
        List<String> words = i == place ? telling : FILLER;
        long pick = Philox.bits64(seed, stream, 2 + i);
        csv.append(words.get((int) Math.floorMod(pick, (long) words.size()))).append(' ');
      }
      csv.append(row).append(good ? ",positive\n" : ",negative\n");
    }
    try {
      Files.writeString(file, csv);
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
