package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.model.bert.Bert;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.distilbert.DistilBert;
import dev.attune.model.gpt2.Gpt2;
import dev.attune.model.gptneox.GptNeox;
import dev.attune.model.llama.Llama;
import dev.attune.model.mistral.Mistral;
import dev.attune.model.qwen.Qwen;
import dev.attune.model.roberta.Roberta;
import dev.attune.store.ParameterBuilder;
import java.util.List;

/** From config.json to a model. */
public final class Families {
  private static final String ENCODERS = "bert, roberta, distilbert";
  private static final String DECODERS = "gpt2, gpt_neox, llama, mistral, qwen2, qwen3";

  private Families() {}

  /**
   * Builds the model that config.json describes, with zeroed parameters.
   *
   * @param outputs K of a sequence's or a token's head
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
   */
  public static Model create(
      Backend backend,
      JsonNode config,
      HeadKind head,
      int outputs,
      Float dropout,
      ParameterBuilder builder) {
    String type = config.path("model_type").asText("");
    Model model =
        switch (type) {
          case "bert" -> encoder(backend, Bert.family(config), head, outputs, dropout, builder);
          case "roberta" ->
              encoder(backend, Roberta.family(config), head, outputs, dropout, builder);
          case "distilbert" ->
              encoder(backend, DistilBert.family(config, head), head, outputs, dropout, builder);
          case "gpt2" -> decoder(backend, Gpt2.family(config), head, outputs, dropout, builder);
          case "gpt_neox" ->
              decoder(backend, GptNeox.family(config), head, outputs, dropout, builder);
          case "llama" -> decoder(backend, Llama.family(config), head, outputs, dropout, builder);
          case "mistral" ->
              decoder(backend, Mistral.family(config), head, outputs, dropout, builder);
          case "qwen2" -> decoder(backend, Qwen.family2(config), head, outputs, dropout, builder);
          case "qwen3" -> decoder(backend, Qwen.family3(config), head, outputs, dropout, builder);
          default -> throw unsupported(type);
        };
    try {
      builder.checkTargets();
    } catch (InputException e) {
      model.close();
      throw e;
    }
    return model;
  }

  /** Refuses the config.json of a model type that {@link #create} does not know. */
  public static void checkSupported(JsonNode config) {
    String type = config.path("model_type").asText("");
    if (!List.of((ENCODERS + ", " + DECODERS).split(", ")).contains(type)) {
      throw unsupported(type);
    }
  }

  private static InputException unsupported(String type) {
    return new InputException(
        "config.json: model type '"
            + type
            + "' is not supported; supported are "
            + ENCODERS
            + ", "
            + DECODERS);
  }

  private static Model encoder(
      Backend backend,
      EncoderModel.Family family,
      HeadKind head,
      int outputs,
      Float dropout,
      ParameterBuilder builder) {
    if (head == HeadKind.LANGUAGE_MODEL) {
      throw new InputException(
          "a causal language model needs a decoder ("
              + DECODERS
              + "); this model is a "
              + family.architecture()
              + " encoder");
    }
    return new EncoderModel(
        backend, builder, dropout == null ? family : family.withDropout(dropout), head, outputs);
  }

  private static Model decoder(
      Backend backend,
      DecoderModel.Family family,
      HeadKind head,
      int outputs,
      Float dropout,
      ParameterBuilder builder) {
    if (!head.fitsDecoders()) {
      throw new InputException(
          "outputs on every token need an encoder ("
              + ENCODERS
              + "): a decoder's tokens do not see what follows them");
    }
    return new DecoderModel(
        backend, builder, dropout == null ? family : family.withDropout(dropout), head, outputs);
  }
}
