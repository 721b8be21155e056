package dev.attune.store;

import java.util.List;

/**
 * The low-rank adapters of a weight.
 *
 * @param weight whose they are
 * @param adapters of its modules; none where none is adapted
 * @param lora what they were made by; null where there are none
 */
record AdapterSet(Parameter weight, List<Adapter> adapters, LoraConfig lora) {}
