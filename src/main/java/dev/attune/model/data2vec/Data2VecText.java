package dev.attune.model.data2vec;

import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.roberta.Roberta;

/**
 * data2vec of texts (Baevski et al., 2022), as in Transformers' modeling_data2vec_text.py:
 * RoBERTa's model under another name, pretrained in another way.
 */
public final class Data2VecText {
  private Data2VecText() {}

  /** Reads config.json of a model of type "data2vec-text". */
  public static Family family(FamilyConfig config) {
    return Roberta.named("data2vec_text", config, 30_522);
  }
}
