package dev.attune.model.decoder;

import dev.attune.kernels.Backend;
import dev.attune.model.Head;
import dev.attune.model.HeadKind;
import dev.attune.model.Inputs;
import dev.attune.model.Model;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** A decoder with the last product over the vocabulary, or with a head on each last token. */
public final class DecoderModel implements Model {
  /** Name of the product that Transformers puts on the last token. */
  private static final String SCORE = "score";

  /**
   * What a family decides.
   *
   * @param config read from config.json
   * @param names of the tensors
   * @param body prefix of the body's names without the dot: "model", "transformer"
   * @param languageModel class name in Transformers: "LlamaForCausalLM"
   * @param classifier class name in Transformers: "LlamaForSequenceClassification"
   */
  public record Family(
      DecoderConfig config,
      DecoderNames names,
      String body,
      String languageModel,
      String classifier) {

    /** The same with every dropout replaced. */
    public Family withDropout(float probability) {
      return new Family(config.withDropout(probability), names, body, languageModel, classifier);
    }
  }

  private final Family family;
  private final HeadKind kind;
  private final int outputs;
  private final Decoder decoder;
  private final Head head;
  private final Parameters parameters;
  private final Parameter vocabulary;

  /**
   * Allocates the parameters (zeroed).
   *
   * @param builder may carry adapters
   * @param outputs K of a sequence's head; of a language model the vocabulary decides
   */
  public DecoderModel(
      Backend backend, ParameterBuilder builder, Family family, HeadKind kind, int outputs) {
    this.family = family;
    this.kind = kind;
    DecoderConfig config = family.config();
    boolean isLanguageModel = kind == HeadKind.LANGUAGE_MODEL;
    this.outputs =
        isLanguageModel ? config.vocabularySize() : kind == HeadKind.SEQUENCE ? outputs : 0;
    this.decoder = new Decoder(builder, isLanguageModel ? config : config.untied(), family.names());
    this.head =
        kind != HeadKind.SEQUENCE
            ? null
            : new Head(builder, Head.Spec.linearWithoutBias(SCORE), config.width(), outputs, 0f);
    Parameter last =
        isLanguageModel && !config.tied()
            ? builder.matrix(
                family.names().head() + ".weight", config.vocabularySize(), config.width())
            : null;
    this.parameters = builder.build(backend);
    decoder.allocate(backend);
    this.vocabulary = isLanguageModel && last == null ? decoder.word() : last;
  }

  /** The body alone. */
  public Decoder decoder() {
    return decoder;
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
    return family.config().positions();
  }

  @Override
  public int positionOffset() {
    return 0;
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
    return switch (kind) {
      case LANGUAGE_MODEL -> family.languageModel();
      case SEQUENCE -> family.classifier();
      default -> family.languageModel().replaceFirst("(ForCausalLM|LMHeadModel)$", "Model");
    };
  }

  @Override
  public String sharedName(String tensorName) {
    return family.config().tied() && tensorName.equals(family.names().word() + ".weight")
        ? family.names().head() + ".weight"
        : tensorName;
  }

  @Override
  public Parameter vocabulary() {
    return vocabulary;
  }

  @Override
  public Tensor forward(Tape tape, Inputs inputs) {
    return head == null
        ? decoder.forward(tape, inputs)
        : head.forward(tape, decoder.forwardLastRows(tape, inputs));
  }

  @Override
  public void close() {
    decoder.close();
    parameters.close();
  }
}
