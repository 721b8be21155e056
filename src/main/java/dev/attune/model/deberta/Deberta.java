package dev.attune.model.deberta;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.model.DisentangledPositions;
import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;
import dev.attune.model.Names;
import dev.attune.model.Names.Module;
import dev.attune.model.TransformerConfig;
import dev.attune.model.TransformerConfig.Attention;
import dev.attune.model.TransformerConfig.FeedForward;
import dev.attune.model.TransformerConfig.Layer;
import dev.attune.model.TransformerConfig.Norms;
import dev.attune.model.TransformerConfig.Place;
import dev.attune.model.bert.Bert;
import dev.attune.ops.DisentangledAttention;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * DeBERTa-v2 and -v3 (He et al., 2021), as in Transformers' modeling_deberta_v2.py: BERT's layers
 * with disentangled attention, whose queries and keys meet rows by distance.
 */
public final class Deberta {
  private static final String CONTENT_TO_POSITION = "c2p";
  private static final String POSITION_TO_CONTENT = "p2c";

  private static final String POSITIONS = "max_position_embeddings";
  private static final String MAX_DISTANCE = "max_relative_positions";

  /** To each side, so that twice as many rows are a table as large as any. */
  private static final int MOST_BUCKETS = 1 << 16;

  /** Of which there is a row each to each side where there are no buckets. */
  private static final int MOST_DISTANCE = 1 << 23;

  private static final Names NAMES =
      Names.of("deberta", "encoder.layer.%s.")
          .with(Module.WORD, "embeddings.word_embeddings")
          .with(Module.POSITION, "embeddings.position_embeddings")
          .with(Module.TYPE, "embeddings.token_type_embeddings")
          .with(Module.EMBEDDING_NORM, "embeddings.LayerNorm")
          .with(Module.EMBEDDING_PROJECTION, "embeddings.embed_proj")
          .with(Module.RELATIVE_POSITION, "encoder.rel_embeddings")
          .with(Module.RELATIVE_NORM, "encoder.LayerNorm")
          .with(Module.QUERY, "attention.self.query_proj")
          .with(Module.KEY, "attention.self.key_proj")
          .with(Module.VALUE, "attention.self.value_proj")
          .with(Module.POSITION_KEY, "attention.self.pos_key_proj")
          .with(Module.POSITION_QUERY, "attention.self.pos_query_proj")
          .with(Module.ATTENTION_OUT, "attention.output.dense")
          .with(Module.ATTENTION_NORM, "attention.output.LayerNorm")
          .with(Module.UP, "intermediate.dense")
          .with(Module.DOWN, "output.dense")
          .with(Module.FEED_FORWARD_NORM, "output.LayerNorm");

  /**
   * The masked language model of the original program, as "legacy": false has it; the classes that
   * Transformers had first have BERT's.
   */
  private static final String OWN = "lm_predictions.lm_head";

  private Deberta() {}

  /** Reads config.json of a model of type "deberta-v2". */
  public static Family family(FamilyConfig config) {
    config.ignore("Transformers' class sets it to 0, whatever the file says", "z_steps");
    config.ignore("Transformers' class does not read it: pad_token_id counts", "padding_idx");
    // The layer of v2-xlarge and -xxlarge that mixes neighbouring tokens.
    config.only("conv_kernel_size", 0);
    config.ignore("of that layer, which is not there", "conv_act", "conv_groups");
    boolean isLegacy = config.flag("legacy", true);
    int width = config.positive("hidden_size", 1536);
    int heads = config.positive("num_attention_heads", 24);
    int headSize = FamilyConfig.headSize("hidden_size", width, "num_attention_heads", heads);
    config.only("attention_head_size", headSize);
    config.only("pooler_hidden_size", width);
    int positions = config.positive(POSITIONS, 512);
    float dropout = config.dropout("hidden_dropout_prob", 0.1f);
    TransformerConfig.Builder body =
        TransformerConfig.of(config.positive("vocab_size", 128_100), width, positions)
            .embeddings(embeddings(config, width, positions).normalized().dropout(dropout))
            .attention(
                Attention.bidirectional(heads, headSize)
                    .biases(true, true)
                    .dropouts(config.dropout("attention_probs_dropout_prob", 0.1f), dropout))
            .feedForward(
                FeedForward.plain(
                        config.positive("intermediate_size", 6144),
                        config.activation("hidden_act", "gelu"))
                    .bias(true)
                    .dropout(dropout))
            .norms(Norms.layerNorm(Place.AFTER, config.number("layer_norm_eps", 1e-7f)))
            .layers(
                IntStream.range(0, config.layers("num_hidden_layers", 24))
                    .mapToObj(Layer::named)
                    .toList())
            // The head of the original program has no weight but that of the embeddings.
            .tied(config.flag("tie_word_embeddings", true) || !isLegacy)
            .initializerRange(config.number("initializer_range", 0.02f));
    DisentangledPositions relative = relative(config, positions, dropout);
    TransformerConfig built = (relative == null ? body : body.disentangled(relative)).build();
    return new Family(built, isLegacy ? Bert.predicting(NAMES) : NAMES.with(Module.VOCABULARY, OWN))
        .head(
            HeadKind.SEQUENCE,
            Head.Spec.linear("classifier")
                .dropoutBefore(config.dropout("pooler_dropout", 0f))
                .dense("pooler.dense", config.activation("pooler_hidden_act", "gelu"))
                .dropout(config.dropout("cls_dropout", config.number("hidden_dropout_prob", 0.1f))))
        .head(HeadKind.TOKEN, Head.Spec.linear("classifier").dropout(dropout))
        .head(HeadKind.SPAN, Head.Spec.linear("qa_outputs"))
        .head(
            HeadKind.MASKED_LANGUAGE_MODEL,
            isLegacy
                ? Bert.predictions(config)
                : Head.Spec.beforeVocabulary(
                        OWN + ".dense", config.activation("hidden_act", "gelu"))
                    .norm(OWN + ".LayerNorm"));
  }

  private static Embeddings embeddings(FamilyConfig config, int width, int positions) {
    int embedded = config.positive("embedding_size", width);
    Embeddings embeddings = Embeddings.ofWidth(embedded).types(config.id("type_vocab_size", 0));
    if (config.flag("position_biased_input", true)) {
      embeddings = embeddings.positions(positions, 0);
    }
    return embedded == width ? embeddings : embeddings.projected(Embeddings.Projection.BEFORE_NORM);
  }

  /** How scores depend on distances; null: they do not. */
  private static DisentangledPositions relative(FamilyConfig config, int positions, float dropout) {
    List<String> kinds = kinds(config);
    int buckets = config.integer("position_buckets", -1, Integer.MIN_VALUE, MOST_BUCKETS);
    int range = config.integer(MAX_DISTANCE, -1, Integer.MIN_VALUE, MOST_DISTANCE);
    int maxDistance = range < 1 ? positions : range;
    boolean isNormalized = isNormalized(config);
    boolean shares = config.flag("share_att_key", false);
    if (config.flag("relative_attention", false) == kinds.isEmpty()) {
      throw new InputException(
          "config.json: 'relative_attention' is "
              + kinds.isEmpty()
              + " though 'pos_att_type' is "
              + (kinds.isEmpty() ? "empty" : kinds)
              + ", which is not supported: attention by distance needs both");
    }
    if (kinds.isEmpty()) {
      return null;
    }
    if (buckets > 0) {
      checkBuckets(buckets, maxDistance, range < 1 ? POSITIONS : MAX_DISTANCE);
    }
    return new DisentangledPositions(
        Math.max(0, buckets),
        maxDistance,
        kinds.contains(CONTENT_TO_POSITION),
        kinds.contains(POSITION_TO_CONTENT),
        shares,
        isNormalized,
        dropout);
  }

  /** Rows of buckets follow each other only where distances reach far enough. */
  private static void checkBuckets(int buckets, int maxDistance, String distanceKey) {
    if (buckets < 2) {
      throw new InputException(
          "config.json: 'position_buckets' is "
              + buckets
              + "; at least 2 are needed, or -1 for none");
    }
    int least = DisentangledAttention.leastMaxDistance(buckets);
    if (maxDistance < least) {
      throw new InputException(
          "config.json: 'position_buckets' is "
              + buckets
              + " and '"
              + distanceKey
              + "' "
              + maxDistance
              + ": buckets would be left out between neighbouring distances, which is not supported;"
              + " so many buckets need '"
              + distanceKey
              + "' of at least "
              + least
              + ", or fewer buckets");
    }
  }

  /** The terms of pos_att_type: a list, or words between bars. */
  private static List<String> kinds(FamilyConfig config) {
    JsonNode value = config.value("pos_att_type");
    List<String> kinds = new ArrayList<>();
    if (value != null && value.isTextual()) {
      kinds.addAll(words(value.textValue()));
    } else if (value != null) {
      kinds.addAll(config.texts("pos_att_type"));
    }
    for (String kind : kinds) {
      if (!kind.equals(CONTENT_TO_POSITION) && !kind.equals(POSITION_TO_CONTENT)) {
        throw new InputException(
            "config.json: 'pos_att_type' has '"
                + kind
                + "', which is not supported; "
                + CONTENT_TO_POSITION
                + " and "
                + POSITION_TO_CONTENT
                + " are");
      }
    }
    return kinds;
  }

  private static boolean isNormalized(FamilyConfig config) {
    String text = config.text("norm_rel_ebd", "none");
    boolean isNormalized = false;
    for (String word : words(text)) {
      if (!word.equals("none") && !word.equals("layer_norm")) {
        throw new InputException(
            "config.json: 'norm_rel_ebd' is '"
                + text
                + "', which is not supported; none and layer_norm are");
      }
      isNormalized |= word.equals("layer_norm");
    }
    return isNormalized;
  }

  private static List<String> words(String text) {
    List<String> words = new ArrayList<>();
    for (String word : text.toLowerCase(Locale.ROOT).split("\\|")) {
      if (!word.isBlank()) {
        words.add(word.strip());
      }
    }
    return words;
  }
}
