package dev.attune.model;

import dev.attune.kernels.Backend;
import dev.attune.model.Names.Module;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** A transformer with a head, with the last product over the vocabulary, or with neither. */
public final class TransformerModel implements Model {
  private final Family family;
  private final HeadKind kind;
  private final String architecture;
  private final int outputs;
  private final Transformer body;
  private final Head head; // null where the family's body stands alone, or under the vocabulary
  private final Parameters parameters;
  private final Parameter vocabulary; // null unless it is a language model

  /**
   * Allocates the parameters (zeroed).
   *
   * @param builder may carry adapters
   * @param outputs K of a sequence's or a token's head
   * @param architecture the class name that Transformers loads this with
   */
  TransformerModel(
      Backend backend,
      ParameterBuilder builder,
      Family family,
      HeadKind kind,
      int outputs,
      String architecture) {
    this.family = family;
    this.kind = kind;
    this.architecture = architecture;
    TransformerConfig config = family.config();
    this.outputs =
        switch (kind) {
          case SEQUENCE, TOKEN -> outputs;
          case SPAN -> 2;
          case LANGUAGE_MODEL -> config.vocabularySize();
          case NONE -> 0;
        };
    boolean isTied = kind == HeadKind.LANGUAGE_MODEL && config.isTied();
    this.body = new Transformer(builder, config, family.names(), isTied);
    Head.Spec spec = family.heads().get(kind);
    this.head = spec == null ? null : new Head(builder, spec, kind, config, this.outputs);
    Parameter last =
        kind == HeadKind.LANGUAGE_MODEL && !isTied
            ? builder.matrix(
                family.names().of(Module.VOCABULARY) + ".weight",
                config.vocabularySize(),
                config.width())
            : null;
    this.vocabulary = isTied ? body.word() : last;
    this.parameters = builder.build(backend);
    try {
      body.allocate(backend);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** What the head stands on. */
  public Transformer body() {
    return body;
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
    return family.config().maxLength();
  }

  @Override
  public int positionOffset() {
    return family.config().embeddings().positionOffset();
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public String bodyPrefix() {
    return family.names().bodyPrefix();
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
    return architecture;
  }

  @Override
  public String sharedName(String tensorName) {
    Names names = family.names();
    boolean shares =
        family.config().isTied() && tensorName.equals(names.of(Module.WORD) + ".weight");
    return shares ? names.of(Module.VOCABULARY) + ".weight" : tensorName;
  }

  @Override
  public Parameter vocabulary() {
    return vocabulary;
  }

  @Override
  public Tensor forward(Tape tape, Inputs inputs) {
    return head == null ? body.forward(tape, inputs) : head.forward(tape, body, inputs);
  }

  @Override
  public void close() {
    body.close();
    parameters.close();
  }
}
