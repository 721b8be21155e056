package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.hub.Progress;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What of a folder would be pushed, what the card says, and what is refused; without any hub. */
class PushRunTest {
  private static final String CARD =
      """
      ---
      base_model: sentence-transformers/all-MiniLM-L6-v2
      datasets:
      - some-org/rows
      language:
      - "no"
      - en
      library_name: transformers
      license: apache-2.0
      pipeline_tag: text-classification
      tags:
      - attune
      model-index:
      - name: tiny-1.0
        results:
        - task:
            type: text-classification
          dataset:
            name: dev set.csv
            type: csv
            split: validation
          metrics:
          - type: loss
            value: 0.25
            name: loss
          - type: accuracy
            value: 0.876543
            name: accuracy
          - type: f1
            value: 0.5
            name: f1_macro
        - task:
            type: text-classification
          dataset:
            name: hf://datasets/some-org/rows/test.parquet
            type: some-org/rows
            split: test
          metrics:
          - type: matthews_correlation
            value: -0.5
            name: mcc
      ---

      <!-- Written by attune push. Without this line it is kept as it is. -->

      # tiny-1.0

      A fine-tuned version of [sentence-transformers/all-MiniLM-L6-v2](https://hf.co/sentence-transformers/all-MiniLM-L6-v2), for text classification.

      ## Results on validation data

      | metric | value |
      |---|---:|
      | loss | 0.2500 |
      | accuracy | 0.8765 |
      | f1_macro | 0.5000 |

      ## Results on test data

      | metric | value |
      |---|---:|
      | mcc | -0.5000 |

      ## Labels

      `no`, `yes: it's`

      ## Training

      | | |
      |---|---:|
      | data | hf://datasets/some-org/rows/train.csv, more.csv |
      | epochs | 0.13 |
      | steps | 12 |
      | batch size | 32 |
      | gradient accumulation steps | 1 |
      | learning rate | 1e-4 |
      | lr scheduler | linear |
      | optimizer | adamw |
      | weight decay | 0.01 |
      | seed | 42 |

      ## Use

      ```python
      from transformers import pipeline

      model = pipeline("text-classification", model="my-org/tiny-1.0")
      ```
      """;

  @TempDir Path home;
  private Path folder;

  @BeforeEach
  void write() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyModel.write(home.resolve("model"), backend);
    }
    String config = Files.readString(folder.resolve("config.json"));
    put(
        "config.json",
        config
            .replace("BertModel", "BertForSequenceClassification")
            .replaceFirst("\\{", "{\"id2label\": {\"0\": \"no\", \"1\": \"yes: it`s\"}, "));
    put(
        "attune.json",
        """
        {"task": "classification", "base_model": "minilm", "steps": 12, "epochs": 0.1304347826, "train_loss": 0.1,
         "eval": {"loss": 0.25, "accuracy": 0.87654321, "f1_macro": 0.5, "recall_macro": "NaN"}}
        """);
    put(
        "run.yaml",
        """
        model: "minilm"
        train-file: ["hf://datasets/some-org/rows/train.csv", "/home/me/secret/more.csv"]
        validation-file: "/home/me/secret/dev set.csv"
        test-file: "hf://datasets/some-org/rows/test.parquet"
        learning-rate: "1e-4"
        max-steps: 4
        """);
    put("metrics.jsonl", "{\"step\":1,\"loss\":1.5}\n{\"step\":12,\"test\":{\"mcc\":-0.5}}\n");
  }

  private void put(String name, String content) throws IOException {
    Files.createDirectories(folder.resolve(name).getParent());
    Files.writeString(folder.resolve(name), content);
  }

  private PushRun.Outcome dry(String... options) {
    RunConfig.Builder config = RunConfig.builder(CommandOptions.PUSH);
    config.set(RunOption.REPO, "my-org/tiny-1.0").set(RunOption.DRY_RUN, "true");
    for (int i = 0; i < options.length; i += 2) {
      config.set(RunOption.valueOf(options[i]), options[i + 1]);
    }
    return PushRun.run(folder, config.build(), Progress.silent());
  }

  private String refused(String... options) {
    return RunOption.worded(assertThrows(InputException.class, () -> dry(options)).getMessage());
  }

  /** Not how long it was to be: it may have ended before, or been made longer. */
  @Test
  void theCardSaysHowLongTheTrainingWas() throws IOException {
    put(
        "attune.json",
        "{\"task\": \"classification\", \"steps\": 8, \"epochs\": 2, \"best_step\": 4}");
    String card = dry().card();
    assertTrue(card.contains("| epochs | 2 |\n| steps | 8 |\n| weights of step | 4 |\n"), card);
    assertFalse(card.contains("max steps"), card);
    put("attune.json", "{\"task\": \"classification\"}");
    assertFalse(dry().card().contains("epochs"), "nothing is guessed");
  }

  @Test
  void theCardSaysWhatIsKnownAndNothingOfThisMachine() {
    assertEquals(CARD, dry("LICENSE", "apache-2.0", "LANGUAGE", "no,en").card());
  }

  @Test
  void aCardOfAModelThatWasMadeElsewhereSaysLess() throws IOException {
    for (String name : List.of("attune.json", "run.yaml", "metrics.jsonl")) {
      Files.delete(folder.resolve(name));
    }
    String card = dry().card();
    assertTrue(
        card.startsWith(
            """
            ---
            library_name: transformers
            pipeline_tag: text-classification
            tags:
            - attune
            ---
            """),
        card);
    assertTrue(card.contains("A fine-tuned version of a pretrained model, for"), card);
  }

  @Test
  void onlyFilesOfTheModelArePushed() throws IOException {
    put("LICENSE", "free");
    put("modules.json", "[]");
    put("1_Pooling/config.json", "{}");
    put("1_Pooling/notes.txt", "mine");
    put("pytorch_model.bin", "other weights");
    put("model-00001-of-00002.safetensors", "old shard");
    put("optimizer.pt", "state");
    put("training_args.bin", "state");
    put("train.log", "log");
    put("token", "hf_secret");
    put(".env", "HF_TOKEN=hf_secret");
    put("notes/a.txt", "mine");
    PushRun.Outcome outcome = dry();
    assertEquals(
        Set.of(
            "1_Pooling/config.json",
            "LICENSE",
            "README.md",
            "attune.json",
            "config.json",
            "model.safetensors",
            "modules.json",
            "tokenizer_config.json",
            "vocab.txt"),
        outcome.files().keySet());
    String unknown = "not known to be a file of a model";
    String training = "of the training, not of the model";
    String form = "weights in another form than those that are read";
    assertEquals(
        Map.ofEntries(
            Map.entry(".env", "hidden"),
            Map.entry("metrics.jsonl", training),
            Map.entry("model-00001-of-00002.safetensors", form),
            Map.entry("notes/", "a folder that is no part of a model"),
            Map.entry("optimizer.pt", training),
            Map.entry("pytorch_model.bin", form),
            Map.entry("run.yaml", training),
            Map.entry("token", unknown),
            Map.entry("train.log", training),
            Map.entry("training_args.bin", training)),
        outcome.leftOut());
  }

  @Test
  void aCardOfTheFoldersOwnIsPushedAsItIs() throws IOException {
    put("README.md", "# mine");
    assertNull(dry().card());
    assertTrue(refused("LICENSE", "mit").contains("what --license and --language say belongs"));
  }

  @Test
  void whatIsNotFinishedIsRefused() throws IOException {
    put("checkpoints/step-1/manifest.json", "{}");
    assertTrue(refused().contains("holds checkpoints of a run that has not ended"));
    Path empty = Files.createDirectory(home.resolve("empty"));
    folder = empty;
    assertTrue(refused().contains("holds no model: it is empty"));
    folder = home.resolve("none");
    assertTrue(refused().contains("is no folder"));
  }

  @Test
  void aFinishedRunThatKeptACheckpointOfItsEndIsPushed() throws IOException {
    put("checkpoints/step-000000012/state.json", "{\"step\": 12}");
    assertTrue(dry().files().containsKey("model.safetensors"));
    put("checkpoints/step-000000014/state.json", "{\"step\": 14}");
    assertTrue(refused().contains("holds checkpoints of a run that has not ended"));
  }

  @Test
  void weightsThatAreNoNumbersAreRefused() throws IOException {
    Path weights = folder.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    ByteBuffer.wrap(bytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putFloat(bytes.length - Float.BYTES, Float.NaN);
    Files.write(weights, bytes);
    String message = refused();
    assertTrue(message.contains("hold NaN"), message);
    assertTrue(message.contains("before it diverged"), message);
  }

  @Test
  void missingShardsAreRefused() throws IOException {
    Files.delete(folder.resolve("model.safetensors"));
    put("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"model-1.safetensors\"}}");
    assertTrue(refused().contains("names the shard"), refused());
  }

  @Test
  void aFolderOfThisMachineIsNoBaseForOthers() throws IOException {
    put("attune.json", "{\"task\": \"classification\", \"base_model\": \"/home/me/bert\"}");
    PushRun.Outcome outcome = dry();
    assertTrue(outcome.card().startsWith("---\ndatasets:"), outcome.card());
    assertEquals(2, outcome.notes().size(), outcome.notes()::toString);
    assertTrue(outcome.notes().get(0).contains("the card names no base model"));
    assertTrue(outcome.notes().get(1).contains("attune.json is pushed without its base_model"));
    assertTrue(
        dry("BASE_MODEL", "some-org/bert").card().startsWith("---\nbase_model: some-org/bert"));
    assertTrue(refused("BASE_MODEL", "./bert").contains("no name of the hub"));
    put("tokenizer_config.json", "{\"name_or_path\": \"/home/me/bert\"}");
    assertEquals("{ }\n".length(), dry().files().get("tokenizer_config.json"));
    put("tokenizer_config.json", "{\"name_or_path\": \"some-org/bert\", \"a\": 1}");
    assertEquals(
        Files.size(folder.resolve("tokenizer_config.json")),
        dry().files().get("tokenizer_config.json"));
  }

  @Test
  void aModelOfVectorsIsOneOfSentenceTransformers() throws IOException {
    put("modules.json", "[]");
    String card = dry().card();
    assertTrue(card.contains("library_name: sentence-transformers"), card);
    assertTrue(card.contains("model = SentenceTransformer("), card);
  }

  @Test
  void anAdapterNeedsABaseThatOthersHave() throws IOException {
    put(
        "adapter_config.json",
        "{\"peft_type\": \"LORA\", \"r\": 2, \"base_model_name_or_path\": \"/home/me/bert\"}");
    Files.copy(folder.resolve("model.safetensors"), folder.resolve("adapter_model.safetensors"));
    String message = refused();
    assertTrue(message.contains("an adapter of /home/me/bert, which nobody else has"), message);
    assertTrue(message.contains("--base-model ORG/NAME"), message);
    PushRun.Outcome outcome = dry("BASE_MODEL", "some-org/bert");
    assertTrue(outcome.card().contains("library_name: peft"), outcome.card());
    assertTrue(outcome.notes().toString().contains("in place of /home/me/bert"));
    String cached = "/x/hub/models--some-org--other/snapshots/" + "a".repeat(40);
    put(
        "adapter_config.json",
        "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"" + cached + "\"}");
    assertTrue(dry().card().startsWith("---\nbase_model: some-org/other"), dry().card());
  }

  @Test
  void optionsThatMeanNothingAreRefused() {
    assertTrue(refused("LICENSE", "My own").contains("--license is 'My own'"));
    assertTrue(refused("LANGUAGE", "English").contains("--language is 'English'"));
    assertTrue(
        refused("COMMIT_MESSAGE", " ")
            .contains("--commit-message has an empty value; leave it out"));
    assertTrue(
        refused("CREATE_PR", "true", "REVISION", "dev")
            .contains("--revision dev is another branch"));
    assertTrue(refused("REPO", "tiny").contains("have the form ORG/NAME"));
    assertTrue(refused("REVISION", "a".repeat(40)).contains("is no name of a branch"));
  }
}
