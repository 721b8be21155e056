package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files of a model's repository are fetched. */
class ModelChoiceTest extends HubTrial {
  @Test
  void shardsAreThoseOfTheIndex() throws Exception {
    Map<String, byte[]> files = files();
    byte[] whole = files.remove("model.safetensors");
    files.put("model-00001-of-00002.safetensors", whole);
    files.put("model-00002-of-00002.safetensors", bytes(4000, 9));
    files.put("model-00009-of-00009.safetensors", bytes(4000, 10));
    files.put(
        "model.safetensors.index.json",
        ("{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                + "\"b\":\"model-00002-of-00002.safetensors\"}}")
            .getBytes(UTF_8));
    server.model(NAME).commit("main", files);
    Path folder = model(NAME);
    Set<String> names = names(folder);
    assertTrue(names.contains("model-00002-of-00002.safetensors"), names::toString);
    assertFalse(names.contains("model-00009-of-00009.safetensors"), names::toString);
    assertFalse(names.contains("pytorch_model.bin"), names::toString);
    Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
    environment.put("HF_HUB_OFFLINE", "1");
    assertTrue(refusal(NAME).contains("lacks model-00002-of-00002.safetensors"));
  }

  /** What other programs fetched is whole with any file that a tokenizer is built from. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "vocab.txt",
        "tokenizer.model",
        "spiece.model",
        "spm.model",
        "sentencepiece.bpe.model"
      })
  void aVocabularyIsEnough(String vocabulary) throws Exception {
    Map<String, byte[]> files = files();
    files.keySet().removeIf(name -> name.startsWith("tokenizer") || name.startsWith("vocab"));
    files.put(vocabulary, bytes(900, 5));
    String commit = server.model(NAME).commit("main", files);
    Path folder = model(NAME);
    assertTrue(names(folder).contains(vocabulary));
    Files.delete(repository().resolve("trees/" + commit + ".json"));
    environment.put("HF_HUB_OFFLINE", "1");
    assertEquals(folder, model(NAME));
  }

  @Test
  void anAdapterHasNoWeightsOfAModel() throws Exception {
    Map<String, byte[]> files = files();
    files.remove("config.json");
    files.put("adapter_config.json", "{}".getBytes(UTF_8));
    files.put("adapter_model.safetensors", bytes(2000, 3));
    server.model(NAME).commit("main", files);
    Set<String> names = names(model(NAME));
    assertTrue(names.contains("adapter_model.safetensors"), names::toString);
    assertFalse(names.contains("model.safetensors"), names::toString);
  }

  @Test
  void whatIsNoModelIsRefusedBeforeItIsFetched() {
    server.model("some-org/data").commit("main", Map.of("data.csv", bytes(2000, 1)));
    assertTrue(refusal("some-org/data").contains("no config.json; it holds data.csv"));
    server
        .model("some-org/tf")
        .commit("main", Map.of("config.json", new byte[] {'{', '}'}, "tf_model.h5", bytes(9, 1)));
    assertTrue(refusal("some-org/tf").contains("it holds config.json, tf_model.h5"));
    server.requests.clear();
    assertEquals(List.of(), server.requests("/resolve/"));
  }

  @Test
  void aModelThatIsRefusedCostsNoWeights() {
    server.model(NAME).commit("main", files());
    HubName name = HubName.ofModel(NAME).orElseThrow();
    assertThrows(
        InputException.class,
        () ->
            fetch(FileOps.SYSTEM)
                .model(
                    name,
                    folder -> {
                      assertTrue(Files.exists(folder.resolve("config.json")));
                      throw new InputException("not this");
                    }));
    assertEquals(List.of(), server.requests("safetensors"));
  }
}
