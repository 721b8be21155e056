package dev.attune.testkit;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.model.HeadKind;
import dev.attune.task.Task;
import java.nio.file.Path;

/** The four sequences of a tiny model's golden, packed. */
public final class GoldenBatch {
  /** How many there are. */
  public static final int SEQUENCES = 4;

  private GoldenBatch() {}

  /** What the model of this folder does, by its class in Transformers. */
  public static Task task(Path folder) {
    String architecture =
        Goldens.json(folder.resolve("config.json")).get("architectures").get(0).asText();
    if (architecture.endsWith("ForSequenceClassification")) {
      return TestTasks.CLASSIFICATION;
    }
    if (architecture.endsWith("ForTokenClassification")) {
      return TestTasks.TOKEN_CLASSIFICATION;
    }
    return TestTasks.CAUSAL_LM;
  }

  /** Packs them, with their labels. */
  public static Batch of(Goldens.Tensors golden, Task task, int positionOffset) {
    boolean types = golden.has("token_type_ids.0");
    boolean isLanguageModel = task.head() == HeadKind.LANGUAGE_MODEL;
    boolean isToken = task.head() == HeadKind.TOKEN;
    TargetLayout layout =
        isLanguageModel
            ? TargetLayout.LEARNED_ROWS
            : isToken ? TargetLayout.ROWS : TargetLayout.LABEL;
    EncodedDataset.Builder builder = EncodedDataset.builder(layout, types);
    for (int s = 0; s < SEQUENCES; s++) {
      int[] ids = golden.ints("input_ids." + s);
      int[] typeIds = types ? golden.ints("token_type_ids." + s) : null;
      int[] labels = golden.ints("labels." + s);
      if (isLanguageModel) {
        builder.addNextTokens(ids, null, 0, ids.length);
      } else if (isToken) {
        builder.add(ids, typeIds, labels);
      } else {
        builder.add(ids, typeIds, labels[0]);
      }
    }
    Batch batch = new Batch();
    new Packer(builder.build(), positionOffset).pack(new int[] {0, 1, 2, 3}, batch);
    return batch;
  }
}
