package dev.attune.model;

import dev.attune.kernels.Backend;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** An encoder with a head: what the BERT-like families return. */
public final class EncoderModel implements Model {
  /**
   * What a family decides.
   *
   * @param config read from config.json
   * @param names of the body's tensors
   * @param body prefix of the body's names without the dot: "bert"
   * @param sequenceHead on the first token
   * @param tokenHead on every token, one vector each
   * @param spanHead on every token, for the ends of spans
   * @param architecture class name prefix in Transformers: "Bert"
   */
  public record Family(
      EncoderConfig config,
      EncoderNames names,
      String body,
      Head.Spec sequenceHead,
      Head.Spec tokenHead,
      Head.Spec spanHead,
      String architecture) {

    private Head.Spec spec(HeadKind kind) {
      return switch (kind) {
        case SEQUENCE -> sequenceHead;
        case TOKEN -> tokenHead;
        case SPAN -> spanHead;
        case NONE -> null;
        case LANGUAGE_MODEL -> throw new IllegalArgumentException("an encoder as language model");
      };
    }

    /** The same with every dropout replaced. */
    public Family withDropout(float probability) {
      return new Family(
          config.withDropout(probability),
          names,
          body,
          sequenceHead,
          tokenHead,
          spanHead,
          architecture);
    }
  }

  private final Family family;
  private final HeadKind kind;
  private final int outputs;
  private final Encoder encoder;
  private final Head head;
  private final Parameters parameters;

  /**
   * Allocates the parameters (zeroed).
   *
   * @param builder may carry adapters
   * @param outputs K of a sequence's or a token's head
   */
  public EncoderModel(
      Backend backend, ParameterBuilder builder, Family family, HeadKind kind, int outputs) {
    this.family = family;
    this.kind = kind;
    this.outputs =
        switch (kind) {
          case SPAN -> 2;
          case NONE -> 0;
          default -> outputs;
        };
    EncoderConfig config = family.config();
    this.encoder = new Encoder(builder, config, family.names());
    Head.Spec spec = family.spec(kind);
    this.head =
        spec == null
            ? null
            : new Head(builder, spec, config.width(), this.outputs, config.classifierDropout());
    this.parameters = builder.build(backend);
  }

  /** The body alone, for features. */
  public Encoder encoder() {
    return encoder;
  }

  @Override
  public HeadKind head() {
    return kind;
  }

  @Override
  public int outputs() {
    return outputs;
  }

  @Override
  public int maxLength() {
    return family.config().positions() - family.config().positionOffset();
  }

  @Override
  public int positionOffset() {
    return family.config().positionOffset();
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public String bodyPrefix() {
    return family.body() + ".";
  }

  @Override
  public float initializerRange() {
    return family.config().initializerRange();
  }

  @Override
  public boolean isHead(String tensorName) {
    return head != null && head.owns(tensorName);
  }

  @Override
  public String architecture() {
    return family.architecture()
        + switch (kind) {
          case SEQUENCE -> "ForSequenceClassification";
          case TOKEN -> "ForTokenClassification";
          case SPAN -> "ForQuestionAnswering";
          default -> "Model";
        };
  }

  @Override
  public Tensor forward(Tape tape, Inputs inputs) {
    Tensor features =
        kind == HeadKind.SEQUENCE
            ? encoder.forwardFirstRows(tape, inputs)
            : encoder.forward(tape, inputs);
    return head == null ? features : head.forward(tape, features);
  }

  @Override
  public void close() {
    parameters.close();
  }
}
