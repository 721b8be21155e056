package dev.attune.model.electra;

import dev.attune.kernels.Activation;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;
import dev.attune.model.Names;
import dev.attune.model.TransformerConfig;
import dev.attune.model.bert.Bert;

/**
 * ELECTRA (Clark et al., 2020), as in Transformers' modeling_electra.py: BERT whose embeddings may
 * be narrower than its layers, and RoBERTa's head with another activation. A masked language model
 * is its generator; the discriminator finds the tokens that this one has replaced.
 */
public final class Electra {
  private static final Names NAMES =
      Bert.names("electra")
          .with(Names.Module.EMBEDDING_PROJECTION, "embeddings_project")
          .with(Names.Module.VOCABULARY, "generator_lm_head");

  private Electra() {}

  /** Reads config.json of a model of type "electra". */
  public static Family family(FamilyConfig config) {
    config.ignore(
        "of the head for multiple choice",
        "summary_type",
        "summary_use_proj",
        "summary_activation",
        "summary_first_dropout",
        "summary_last_dropout",
        "summary_proj_to_labels");
    int width = config.positive("hidden_size", 256);
    int embedded = config.positive("embedding_size", 128);
    Embeddings embeddings =
        Embeddings.ofWidth(embedded).positions(config.positive("max_position_embeddings", 512), 0);
    TransformerConfig body =
        Bert.body(
            config,
            30_522,
            width,
            4,
            1024,
            embedded == width ? embeddings : embeddings.projected());
    float dropout = Bert.classifierDropout(config);
    return new Family(body, NAMES)
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier.out_proj")
                .dropoutBefore(dropout)
                .dense("classifier.dense", Activation.GELU)
                .dropout(dropout))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(dropout))
        .head(HeadKind.SPAN, Head.Spec.linear("qa_outputs"))
        .head(
            HeadKind.REPLACED_TOKENS,
            Head.Spec.linear("discriminator_predictions.dense_prediction")
                .dense("discriminator_predictions.dense", config.activation("hidden_act", "gelu")))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            Head.Spec.beforeVocabulary("generator_predictions.dense", Activation.GELU)
                .norm("generator_predictions.LayerNorm"));
  }
}
