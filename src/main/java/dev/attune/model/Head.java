package dev.attune.model;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.ops.Cast;
import dev.attune.ops.Dropout;
import dev.attune.ops.Linear;
import dev.attune.ops.MeanPool;
import dev.attune.ops.Projection;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.function.Supplier;

/**
 * A head: dropout, an optional dense layer with its activation and its norm, dropout, the last
 * product; all in f32. That of a masked language model ends before its last product, which the loss
 * takes, and computes in the type of the body: the vocabulary would cost twice as much in f32.
 */
public final class Head {
  /** Which rows a head of sequences reads. */
  public enum Pooling {
    /** The first of each sequence. */
    FIRST,
    /** The last of each sequence, which alone sees all others in a causal model. */
    LAST,
    /** Their mean. */
    MEAN,
    /** All, of which the dense layer's results are averaged. */
    LATE;

    /** Runs the body for what is read of it: (B,C). */
    Tensor apply(Tape tape, Transformer body, Inputs inputs) {
      return switch (this) {
        case FIRST -> body.forwardFirstRows(tape, inputs);
        case LAST -> body.forwardLastRows(tape, inputs);
        case MEAN ->
            MeanPool.apply(
                tape, body.forward(tape, inputs), inputs.cuSeqlens(), inputs.sequences());
        case LATE -> body.forward(tape, inputs);
      };
    }
  }

  /**
   * Names and choices of a family's head.
   *
   * @param out name of the last product; null: it is the vocabulary's
   * @param outBias whether the last product has a bias
   * @param dense name of the dense layer, or null
   * @param denseBias whether it has a bias
   * @param activation of the dense layer
   * @param norm name of the norm behind the activation, or null
   * @param dropoutBefore before the dense layer
   * @param dropout before the last product
   * @param pooling of heads of sequences
   */
  public record Spec(
      String out,
      boolean outBias,
      String dense,
      boolean denseBias,
      Activation activation,
      String norm,
      float dropoutBefore,
      float dropout,
      Pooling pooling) {
    /** The last product alone, on first rows where it is of sequences. */
    public static Spec linear(String out) {
      return new Spec(out, true, null, false, Activation.NONE, null, 0f, 0f, Pooling.FIRST);
    }

    /** What Transformers puts on decoders: a product without bias, on last rows. */
    public static Spec score() {
      return linear("score").outBias(false).pooling(Pooling.LAST);
    }

    /** What stands before the vocabulary: a dense layer to the width of the embeddings. */
    public static Spec beforeVocabulary(String dense, Activation function) {
      return linear(null).dense(dense, function);
    }

    /** With a bias in the last product, or without. */
    public Spec outBias(boolean has) {
      return new Spec(
          out, has, dense, denseBias, activation, norm, dropoutBefore, dropout, pooling);
    }

    /** With dropout before the last product. */
    public Spec dropout(float probability) {
      return new Spec(
          out, outBias, dense, denseBias, activation, norm, dropoutBefore, probability, pooling);
    }

    /** With a dense layer. */
    public Spec dense(String name, Activation function) {
      return new Spec(out, outBias, name, true, function, norm, dropoutBefore, dropout, pooling);
    }

    /** With a bias in the dense layer, or without. */
    public Spec denseBias(boolean has) {
      return new Spec(out, outBias, dense, has, activation, norm, dropoutBefore, dropout, pooling);
    }

    /** With a norm behind the dense layer. */
    public Spec norm(String name) {
      return new Spec(
          out, outBias, dense, denseBias, activation, name, dropoutBefore, dropout, pooling);
    }

    /** With dropout before the dense layer. */
    public Spec dropoutBefore(float probability) {
      return new Spec(
          out, outBias, dense, denseBias, activation, norm, probability, dropout, pooling);
    }

    /** On other rows than the first. */
    public Spec pooling(Pooling rows) {
      return new Spec(
          out, outBias, dense, denseBias, activation, norm, dropoutBefore, dropout, rows);
    }
  }

  private final Spec spec;
  private final boolean ofSequences;
  private final boolean isPretrained;
  private final Projection dense; // null where there is none
  private final Norm norm; // null where there is none
  private final Projection out; // null where the vocabulary's product follows

  /**
   * Declares a head's parameters.
   *
   * @param kind of sequences or of rows
   * @param names of the base model; a pooler may be among them
   * @param outputs K
   */
  Head(
      ParameterBuilder builder,
      Spec spec,
      HeadKind kind,
      TransformerConfig config,
      Names names,
      int outputs) {
    this.spec = spec;
    this.ofSequences = kind == HeadKind.SEQUENCE;
    this.isPretrained = kind.isPretrained();
    int C = config.width();
    int width = spec.out() == null ? config.embeddings().width() : C;
    this.dense =
        spec.dense() == null
            ? null
            : declare(
                builder,
                names,
                spec.dense(),
                () -> Projection.declare(builder, spec.dense(), width, C, spec.denseBias()));
    this.norm =
        spec.norm() == null
            ? null
            : declare(
                builder,
                names,
                spec.norm(),
                () -> Norm.declare(builder, spec.norm(), config.norms(), width));
    this.out =
        spec.out() == null
            ? null
            : declare(
                builder,
                names,
                spec.out(),
                () -> Projection.declare(builder, spec.out(), outputs, C, spec.outBias()));
  }

  /** Adapters leave what was pretrained as it is. */
  private <T> T declare(
      ParameterBuilder builder, Names names, String module, Supplier<T> declaration) {
    builder.isHead(!module.startsWith(names.bodyPrefix()));
    return isPretrained ? declaration.get() : builder.asHead(declaration);
  }

  /** Whether a tensor name is one of this head's. */
  boolean owns(String tensorName) {
    String module = tensorName.substring(0, Math.max(0, tensorName.lastIndexOf('.')));
    return module.equals(spec.out()) || module.equals(spec.dense()) || module.equals(spec.norm());
  }

  /** Runs the body and the head: logits (B,K) or (N,K), f32. */
  Tensor forward(Tape tape, Transformer body, Inputs inputs) {
    Tensor x = Cast.apply(tape, features(tape, body, inputs), DType.F32);
    x = beforeLast(tape, x);
    if (ofSequences && spec.pooling() == Pooling.LATE) {
      x = MeanPool.apply(tape, x, inputs.cuSeqlens(), inputs.sequences());
    }
    x = Dropout.apply(tape, x, spec.dropout());
    return Linear.apply(tape, x, out);
  }

  /** All but the last product, of rows of the body: (M,C) to (M,C), or to (M,E). */
  Tensor beforeLast(Tape tape, Tensor rows) {
    Tensor x = rows;
    if (dense != null) {
      x = Dropout.apply(tape, x, spec.dropoutBefore());
      x = Linear.apply(tape, x, dense, spec.activation());
    }
    if (norm != null) {
      x = norm.after(tape, x, null, 0f, 0f);
    }
    return x;
  }

  private Tensor features(Tape tape, Transformer body, Inputs inputs) {
    return ofSequences ? spec.pooling().apply(tape, body, inputs) : body.forward(tape, inputs);
  }
}
