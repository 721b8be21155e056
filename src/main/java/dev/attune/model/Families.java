package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.model.Names.Module;
import dev.attune.model.albert.Albert;
import dev.attune.model.bert.Bert;
import dev.attune.model.data2vec.Data2VecText;
import dev.attune.model.deberta.Deberta;
import dev.attune.model.distilbert.DistilBert;
import dev.attune.model.electra.Electra;
import dev.attune.model.ernie.Ernie;
import dev.attune.model.eurobert.EuroBert;
import dev.attune.model.gpt2.Gpt2;
import dev.attune.model.gptneox.GptNeox;
import dev.attune.model.llama.Llama;
import dev.attune.model.mistral.Mistral;
import dev.attune.model.modernbert.ModernBert;
import dev.attune.model.mpnet.MpNet;
import dev.attune.model.nomicbert.NomicBert;
import dev.attune.model.qwen.Qwen;
import dev.attune.model.roberta.Roberta;
import dev.attune.store.ParameterBuilder;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The registry: which families there are, and from a config.json to a model. */
public final class Families {
  /** Suffix of the class names of language models in Transformers. */
  private static final String CAUSAL = "ForCausalLM";

  /** The one family that was pretrained to find replaced tokens. */
  private static final String ELECTRA = "electra";

  /**
   * A family.
   *
   * @param modelType "model_type" of its config.json
   * @param className prefix of its class names in Transformers
   * @param languageModel suffix of the class of its language model; null: it is an encoder
   * @param reader makes a family of its config.json
   */
  public record Entry(
      String modelType,
      String className,
      String languageModel,
      Function<FamilyConfig, Family> reader) {
    /** Whether a row sees none after it. */
    public boolean isDecoder() {
      return languageModel != null;
    }

    /** Whether it can have this head. */
    boolean carries(HeadKind head) {
      if (head == HeadKind.REPLACED_TOKENS) {
        return modelType.equals(ELECTRA);
      }
      return isDecoder() ? head.fitsDecoders() : head != HeadKind.LANGUAGE_MODEL;
    }

    /** The class name that Transformers loads it with. */
    public String architecture(HeadKind head) {
      return className
          + switch (head) {
            case SEQUENCE -> "ForSequenceClassification";
            case TOKEN -> "ForTokenClassification";
            case SPAN -> "ForQuestionAnswering";
            case LANGUAGE_MODEL -> languageModel;
            case MASKED_LANGUAGE_MODEL -> "ForMaskedLM";
            case REPLACED_TOKENS -> "ForPreTraining";
            case POOLED, NONE -> "Model";
          };
    }
  }

  private static final List<Entry> ALL =
      List.of(
          encoder("bert", "Bert", Bert::family),
          encoder("roberta", "Roberta", Roberta::family),
          encoder("distilbert", "DistilBert", DistilBert::family),
          encoder("xlm-roberta", "XLMRoberta", Roberta::relative),
          encoder("camembert", "Camembert", Roberta::relative),
          encoder(ELECTRA, "Electra", Electra::family),
          encoder("albert", "Albert", Albert::family),
          encoder("mpnet", "MPNet", MpNet::family),
          encoder("modernbert", "ModernBert", ModernBert::family),
          encoder("deberta-v2", "DebertaV2", Deberta::family),
          encoder("eurobert", "EuroBert", EuroBert::family),
          encoder("ernie", "Ernie", Ernie::family),
          encoder("data2vec-text", "Data2VecText", Data2VecText::family),
          encoder("nomic_bert", "NomicBert", NomicBert::family),
          new Entry("gpt2", "GPT2", "LMHeadModel", Gpt2::family),
          new Entry("gpt_neox", "GPTNeoX", CAUSAL, GptNeox::family),
          new Entry("llama", "Llama", CAUSAL, Llama::family),
          new Entry("mistral", "Mistral", CAUSAL, Mistral::family),
          new Entry("qwen2", "Qwen2", CAUSAL, Qwen::family2),
          new Entry("qwen3", "Qwen3", CAUSAL, Qwen::family3));

  /** Why there is no family of a model type that is taken for another one's. */
  private static final Map<String, String> REFUSED =
      Map.of("deberta", ": its weights are laid out otherwise than those of deberta-v2");

  private Families() {}

  private static Entry encoder(
      String modelType, String className, Function<FamilyConfig, Family> reader) {
    return new Entry(modelType, className, null, reader);
  }

  /** Every family, encoders first. */
  public static List<Entry> all() {
    return ALL;
  }

  /** The model types of the decoders, or of the encoders, as a sentence lists them. */
  private static String list(boolean decoders) {
    return ALL.stream()
        .filter(entry -> entry.isDecoder() == decoders)
        .map(Entry::modelType)
        .collect(Collectors.joining(", "));
  }

  /**
   * The family of a config.json.
   *
   * @throws InputException if none has its model type
   */
  public static Entry of(JsonNode config) {
    String type = config.path("model_type").asText("");
    return ALL.stream()
        .filter(entry -> entry.modelType.equals(type))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "config.json: "
                        + (type.isEmpty()
                            ? "'model_type' says nothing, which"
                            : "model type '" + type + "'")
                        + " is not supported"
                        + REFUSED.getOrDefault(type, "")
                        + "; supported are "
                        + list(false)
                        + ", "
                        + list(true)));
  }

  /**
   * The family of a config.json that a model can be built of.
   *
   * @throws InputException as {@link #create} does, for any head
   */
  public static Entry checked(JsonNode config) {
    Entry entry = of(config);
    read(entry, config, null);
    return entry;
  }

  /** L: the layers of the model that config.json describes; those that share weights are one. */
  public static int layers(JsonNode config) {
    return read(of(config), config, null).config().distinctLayers();
  }

  /** Tokens of a text that the model which config.json describes was made for. */
  public static int statedLength(JsonNode config) {
    return read(of(config), config, null).config().maxLength();
  }

  /** What a family makes of its config.json, every key of which has to be known. */
  private static Family read(Entry entry, JsonNode config, Float dropout) {
    FamilyConfig keys = new FamilyConfig(config, dropout);
    Family family = entry.reader.apply(keys);
    keys.finish();
    return family;
  }

  /** The head of the class of Transformers that is called so, if a family here has it. */
  static Optional<HeadKind> headOf(String architecture) {
    return ALL.stream()
        .flatMap(
            entry ->
                Arrays.stream(HeadKind.values())
                    .filter(entry::carries)
                    .filter(head -> entry.architecture(head).equals(architecture)))
        .findFirst();
  }

  /**
   * Builds the model that config.json describes, with zeroed parameters.
   *
   * @param outputs K
   * @param dropout replaces every dropout of the config; null keeps them
   */
  public static Model create(
      Backend backend, JsonNode config, HeadKind head, int outputs, Float dropout) {
    return create(backend, config, head, outputs, dropout, new ParameterBuilder());
  }

  /**
   * The same.
   *
   * @param builder may carry adapters and the storage of frozen weights
   * @throws InputException if the config asks for what there is not, by the name of the key
   */
  public static Model create(
      Backend backend,
      JsonNode config,
      HeadKind head,
      int outputs,
      Float dropout,
      ParameterBuilder builder) {
    Entry entry = of(config);
    checkHead(entry, head);
    Family family = read(entry, config, dropout);
    if (head.isOfFamily() && !family.heads().containsKey(head)) {
      throw new InputException(
          "there is no "
              + entry.architecture(head)
              + " here; there are "
              + family.heads().keySet().stream()
                  .map(entry::architecture)
                  .collect(Collectors.joining(", ")));
    }
    Model model =
        new TransformerModel(backend, builder, family, head, outputs, entry.architecture(head));
    try {
      builder.checkTargets();
    } catch (InputException e) {
      model.close();
      throw e;
    }
    return model;
  }

  /**
   * Builds the model whose output is one vector per sequence, with zeroed parameters.
   *
   * @param pooling the rows that make it
   */
  public static TransformerModel pooled(
      Backend backend,
      JsonNode config,
      Head.Pooling pooling,
      Float dropout,
      ParameterBuilder builder) {
    TransformerModel model =
        (TransformerModel) create(backend, config, HeadKind.POOLED, 1, dropout, builder);
    model.pool(pooling);
    return model;
  }

  /** Name of the module of the word embedding that a config.json describes. */
  public static String wordEmbedding(JsonNode config) {
    return of(config).reader.apply(new FamilyConfig(config, null)).names().of(Module.WORD);
  }

  /**
   * The names of two tensors that may be one.
   *
   * @param word of the word embedding: with the body's prefix, or without
   * @param last of the last product
   */
  public record Vocabulary(Set<String> word, Set<String> last) {}

  /** What a config.json says is one weight: empty where it says nothing of that kind. */
  public static Optional<Vocabulary> sharedVocabulary(JsonNode config) {
    Entry entry = of(config);
    Family family = entry.reader.apply(new FamilyConfig(config, null));
    if (!family.config().isTied()) {
      return Optional.empty();
    }
    Names names = family.names();
    String word = names.of(Module.WORD) + ".weight";
    return Optional.of(
        new Vocabulary(
            Set.of(word, word.substring(names.bodyPrefix().length())), lastNames(names)));
  }

  private static Set<String> lastNames(Names names) {
    String last = names.of(Module.VOCABULARY) + ".weight";
    return new LinkedHashSet<>(List.of(names.stored(last), last));
  }

  /** Whether heads of sequences read the last row, which alone sees all others. */
  public static boolean readsLastRows(JsonNode config) {
    return of(config).isDecoder();
  }

  private static void checkHead(Entry entry, HeadKind head) {
    if (entry.carries(head)) {
      return;
    }
    if (head == HeadKind.REPLACED_TOKENS) {
      throw new InputException(
          "replaced tokens are found by ELECTRA's discriminator alone (ElectraForPreTraining); this"
              + " model is of type '"
              + entry.modelType
              + "'");
    }
    if (!entry.isDecoder()) {
      throw new InputException(
          "a causal language model needs a decoder ("
              + list(true)
              + "); this model is a "
              + entry.className
              + " encoder");
    }
    throw new InputException(
        (head == HeadKind.MASKED_LANGUAGE_MODEL ? "masked tokens" : "outputs on every token")
            + " need an encoder ("
            + list(false)
            + "): a decoder's tokens do not see what follows them");
  }
}
