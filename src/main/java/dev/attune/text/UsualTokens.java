package dev.attune.text;

import java.util.Map;

/** Special tokens by their roles, of classes that differ in few of them. */
final class UsualTokens {
  private UsualTokens() {}

  /** RoBERTa's, which XLM-RoBERTa, CamemBERT and MPNet have too. */
  static Map<String, String> roberta(String unknown) {
    return Map.of(
        "bos_token", "<s>",
        "pad_token", "<pad>",
        "eos_token", "</s>",
        "unk_token", unknown,
        "cls_token", "<s>",
        "sep_token", "</s>",
        "mask_token", "<mask>");
  }

  /** ALBERT's and DeBERTa-v2's: BERT's, of which two begin and end texts as well. */
  static Map<String, String> bracketed(String unknown, String pad) {
    return Map.of(
        "bos_token", "[CLS]",
        "pad_token", pad,
        "eos_token", "[SEP]",
        "unk_token", unknown,
        "cls_token", "[CLS]",
        "sep_token", "[SEP]",
        "mask_token", "[MASK]");
  }
}
