package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an adapter_config.json may say: nothing is read as something else. */
class AdapterConfigTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String PLAIN = "{\"peft_type\": \"LORA\", \"target_modules\": [\"q_proj\"]}";

  @TempDir private Path folder;

  private AdapterConfig read(String changes) throws IOException {
    ObjectNode json = (ObjectNode) JSON.readTree(PLAIN);
    json.setAll((ObjectNode) JSON.readTree(changes));
    Files.writeString(folder.resolve("adapter_config.json"), json.toString());
    return AdapterConfig.read(folder);
  }

  @Test
  void absentKeysHavePeftsDefaults() throws IOException {
    AdapterConfig config = read("{}");
    assertEquals(8, config.lora().rank());
    assertEquals(8, config.lora().alpha());
    assertEquals(1f, config.lora().scale("q_proj"));
  }

  /** Python takes a word for true and fails with a rank that is no int; a guess would be silent. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'r': '8'}",
        "{'r': 8.5}",
        "{'r': null}",
        "{'r': 0}",
        "{'lora_alpha': '16'}",
        "{'lora_alpha': null}",
        "{'lora_dropout': 'x'}",
        "{'use_rslora': 'false'}",
        "{'use_dora': 1}",
        "{'lora_bias': 'true'}",
        "{'ensure_weight_tying': 'no'}",
        "{'rank_pattern': {'q_proj': '4'}}",
        "{'rank_pattern': {'q_proj': 4.5}}",
        "{'alpha_pattern': {'q_proj': '4'}}",
        "{'target_modules': [1]}",
        "{'modules_to_save': [null]}",
        "{'modules_to_save': 'classifier'}",
        "{'modules_to_save': 5}",
        "{'exclude_modules': 5}",
        "{'layers_to_transform': '3'}",
        "{'layers_to_transform': 1.5}",
        "{'layers_pattern': 7}",
        "{'rank_pattern': ['q_proj']}",
        "{'rank_pattern': 4}",
        "{'alpha_pattern': 'q_proj=4'}",
        "{'trainable_token_indices': '5'}",
        "{'trainable_token_indices': true}",
        "{'task_type': 'seq_cls'}",
        "{'task_type': 3}",
        "{'bias': 'most'}",
        "{'init_lora_weights': 'pissa_niter_4'}",
        "{'init_lora_weights': 'corda'}",
        "{'init_lora_weights': 'lora_ga'}",
        "{'init_lora_weights': 'loftq'}",
        "{'init_lora_weights': 'foo'}",
        "{'use_qalora': true}",
        "{'foo': 1}"
      })
  void whatCannotBeAppliedIsRefusedByItsKey(String changes) throws IOException {
    JsonNode asked = JSON.readTree(changes.replace('\'', '"'));
    String message = assertThrows(InputException.class, () -> read(asked.toString())).getMessage();
    assertTrue(message.contains("adapter_config.json: "), message);
    assertTrue(message.contains(asked.fieldNames().next() + " "), message);
  }
}
