package dev.attune.server.inference;

import dev.attune.TaggedWords;
import dev.attune.Trainer;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.store.LoraConfig;
import dev.attune.testkit.TinyAdapter;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Tiny models of every kind that is served. */
final class ServedModels {
  /** As ChatML, without anything that asks for tools. */
  static final String TEMPLATE =
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}"
          + "{% if add_generation_prompt %}a:{% endif %}";

  /** All in the vocabulary of {@link TinyModel}. */
  private static final List<String> WORDS =
      List.of("the", "a", "it", "is", "was", "phone", "book", "chair", "very", "my", "and");

  private ServedModels() {}

  /** A language model that knows conversations. */
  static Path decoder(Path folder) {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(folder, backend, 32);
      Files.writeString(folder.resolve("chat_template.jinja"), TEMPLATE);
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** An adapter of it. */
  static Path adapter(Path folder, Path base, long seed) {
    try (CpuBackend backend = new CpuBackend(1)) {
      LoraConfig lora =
          new LoraConfig(4, 8, 0, List.of("q_proj", "v_proj", "down_proj"), false, false);
      return TinyAdapter.write(folder, base, backend, lora, seed);
    }
  }

  /** A classifier of two labels, hardly trained. */
  static Path classifier(Path scratch) {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(scratch.resolve("encoder"), backend);
    }
    Path data = TinyModel.writeData(scratch.resolve("train.csv"), 32, 1);
    Path folder = scratch.resolve("classifier");
    Trainer.classification(scratch.resolve("encoder").toString())
        .train(data)
        .maxSteps(3)
        .batchSize(4)
        .threads(1)
        .saveTo(folder);
    return folder;
  }

  /** What finds things in texts. */
  static Path tagger(Path scratch) {
    Path base = scratch.resolve("tagged-encoder");
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(base, backend);
    }
    List<TaggedWords> rows = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      List<String> words = new ArrayList<>();
      for (int word = 0; word < 4; word++) {
        words.add(WORDS.get((i * 5 + word * 3) % WORDS.size()));
      }
      rows.add(
          new TaggedWords(
              words, words.stream().map(w -> w.matches("phone|book") ? "B-THING" : "O").toList()));
    }
    Path folder = scratch.resolve("tagger");
    Trainer.tokens(base.toString())
        .train(rows)
        .epochs(12)
        .batchSize(16)
        .learningRate(3e-3)
        .threads(1)
        .saveTo(folder);
    return folder;
  }
}
