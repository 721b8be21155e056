package dev.attune.folder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A model as it is to stand in a folder: weights with their description, tokenizer, generation
 * settings and attune.json, which are written together and replace what was there as a whole.
 */
public final class FinishedModel {
  private final ModelInstall.Writer weights;
  private final TextTokenizer tokenizer;
  private final Path generationConfig;
  private final ObjectNode attune;
  private final List<ModelInstall.Writer> more = new ArrayList<>();

  private FinishedModel(
      ModelInstall.Writer weights,
      TextTokenizer tokenizer,
      Path generationConfig,
      ObjectNode attune) {
    this.weights = weights;
    this.tokenizer = tokenizer;
    this.generationConfig = generationConfig;
    this.attune = attune;
  }

  /**
   * A whole model.
   *
   * @param config of the model that it was made from; architecture and type become the model's
   * @param dtype of the weights in the file: {@code F32}, {@code BF16} or {@code F16}
   * @param generationConfig file to copy, or null
   * @param attune what training knows beyond that; empty: no attune.json
   */
  public static FinishedModel whole(
      Model model,
      ObjectNode config,
      String dtype,
      TextTokenizer tokenizer,
      Path generationConfig,
      ObjectNode attune) {
    ObjectNode saved = config.deepCopy();
    saved.putArray("architectures").add(model.architecture());
    saved.put("dtype", transformersName(dtype));
    saved.remove("torch_dtype");
    if (model.partsVocabulary()) {
      saved.put("tie_word_embeddings", false);
    }
    return new FinishedModel(
        folder -> {
          ModelWeights.write(folder.resolve(ModelFiles.WEIGHTS), model, dtype);
          ModelFiles.writeJson(folder.resolve(ModelFiles.CONFIG), saved);
        },
        tokenizer,
        generationConfig,
        attune);
  }

  /**
   * An adapter with its head.
   *
   * @param base name or folder of the model it belongs to
   * @param taskType PEFT's: SEQ_CLS, TOKEN_CLS, CAUSAL_LM …
   * @param isResized whether the vocabulary is not that model's
   * @param generationConfig file to copy, or null
   * @param attune what training knows beyond that, label names among it
   */
  public static FinishedModel adapter(
      Model model,
      LoraConfig lora,
      String base,
      String taskType,
      boolean isResized,
      TextTokenizer tokenizer,
      Path generationConfig,
      ObjectNode attune) {
    return new FinishedModel(
        folder -> AdapterWeights.write(folder, model, lora, base, taskType, isResized),
        tokenizer,
        generationConfig,
        attune);
  }

  /**
   * With what sentence-transformers reads beside the model.
   *
   * @param width C
   * @param length tokens of a text at most
   */
  public FinishedModel with(SentenceModules modules, int width, int length) {
    more.add(folder -> modules.write(folder, width, length));
    return this;
  }

  /** With a head that stands outside the model. */
  public FinishedModel with(LinearHead head) {
    more.add(head::write);
    return this;
  }

  private static String transformersName(String dtype) {
    return switch (dtype) {
      case "BF16" -> "bfloat16";
      case "F16" -> "float16";
      default -> "float32";
    };
  }

  /**
   * Replaces the model in a folder, whose lock the caller holds.
   *
   * @throws IOException if it cannot be written; what was there is whole then
   */
  public void install(Path target) throws IOException {
    ModelInstall.install(target, this::write);
  }

  private void write(Path folder) throws IOException {
    weights.write(folder);
    tokenizer.saveTo(folder);
    for (ModelInstall.Writer writer : more) {
      writer.write(folder);
    }
    if (generationConfig != null) {
      FileOps.SYSTEM.copyPart(generationConfig, folder.resolve(ModelFiles.GENERATION_CONFIG));
    }
    if (!attune.isEmpty()) {
      ModelFiles.writeJson(folder.resolve(ModelFiles.ATTUNE), attune);
    }
  }
}
