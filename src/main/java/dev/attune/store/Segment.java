package dev.attune.store;

import dev.attune.core.DType;
import java.util.List;

/**
 * One named Hugging Face tensor inside the flat store.
 *
 * @param name as in the model folder
 * @param shape as in the model folder
 * @param first first element in the flat store; of a frozen tensor the first byte among the frozen
 * @param count number of elements
 * @param decays whether weight decay applies
 * @param layout of the folder's elements in the store
 * @param dtype F32, or how a frozen matrix is held
 * @param frozen whether it takes no gradient, ever
 * @param trainedRows rows of a matrix that are trained, the least first; null: all, unless it is
 *     frozen
 * @param depth where in the model it stands
 */
public record Segment(
    String name,
    long[] shape,
    long first,
    long count,
    boolean decays,
    Layout layout,
    DType dtype,
    boolean frozen,
    List<Integer> trainedRows,
    Depth depth) {}
