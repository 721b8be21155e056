package dev.attune.model;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.model.bert.Bert;
import dev.attune.model.distilbert.DistilBert;
import dev.attune.model.roberta.Roberta;

/** From config.json to a model. */
public final class Families {
  private Families() {}

  /**
   * Builds the model that config.json describes, with zeroed parameters.
   *
   * @param outputs K
   * @param dropout replaces every dropout of the config; null keeps them
   */
  public static Model create(
      Backend backend, JsonNode config, Task task, int outputs, Float dropout) {
    String type = config.path("model_type").asText("");
    EncoderModel.Family family =
        switch (type) {
          case "bert" -> Bert.family(config);
          case "roberta" -> Roberta.family(config);
          case "distilbert" -> DistilBert.family(config, task);
          default ->
              throw new InputException(
                  "config.json: model type '"
                      + type
                      + "' is not supported; supported are bert, roberta and distilbert");
        };
    if (dropout != null) {
      family =
          new EncoderModel.Family(
              family.config().withDropout(dropout),
              family.names(),
              family.body(),
              family.sequenceHead().withDropout(dropout),
              family.tokenHead(),
              family.architecture());
    }
    return new EncoderModel(backend, family, task, outputs);
  }
}
