package dev.attune.model;

import dev.attune.ops.Embedding;
import dev.attune.ops.LayerNorm;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.List;

/** The body of BERT, RoBERTa and DistilBERT: embeddings and a stack of layers. */
public final class Encoder {
  private final EncoderConfig config;
  private final Parameter word;
  private final Parameter position;
  private final Parameter type; // null where the family has none
  private final Norm norm;
  private final List<EncoderLayer> layers = new ArrayList<>();

  /** Declares the body's parameters. */
  public Encoder(ParameterBuilder builder, EncoderConfig config, EncoderNames names) {
    this.config = config;
    int C = config.width();
    this.word = builder.wordEmbedding(names.word() + ".weight", config.vocabularySize(), C);
    this.position = builder.matrix(names.position() + ".weight", config.positions(), C);
    this.type =
        config.types() > 0 ? builder.matrix(names.type() + ".weight", config.types(), C) : null;
    this.norm = Norm.declare(builder, names.embeddingNorm(), C, config.layerNormEps());
    for (int layer = 0; layer < config.layers(); layer++) {
      layers.add(new EncoderLayer(builder, config, names, layer));
    }
  }

  public EncoderConfig config() {
    return config;
  }

  /** The last layer's output for every row: (N,C). */
  public Tensor forward(Tape tape, Inputs inputs) {
    Tensor x = embed(tape, inputs);
    for (EncoderLayer layer : layers) {
      x = forward(tape, layer, x, inputs);
    }
    return x;
  }

  /**
   * The last layer's output for the first row of each sequence: (B,C). The last layer skips the
   * work on all other rows, which nobody would read.
   */
  public Tensor forwardFirstRows(Tape tape, Inputs inputs) {
    Tensor x = embed(tape, inputs);
    int last = layers.size() - 1;
    for (int layer = 0; layer < last; layer++) {
      x = forward(tape, layers.get(layer), x, inputs);
    }
    return layers.get(last).forwardFirstRows(tape, x, inputs);
  }

  private static Tensor forward(Tape tape, EncoderLayer layer, Tensor x, Inputs inputs) {
    Tensor[] out =
        tape.checkpoint(new Tensor[] {x}, in -> new Tensor[] {layer.forward(tape, in[0], inputs)});
    tape.keepOnly(out[0]);
    return out[0];
  }

  private Tensor embed(Tape tape, Inputs inputs) {
    Tensor sum =
        Embedding.apply(
            tape,
            word,
            position,
            type,
            inputs.rows(),
            inputs.ids(),
            inputs.positions(),
            inputs.typeIds());
    return LayerNorm.apply(tape, sum, null, norm.affine(), 0f, config.hiddenDropout());
  }
}
