package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Every key of adapter_config.json that is read, harmless or refused stands in docs/adapters.md.
 */
class AdapterPageTest {
  /** The fields of LoraConfig and of what it extends in PEFT 0.21. */
  private static final List<String> PEFT =
      List.of(
          "alora_invocation_tokens",
          "alpha_pattern",
          "arrow_config",
          "auto_mapping",
          "base_model_name_or_path",
          "bias",
          "corda_config",
          "ensure_weight_tying",
          "eva_config",
          "exclude_modules",
          "fan_in_fan_out",
          "inference_mode",
          "init_lora_weights",
          "kasa_config",
          "layer_replication",
          "layers_pattern",
          "layers_to_transform",
          "loftq_config",
          "lora_alpha",
          "lora_bias",
          "lora_dropout",
          "lora_ga_config",
          "megatron_config",
          "megatron_core",
          "modules_to_save",
          "monteclora_config",
          "peft_type",
          "peft_version",
          "qalora_group_size",
          "r",
          "rank_pattern",
          "revision",
          "runtime_config",
          "target_modules",
          "target_parameters",
          "task_type",
          "trainable_token_indices",
          "use_bdlora",
          "use_dora",
          "use_qalora",
          "use_rslora",
          "velora_config");

  @Test
  void everyKeyIsSaidToBeAppliedHarmlessOrRefused() throws IOException {
    String page = Files.readString(Path.of("docs/adapters.md"));
    String read = page.substring(page.indexOf("## Read"), page.indexOf("## Train further"));
    assertEquals(
        List.of(),
        AdapterConfig.knownKeys().stream().filter(key -> !read.contains("`" + key + "`")).toList(),
        "keys that the page does not name");
    assertEquals(
        List.of(),
        PEFT.stream().filter(key -> !AdapterConfig.knownKeys().contains(key)).toList(),
        "keys of PEFT that nobody knows here");
  }
}
