package dev.attune.model;

/**
 * Hugging Face names of an encoder's modules; {@code %d} stands for the layer. Each module has a
 * {@code .weight} and all but the embeddings a {@code .bias}.
 */
public record EncoderNames(
    String word,
    String position,
    String type,
    String embeddingNorm,
    String query,
    String key,
    String value,
    String attentionOut,
    String attentionNorm,
    String up,
    String down,
    String outNorm) {

  /** The names of BERT and its relatives, whose body is called {@code body}. */
  public static EncoderNames bertLike(String body) {
    String embeddings = body + ".embeddings.";
    String layer = body + ".encoder.layer.%d.";
    return new EncoderNames(
        embeddings + "word_embeddings",
        embeddings + "position_embeddings",
        embeddings + "token_type_embeddings",
        embeddings + "LayerNorm",
        layer + "attention.self.query",
        layer + "attention.self.key",
        layer + "attention.self.value",
        layer + "attention.output.dense",
        layer + "attention.output.LayerNorm",
        layer + "intermediate.dense",
        layer + "output.dense",
        layer + "output.LayerNorm");
  }
}
