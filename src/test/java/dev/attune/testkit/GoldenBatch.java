package dev.attune.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.model.HeadKind;
import dev.attune.task.Task;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.stream.IntStream;

/** The four sequences of a tiny model's golden, packed. */
public final class GoldenBatch {
  /** How many there are. */
  public static final int SEQUENCES = 4;

  private GoldenBatch() {}

  /** What the model of this folder does, by its class in Transformers. */
  public static Task task(Path folder) {
    JsonNode config = Goldens.json(folder.resolve("config.json"));
    String architecture = config.get("architectures").get(0).asText();
    if (config.path("problem_type").asText().equals("multi_label_classification")) {
      return TestTasks.MULTI_LABEL;
    }
    if (architecture.endsWith("ForQuestionAnswering")) {
      return TestTasks.QUESTION_ANSWERING;
    }
    if (architecture.endsWith("ForSequenceClassification")) {
      return TestTasks.CLASSIFICATION;
    }
    if (architecture.endsWith("ForTokenClassification")) {
      return TestTasks.TOKEN_CLASSIFICATION;
    }
    if (architecture.endsWith("ForMaskedLM")) {
      return TestTasks.MASKED_LM;
    }
    if (architecture.endsWith("ForPreTraining")) {
      return TestTasks.REPLACED_TOKENS;
    }
    return TestTasks.CAUSAL_LM;
  }

  private static TargetLayout layout(Task task) {
    return switch (task.head()) {
      case LANGUAGE_MODEL, MASKED_LANGUAGE_MODEL, REPLACED_TOKENS -> TargetLayout.LEARNED_ROWS;
      case TOKEN -> TargetLayout.ROWS;
      case SPAN -> TargetLayout.labels(2);
      default ->
          task == TestTasks.MULTI_LABEL ? TargetLayout.numbers(task.outputs()) : TargetLayout.LABEL;
    };
  }

  /** Packs them, with their labels. */
  public static Batch of(Goldens.Tensors golden, Task task, int positionOffset) {
    Batch batch = new Batch();
    new Packer(data(golden, task), positionOffset).pack(new int[] {0, 1, 2, 3}, batch);
    if (task.head() == HeadKind.REPLACED_TOKENS) {
      batch.replaceLearned(replacing(golden));
    }
    return batch;
  }

  /** A task whose batches of a golden become what was learned: some tokens replaced by others. */
  public static Task learned(Goldens.Tensors golden, Task task) {
    if (task.head() != HeadKind.REPLACED_TOKENS) {
      return task;
    }
    return (Task)
        Proxy.newProxyInstance(
            Task.class.getClassLoader(),
            new Class<?>[] {Task.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("prepare")) {
                ((Batch) arguments[0]).replaceLearned(replacing(golden));
                return null;
              }
              return method.invoke(task, arguments);
            });
  }

  /** The tokens of a golden that stand in the place of others. */
  private static int[] replacing(Goldens.Tensors golden) {
    IntStream.Builder tokens = IntStream.builder();
    for (int s = 0; s < SEQUENCES; s++) {
      int[] ids = golden.ints("input_ids." + s);
      float[] labels = golden.floats("labels." + s);
      for (int t = 0; t < ids.length; t++) {
        if (labels[t] == 1) {
          tokens.add(ids[t]);
        }
      }
    }
    return tokens.build().toArray();
  }

  /** What stood there before: tokens that are no label stay. */
  private static int[] replaced(int[] ids, float[] labels) {
    int[] tokens = new int[ids.length];
    for (int t = 0; t < ids.length; t++) {
      tokens[t] = labels[t] == 1 ? ids[t] - 1 : EncodedDataset.IGNORED;
    }
    return tokens;
  }

  /** The same, not packed. */
  public static EncodedDataset data(Goldens.Tensors golden, Task task) {
    boolean types = golden.has("token_type_ids.0");
    boolean isLanguageModel = task.head() == HeadKind.LANGUAGE_MODEL;
    boolean isToken =
        task.head() == HeadKind.TOKEN || task.head() == HeadKind.MASKED_LANGUAGE_MODEL;
    EncodedDataset.Builder builder = EncodedDataset.builder(layout(task), types);
    for (int s = 0; s < SEQUENCES; s++) {
      int[] ids = golden.ints("input_ids." + s);
      int[] typeIds = types ? golden.ints("token_type_ids." + s) : null;
      if (task == TestTasks.MULTI_LABEL) {
        builder.add(ids, typeIds, golden.floats("labels." + s));
        continue;
      }
      if (task.head() == HeadKind.REPLACED_TOKENS) {
        builder.add(ids, typeIds, replaced(ids, golden.floats("labels." + s)));
        continue;
      }
      int[] labels = golden.ints("labels." + s);
      if (isLanguageModel) {
        builder.addNextTokens(ids, null, 0, ids.length);
      } else if (isToken || task.head() == HeadKind.SPAN) {
        builder.add(ids, typeIds, labels);
      } else {
        builder.add(ids, typeIds, labels[0]);
      }
    }
    return builder.build();
  }
}
