package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What families make of config.json files: every key read, known to be harmless, or refused. */
class FamilyConfigTest {
  private static JsonNode json(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Reads a config of a model type with some more keys. */
  private static Family read(String modelType, String more) {
    String comma = more.isEmpty() ? "" : ", ";
    JsonNode config = json("{\"model_type\": \"" + modelType + "\"" + comma + more + "}");
    FamilyConfig keys = new FamilyConfig(config, null);
    Family family = Families.of(config).reader().apply(keys);
    keys.finish();
    return family;
  }

  private static String refusal(String modelType, String more) {
    return assertThrows(InputException.class, () -> read(modelType, more)).getMessage();
  }

  @Test
  void theFirstDebertaIsRefusedWithTheReason() {
    String message = refusal("deberta", "");
    assertTrue(
        message.startsWith(
            "config.json: model type 'deberta' is not supported: its weights are laid out otherwise"
                + " than those of deberta-v2; supported are bert, "),
        message);
    String other = refusal("t5", "");
    assertTrue(other.contains("'t5' is not supported; supported are bert, "), other);
  }

  /** Transformers reads them all; the kernels want rows that follow each other. */
  @ParameterizedTest
  @CsvSource({
    "32, 32, -1, max_position_embeddings, 41",
    "256, 256, -1, max_position_embeddings, 345",
    "256, 300, -1, max_position_embeddings, 345",
    "256, 512, 344, max_relative_positions, 345",
    "256, 512, 100, max_relative_positions, 345"
  })
  void bucketsThatLeaveRowsOutAreRefused(
      int buckets, int positions, int range, String key, int least) {
    String deberta =
        "\"relative_attention\": true, \"pos_att_type\": \"c2p|p2c\", \"position_buckets\": %d,"
            + " \"max_position_embeddings\": %d, \"max_relative_positions\": %d";
    String message = refusal("deberta-v2", String.format(deberta, buckets, positions, range));
    int distance = range < 1 ? positions : range;
    assertTrue(
        message.contains(
            "'position_buckets' is " + buckets + " and '" + key + "' " + distance + ":"),
        message);
    assertTrue(message.contains("'" + key + "' of at least " + least + ","), message);
    assertNotNull(read("deberta-v2", String.format(deberta, buckets, positions, least)));
  }

  /** What the program that made NomicBERT writes, and what Transformers' class writes of it. */
  @Test
  void keysOfTheOriginalProgramMeanTheSame() {
    TransformerConfig original =
        read(
                "nomic_bert",
                """
                "n_embd": 64, "n_head": 4, "n_layer": 3, "n_inner": null, "n_positions": 8192,
                "activation_function": "geglu", "layer_norm_epsilon": 1e-3, "resid_pdrop": 0.1,
                "embd_pdrop": 0.3, "attn_pdrop": 0.2, "rotary_emb_base": 77,
                "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": false, "causal": false,
                "rotary_emb_scale_base": null, "rotary_scaling_factor": null,
                "prenorm": false, "qkv_proj_bias": false, "use_flash_attn": true, "vocab_size": 96
                """)
            .config();
    TransformerConfig own =
        read(
                "nomic_bert",
                """
                "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 3,
                "intermediate_size": 256, "max_position_embeddings": 8192, "hidden_act": "gelu",
                "layer_norm_eps": 1e-3, "hidden_dropout_prob": 0.1, "vocab_size": 96,
                "attention_probs_dropout_prob": 0.2, "rope_parameters": {"rope_theta": 77}
                """)
            .config();
    assertEquals(own.attention(), original.attention());
    assertEquals(own.feedForward(), original.feedForward());
    assertEquals(own.norms(), original.norms());
    assertEquals(own.embeddings().dropout(0.3f), original.embeddings());
    assertEquals(8192, original.maxLength());
    assertEquals(3, original.layers().size());
    assertArrayEquals(
        own.layers().get(2).rotary().frequencies(),
        original.layers().get(2).rotary().frequencies());
    String moe = refusal("nomic_bert", "\"moe_every_n_layers\": 2, \"num_experts\": 8");
    assertTrue(moe.contains("moe_every_n_layers") && moe.contains("num_experts"), moe);
    String scaled = refusal("nomic_bert", "\"rotary_scaling_factor\": 2");
    assertTrue(scaled.contains("rotary_scaling_factor"), scaled);
    String two = refusal("nomic_bert", "\"n_embd\": 64, \"hidden_size\": 32");
    assertTrue(two.contains("n_embd") && two.contains("hidden_size"), two);
    String act =
        refusal("nomic_bert", "\"activation_function\": \"geglu\", \"hidden_act\": \"silu\"");
    assertTrue(act.contains("hidden_act"), act);
  }

  /** Convolutions of v2-xlarge are not there, and nobody takes such a model for one without. */
  @Test
  void convolutionsOfDebertaAreRefused() {
    String message = refusal("deberta-v2", "\"conv_kernel_size\": 3, \"conv_act\": \"gelu\"");
    assertTrue(message.contains("'conv_kernel_size' is 3"), message);
    assertNotNull(read("deberta-v2", "\"conv_kernel_size\": 0"));
  }

  static Stream<String> modelTypes() {
    return Families.all().stream().map(Families.Entry::modelType);
  }

  @ParameterizedTest
  @MethodSource("modelTypes")
  void aKeyThatNobodyKnowsIsRefusedByName(String modelType) {
    String message = refusal(modelType, "\"flux_capacitor\": 3");
    assertTrue(message.contains("flux_capacitor") && message.contains("3"), message);
    assertTrue(message.contains(modelType), message);
    assertNotNull(read(modelType, "\"flux_capacitor\": null"), "null says nothing");
  }

  @ParameterizedTest
  @MethodSource("modelTypes")
  void harmlessKeysPass(String modelType) {
    assertNotNull(
        read(
            modelType,
            """
            "architectures": ["X"], "torch_dtype": "float32", "transformers_version": "5.18.0",
            "use_cache": true, "id2label": {"0": "a"}, "label2id": {"a": 0}, "pad_token_id": 0,
            "_name_or_path": "somewhere", "is_encoder_decoder": false, "pruned_heads": {},
            "top_p": 1.0, "output_attentions": false, "tie_word_embeddings": true
            """));
  }

  @ParameterizedTest
  @MethodSource("modelTypes")
  void whatWouldChangeTheNumbersIsRefused(String modelType) {
    for (String key : List.of("add_cross_attention", "is_encoder_decoder")) {
      String message = refusal(modelType, "\"" + key + "\": true");
      assertTrue(message.contains(key), message);
    }
    String pruned = refusal(modelType, "\"pruned_heads\": {\"0\": [1]}");
    assertTrue(pruned.contains("pruned_heads"), pruned);
    String quantised = refusal(modelType, "\"quantization_config\": {\"bits\": 4}");
    assertTrue(quantised.contains("quantization_config"), quantised);
  }

  @Test
  void whatAFamilyHasNotIsRefused() {
    String positions = refusal("bert", "\"position_embedding_type\": \"relative_key\"");
    assertTrue(positions.contains("relative_key") && positions.contains("absolute"), positions);
    String seq2seq = refusal("bert", "\"is_decoder\": true, \"add_cross_attention\": true");
    assertTrue(seq2seq.contains("'add_cross_attention' is true"), seq2seq);
    for (String learned : List.of("prelu", "xielu", "sqrtsoftplus")) {
      String activation = refusal("bert", "\"hidden_act\": \"" + learned + "\"");
      assertTrue(activation.contains("'hidden_act' is \"" + learned + "\""), activation);
      assertTrue(activation.contains("one of gelu, gelu_python, gelu_new"), activation);
      assertTrue(activation.contains("leaky_relu") && activation.contains("linear"), activation);
    }
    String rope = refusal("llama", "\"rope_scaling\": {\"rope_type\": \"xpos\", \"factor\": 2}");
    assertTrue(rope.contains("xpos"), rope);
    String beta = refusal("llama", "\"rope_parameters\": {\"llama_4_scaling_beta\": 0.1}");
    assertTrue(beta.contains("llama_4_scaling_beta"), beta);
    assertTrue(refusal("qwen2", "\"use_mrope\": true").contains("use_mrope"));
  }

  @ParameterizedTest
  @CsvSource({
    "hidden_size, 0",
    "hidden_size, 1.5",
    "hidden_size, \"64\"",
    "hidden_dropout_prob, 1",
    "hidden_dropout_prob, -0.1",
    "layer_norm_eps, true",
    "hidden_act, 3",
    "hidden_act, \"snake\"",
    "pad_token_id, -1"
  })
  void aWrongValueIsNamed(String key, String value) {
    String message = refusal("roberta", "\"" + key + "\": " + value);
    String named = key.equals("hidden_act") && value.contains("snake") ? "snake" : key;
    assertTrue(message.contains(named), message);
  }

  /** Those of Transformers 5.18's configuration classes. */
  @ParameterizedTest
  @CsvSource({
    // type, V, C, L, H, Hkv, D, F, positions, tied
    "bert, 30522, 768, 12, 12, 12, 64, 3072, 512, true",
    "roberta, 50265, 768, 12, 12, 12, 64, 3072, 510, true",
    "xlm-roberta, 30522, 768, 12, 12, 12, 64, 3072, 510, true",
    "camembert, 30522, 768, 12, 12, 12, 64, 3072, 510, true",
    "distilbert, 30522, 768, 6, 12, 12, 64, 3072, 512, true",
    "electra, 30522, 256, 12, 4, 4, 64, 1024, 512, true",
    "albert, 30000, 4096, 12, 64, 64, 64, 16384, 512, true",
    "gpt2, 50257, 768, 12, 12, 12, 64, 3072, 1024, true",
    "gpt_neox, 50432, 6144, 44, 64, 64, 96, 24576, 2048, false",
    "llama, 32000, 4096, 32, 32, 32, 128, 11008, 2048, false",
    "mistral, 32000, 4096, 32, 32, 8, 128, 14336, 131072, false",
    "qwen2, 151936, 4096, 32, 32, 32, 128, 22016, 32768, false",
    "qwen3, 151936, 4096, 32, 32, 32, 128, 22016, 32768, false"
  })
  void absentKeysAreWhatTransformersTakes(
      String type,
      int V,
      int C,
      int L,
      int H,
      int Hkv,
      int D,
      int F,
      int positions,
      boolean isTied) {
    TransformerConfig config = read(type, "").config();
    TransformerConfig.Attention a = config.attention();
    assertEquals(
        List.of(V, C, L, H, Hkv, D, F, positions),
        List.of(
            config.vocabularySize(),
            config.width(),
            config.layers().size(),
            a.heads(),
            a.keyValueHeads(),
            a.headSize(),
            config.feedForward().width(),
            config.maxLength()));
    assertEquals(isTied, config.isTied());
    assertEquals(0.02f, config.initializerRange());
  }

  @Test
  void absentKeysOfOtherKindsToo() {
    TransformerConfig bert = read("bert", "").config();
    assertEquals(0.1f, bert.attention().dropout());
    assertEquals(0.1f, bert.feedForward().outDropout());
    assertEquals(2, bert.embeddings().types());
    assertEquals(1e-12f, bert.norms().eps());
    assertEquals(Activation.GELU, bert.feedForward().activation());
    TransformerConfig albert = read("albert", "").config();
    assertEquals(0f, albert.attention().outDropout());
    assertEquals(128, albert.embeddings().width());
    assertEquals(Activation.GELU_TANH, albert.feedForward().activation());
    assertEquals(0.1f, read("albert", "").heads().get(HeadKind.TOKEN).dropout());
    assertEquals(0.2f, read("distilbert", "").heads().get(HeadKind.SEQUENCE).dropout());
    assertEquals(0.1f, read("distilbert", "").heads().get(HeadKind.TOKEN).dropout());
    TransformerConfig neox = read("gpt_neox", "").config();
    assertEquals(24, neox.layers().get(0).rotary().size(), "a quarter of 96");
    assertTrue(neox.isParallel());
    assertEquals(1e-5f, neox.norms().eps());
    assertEquals(1e-6f, read("llama", "").config().norms().eps());
  }

  @Test
  void theWindowOfMistralIsThereUnlessItIsNull() {
    assertEquals(4096, read("mistral", "").config().layers().get(0).window());
    assertEquals(0, read("mistral", "\"sliding_window\": null").config().layers().get(0).window());
    assertEquals(8, read("mistral", "\"sliding_window\": 8").config().layers().get(0).window());
    assertEquals(0, read("qwen2", "").config().layers().get(0).window());
    List<TransformerConfig.Layer> layers =
        read(
                "qwen2",
                "\"use_sliding_window\": true, \"num_hidden_layers\": 3, \"max_window_layers\": 2")
            .config()
            .layers();
    assertEquals(
        List.of(0, 0, 4096), layers.stream().map(TransformerConfig.Layer::window).toList());
    String types =
        refusal("qwen3", "\"num_hidden_layers\": 2, \"layer_types\": [\"full_attention\"]");
    assertTrue(types.contains("layer_types"), types);
  }

  @Test
  void theNumberOfKeyValueHeadsMayBeNull() {
    assertEquals(
        32, read("mistral", "\"num_key_value_heads\": null").config().attention().keyValueHeads());
  }

  @Test
  void rotaryPositionsAreReadWhereTransformersReadsThem() {
    float[] plain = read("llama", "").config().layers().get(0).rotary().frequencies();
    float[] older =
        read("llama", "\"rope_theta\": 500000.0").config().layers().get(0).rotary().frequencies();
    float[] newer =
        read("llama", "\"rope_parameters\": {\"rope_theta\": 500000.0}")
            .config()
            .layers()
            .get(0)
            .rotary()
            .frequencies();
    assertFalse(Arrays.equals(plain, older));
    assertTrue(Arrays.equals(older, newer));
    // Llama's own rotation takes no part of a head, whatever this key says.
    assertEquals(
        128,
        read("llama", "\"partial_rotary_factor\": 0.5").config().layers().get(0).rotary().size());
    String scaled =
        refusal(
            "llama",
            """
            "rope_scaling": {"type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}
            """);
    assertTrue(scaled.contains("'partial_rotary_factor' is 0.5"), scaled);
    assertTrue(scaled.contains("rope_type 'linear'") && scaled.contains("1 is"), scaled);
    String beside =
        refusal(
            "llama",
            """
            "rope_scaling": {"type": "linear", "factor": 2.0}, "partial_rotary_factor": 0.5
            """);
    assertEquals(scaled, beside);
    String more =
        refusal(
            "llama",
            """
            "rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 1.5}
            """);
    assertTrue(more.contains("'partial_rotary_factor' is 1.5; a number up to 1"), more);
    String theta = refusal("gpt_neox", "\"rope_theta\": 500.0");
    assertTrue(theta.contains("rope_theta"), theta);
  }

  @Test
  void aKeyMayHaveASecondName() {
    assertEquals(64, read("gpt2", "\"hidden_size\": 64, \"n_head\": 4").config().width());
    assertEquals(3, read("distilbert", "\"num_hidden_layers\": 3").config().layers().size());
    String both = refusal("gpt2", "\"hidden_size\": 64, \"n_embd\": 32, \"n_head\": 4");
    assertTrue(both.contains("hidden_size") && both.contains("n_embd"), both);
  }

  @Test
  void everyDropoutOfTheConfigIsReplaced() {
    JsonNode config = json("{\"model_type\": \"distilbert\", \"qa_dropout\": 0.3}");
    Family family = Families.of(config).reader().apply(new FamilyConfig(config, 0.25f));
    assertEquals(0.25f, family.config().embeddings().dropout());
    assertEquals(0.25f, family.config().attention().dropout());
    assertEquals(0f, family.config().attention().outDropout(), "DistilBERT has none there");
    assertEquals(0.25f, family.config().feedForward().outDropout());
    assertEquals(0.25f, family.heads().get(HeadKind.SPAN).dropout());
  }

  @Test
  void albertSharesLayersInGroups() {
    List<TransformerConfig.Layer> layers =
        read("albert", "\"num_hidden_layers\": 3, \"num_hidden_groups\": 2, \"inner_group_num\": 2")
            .config()
            .layers();
    assertEquals(
        List.of(
            "0.albert_layers.0",
            "0.albert_layers.1",
            "0.albert_layers.0",
            "0.albert_layers.1",
            "1.albert_layers.0",
            "1.albert_layers.1"),
        layers.stream().map(TransformerConfig.Layer::label).toList());
    assertTrue(refusal("albert", "\"num_hidden_groups\": 13").contains("num_hidden_groups"));
  }

  @Test
  void theRegistryKnowsClassNames() {
    assertEquals(HeadKind.LANGUAGE_MODEL, Families.headOf("GPT2LMHeadModel").orElseThrow());
    assertEquals(HeadKind.SPAN, Families.headOf("XLMRobertaForQuestionAnswering").orElseThrow());
    assertEquals(HeadKind.MASKED_LANGUAGE_MODEL, Families.headOf("BertForMaskedLM").orElseThrow());
    assertTrue(Families.headOf("BertForNextSentencePrediction").isEmpty());
    String message =
        assertThrows(InputException.class, () -> Families.of(json("{\"model_type\": \"whisper\"}")))
            .getMessage();
    assertTrue(message.contains("whisper"), message);
    modelTypes().forEach(type -> assertTrue(message.contains(type), message));
    assertNull(FamilyConfig.harmlessReason("hidden_size"));
    assertNotNull(FamilyConfig.harmlessReason("architectures"));
  }
}
