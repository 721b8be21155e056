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
   * @param sequenceHead for classification and regression, on the first token
   * @param tokenHead for token classification
   * @param architecture class name prefix in Transformers: "Bert"
   */
  public record Family(
      EncoderConfig config,
      EncoderNames names,
      String body,
      Head.Spec sequenceHead,
      Head.Spec tokenHead,
      String architecture) {

    /** The same with every dropout replaced. */
    public Family withDropout(float probability) {
      return new Family(
          config.withDropout(probability), names, body, sequenceHead, tokenHead, architecture);
    }
  }

  private final Family family;
  private final Task task;
  private final int outputs;
  private final Encoder encoder;
  private final Head head;
  private final Parameters parameters;

  /**
   * Allocates the parameters (zeroed).
   *
   * @param builder may carry adapters
   * @param outputs K; 1 for regression
   */
  public EncoderModel(
      Backend backend, ParameterBuilder builder, Family family, Task task, int outputs) {
    this.family = family;
    this.task = task;
    this.outputs = outputs;
    EncoderConfig config = family.config();
    this.encoder = new Encoder(builder, config, family.names());
    Head.Spec spec = task == Task.TOKEN_CLASSIFICATION ? family.tokenHead() : family.sequenceHead();
    this.head = new Head(builder, spec, config.width(), outputs, config.classifierDropout());
    this.parameters = builder.build(backend);
  }

  /** The body alone, for features. */
  public Encoder encoder() {
    return encoder;
  }

  @Override
  public Task task() {
    return task;
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
    return head.owns(tensorName);
  }

  @Override
  public String architecture() {
    return family.architecture()
        + (task == Task.TOKEN_CLASSIFICATION
            ? "ForTokenClassification"
            : "ForSequenceClassification");
  }

  @Override
  public Tensor forward(Tape tape, Inputs inputs) {
    Tensor features =
        task == Task.TOKEN_CLASSIFICATION
            ? encoder.forward(tape, inputs)
            : encoder.forwardFirstRows(tape, inputs);
    return head.forward(tape, features);
  }

  @Override
  public void close() {
    parameters.close();
  }
}
