package dev.attune.tape;

/**
 * One named Hugging Face tensor inside the flat store.
 *
 * @param name as in the model folder
 * @param shape as in the model folder
 * @param first first element in the flat store
 * @param count number of elements
 * @param decays whether weight decay applies
 * @param layout of the folder's elements in the store
 */
public record Segment(
    String name, long[] shape, long first, long count, boolean decays, Layout layout) {}
