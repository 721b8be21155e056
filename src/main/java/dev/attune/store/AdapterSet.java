package dev.attune.store;

import java.util.List;

/**
 * The low-rank adapters of a product's weight.
 *
 * @param weight whose they are
 * @param parts the modules whose rows are the weight's
 * @param adapters of its modules; none where none is adapted
 * @param lora what they were made by; null where there are none
 */
record AdapterSet(Parameter weight, List<Part> parts, List<Adapter> adapters, LoraConfig lora) {
  /** Those that have a share in the columns {@code begin..end} of the product, cut to them. */
  List<Adapter> columns(long begin, long end) {
    int first = 0;
    for (long column = parts.get(0).rows(); column <= begin; column += parts.get(first).rows()) {
      first++;
    }
    int shift = first;
    return adapters.stream()
        .filter(a -> a.firstColumn() < end && a.firstColumn() + a.up().rows() > begin)
        .map(a -> a.columns(begin, end, shift))
        .toList();
  }
}
