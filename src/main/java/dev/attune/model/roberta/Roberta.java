package dev.attune.model.roberta;

import dev.attune.kernels.Activation;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;
import dev.attune.model.Names;
import dev.attune.model.Names.Module;
import dev.attune.model.TransformerConfig;
import dev.attune.model.bert.Bert;

/**
 * RoBERTa (Liu et al., 2019), as in Transformers' modeling_roberta.py: BERT with positions that
 * start after the padding token's, and a head of its own. XLM-RoBERTa (Conneau et al., 2020) and
 * CamemBERT (Martin et al., 2020) are the same model over other vocabularies.
 */
public final class Roberta {
  private Roberta() {}

  /** Reads config.json of a model of type "roberta". */
  public static Family family(FamilyConfig config) {
    return named("roberta", config, 50_265);
  }

  /** Reads config.json of a model of type "xlm-roberta" or "camembert". */
  public static Family relative(FamilyConfig config) {
    return named("roberta", config, 30_522);
  }

  /**
   * Reads config.json of a relative.
   *
   * @param body what its class calls the body
   * @param vocabulary V where the config is silent
   */
  public static Family named(String body, FamilyConfig config, int vocabulary) {
    int width = config.positive("hidden_size", 768);
    Embeddings embeddings =
        Embeddings.ofWidth(width)
            .positions(
                config.positive("max_position_embeddings", 512), config.id("pad_token_id", 1) + 1);
    TransformerConfig layers = Bert.body(config, vocabulary, width, 12, 3072, embeddings);
    float dropout = Bert.classifierDropout(config);
    Names names =
        Bert.names(body)
            .with(Module.VOCABULARY, "lm_head.decoder")
            .with(Module.VOCABULARY_BIAS, "lm_head");
    return withHeads(new Family(layers, names), dropout);
  }

  /** With RoBERTa's heads, which other families have too. */
  public static Family withHeads(Family family, float dropout) {
    return family
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier.out_proj")
                .dropoutBefore(dropout)
                .dense("classifier.dense", Activation.TANH)
                .dropout(dropout))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(dropout))
        .head(HeadKind.SPAN, Head.Spec.linear("qa_outputs"))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary("lm_head.dense", Activation.GELU)
                .norm("lm_head.layer_norm"));
  }
}
