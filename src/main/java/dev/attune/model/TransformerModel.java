package dev.attune.model;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.model.Names.Module;
import dev.attune.ops.Cast;
import dev.attune.ops.Projection;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.List;
import java.util.Optional;

/** A transformer with a head, with the last product over the vocabulary, or with neither. */
public final class TransformerModel implements Model {
  private final Family family;
  private final HeadKind kind;
  private final String architecture;
  private final int outputs;
  private final Transformer body;
  private final Head head; // null where the family's body stands alone, or under the vocabulary
  private final Parameters parameters;
  private final boolean sharesVocabulary;
  private final Projection vocabulary; // null unless it is a language model
  private Head.Pooling pooling = Head.Pooling.MEAN; // where there is no head but pooling
  private Model generator; // null: nothing reads what another model writes

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
          case REPLACED_TOKENS -> 1;
          case LANGUAGE_MODEL, MASKED_LANGUAGE_MODEL -> config.vocabularySize();
          case POOLED, NONE -> 0;
        };
    String wordName = family.names().of(Module.WORD);
    String lastName = kind.hasVocabulary() ? family.names().of(Module.VOCABULARY) : null;
    this.sharesVocabulary =
        lastName != null && config.isTied() && !builder.separates(wordName, lastName);
    this.body = new Transformer(builder, config, family.names(), sharesVocabulary);
    Head.Spec spec = family.heads().get(kind);
    this.head =
        spec == null ? null : new Head(builder, spec, kind, config, family.names(), this.outputs);
    builder.isHead(true);
    this.vocabulary =
        lastName == null
            ? null
            : Projection.over(
                builder,
                lastName,
                sharesVocabulary
                    ? body.word()
                    : builder.matrix(
                        lastName + ".weight", config.vocabularySize(), config.embeddings().width()),
                hasVocabularyBias(spec)
                    ? builder.vector(vocabularyBias(sharesVocabulary), config.vocabularySize())
                    : null);
    this.parameters = builder.build(backend);
    try {
      if (builder.isRun()) {
        body.allocate(backend);
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private boolean hasVocabularyBias(Head.Spec spec) {
    return kind == HeadKind.MASKED_LANGUAGE_MODEL && spec.outBias();
  }

  /** Transformers' classes call it by another name than the product's where they share it. */
  private String vocabularyBias(boolean shared) {
    Names names = family.names();
    boolean isApart = shared && names.has(Module.VOCABULARY_BIAS);
    return names.of(isApart ? Module.VOCABULARY_BIAS : Module.VOCABULARY) + ".bias";
  }

  /** Says which rows of a sequence make its vector, where that is the output. */
  void pool(Head.Pooling rows) {
    pooling = rows;
  }

  /**
   * Takes over a model that writes what this one reads: it is closed with this one.
   *
   * @param writer a masked language model
   */
  public void readFrom(Model writer) {
    generator = writer;
  }

  @Override
  public Model generator() {
    return generator;
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
  public int width() {
    return family.config().width();
  }

  @Override
  public int maxLength() {
    return body.reach();
  }

  @Override
  public int statedLength() {
    return family.config().maxLength();
  }

  @Override
  public Beyond beyond() {
    return family.config().beyond();
  }

  @Override
  public boolean reach(int length) {
    return body.reach(length);
  }

  @Override
  public int positionOffset() {
    return family.config().embeddings().positionOffset();
  }

  @Override
  public List<Rotary> batchRotaries() {
    return body.batchRotaries();
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
    boolean isOfVocabulary =
        kind == HeadKind.MASKED_LANGUAGE_MODEL
            && (tensorName.equals(vocabularyBias(sharesVocabulary))
                || tensorName.equals(family.names().of(Module.VOCABULARY) + ".weight"));
    return isOfVocabulary || head != null && head.owns(tensorName);
  }

  @Override
  public String architecture() {
    return architecture;
  }

  /** A class without head is the body itself, and its names lack the body's prefix. */
  @Override
  public String savedName(String name) {
    boolean isBare = kind == HeadKind.POOLED && name.startsWith(bodyPrefix());
    return isBare ? name.substring(bodyPrefix().length()) : name;
  }

  @Override
  public String sharedName(String tensorName) {
    if (!family.config().isTied()) {
      return tensorName;
    }
    Names names = family.names();
    String word = names.of(Module.WORD) + ".weight";
    String last = names.of(Module.VOCABULARY);
    if (tensorName.equals(vocabularyBias(true))) {
      return last + ".bias";
    }
    String weight = last + ".weight";
    return tensorName.equals(word) ? weight : tensorName.equals(weight) ? word : tensorName;
  }

  @Override
  public String storedName(String tensorName) {
    return family.names().stored(tensorName);
  }

  @Override
  public Optional<Names.Share> originalShare(String tensorName) {
    return family.names().original(tensorName);
  }

  @Override
  public boolean partsVocabulary() {
    return vocabulary != null && family.config().isTied() && !sharesVocabulary;
  }

  @Override
  public String wordEmbedding() {
    return family.names().of(Module.WORD);
  }

  @Override
  public Projection vocabulary() {
    return vocabulary;
  }

  @Override
  public Tensor beforeVocabulary(Tape tape, Tensor rows) {
    return kind == HeadKind.MASKED_LANGUAGE_MODEL ? head.beforeLast(tape, rows) : rows;
  }

  @Override
  public Tensor forward(Tape tape, Inputs inputs) {
    if (kind == HeadKind.POOLED) {
      return Cast.apply(tape, pooling.apply(tape, body, inputs), DType.F32);
    }
    return endsWithBody() ? body.forward(tape, inputs) : head.forward(tape, body, inputs);
  }

  /** A language model's rows meet no head before their loss. */
  private boolean endsWithBody() {
    return head == null || kind == HeadKind.MASKED_LANGUAGE_MODEL;
  }

  @Override
  public Tensor[] lower(Tape tape, Inputs inputs) {
    return endsWithBody()
        ? new Tensor[] {body.forward(tape, inputs)}
        : body.forwardBelowLast(tape, inputs);
  }

  @Override
  public Tensor upper(Tape tape, Tensor[] lower, Inputs inputs) {
    return endsWithBody() ? lower[0] : body.above(lower, () -> head.forward(tape, body, inputs));
  }

  @Override
  public boolean canShareLayers() {
    return kind != HeadKind.POOLED && body.canShareLayers();
  }

  @Override
  public void close() {
    if (generator != null) {
      generator.close();
    }
    body.close();
    parameters.close();
  }
}
