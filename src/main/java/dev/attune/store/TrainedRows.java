package dev.attune.store;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.List;

/**
 * Which rows of tables are trained beside adapters: those of tokens.
 *
 * @param lora null: there are no adapters
 * @param adapterFolder what messages name; null: the options ask for them
 */
record TrainedRows(LoraConfig lora, String adapterFolder) {
  /**
   * The rows of a table, the least first; null: all, or none.
   *
   * @param isWords whether it is the word embedding
   * @throws InputException if there are no such rows, or the table is trained otherwise too
   */
  List<Integer> of(String tensor, long rows, boolean isWords) {
    if (lora == null) {
      return null;
    }
    String module = new Part(tensor, rows).module();
    List<Integer> ids = lora.beside().tokensOf(module, isWords);
    if (ids == null) {
      return null;
    }
    if (lora.saves(module) || lora.targetsByName(module)) {
      throw new InputException(
          option()
              + " names rows of "
              + module
              + ", which "
              + (lora.saves(module) ? "is trained whole" : "gets an adapter")
              + " too; leave one of them out");
    }
    for (int id : ids) {
      if (id < 0 || id >= rows) {
        throw new InputException(
            String.format(
                "%s has %d; the vocabulary has %d tokens (0 to %d)", option(), id, rows, rows - 1));
      }
    }
    return ids.stream().sorted().distinct().toList();
  }

  /** The same of products: a last one over the vocabulary has rows of tokens, others have none. */
  List<Integer> ofProduct(List<Part> parts, Layout layout) {
    List<Integer> trained = null;
    for (Part part : parts) {
      trained = of(part.name(), part.rows(), false);
      if (trained != null && (parts.size() > 1 || layout != Layout.PLAIN)) {
        throw new InputException(
            option()
                + " names rows of "
                + part.module()
                + ", which are of no tokens; rows are trained of embeddings and of a last product"
                + " over the vocabulary");
      }
    }
    return trained;
  }

  private String option() {
    return adapterFolder == null
        ? Term.LORA_TRAINABLE_TOKEN_INDICES.toString()
        : adapterFolder + ": trainable_token_indices";
  }
}
