package dev.attune.kernels.cuda;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A computation as cuDNN's graph API takes it: tensors, and operations over them in the order of
 * their dependencies. Plain data, so that what is asked of cuDNN can be computed without it.
 *
 * <p>All tensors have four dimensions. An operand whose extent is 1 is repeated along it; one with
 * fewer heads than the other serves as many successive heads as makes up for it.
 */
final class OperationGraph {
  /** Types of elements. */
  enum Type {
    F32,
    BF16,
    I32,
    BOOLEAN
  }

  /** Where the values of a tensor are. */
  enum Place {
    /** In device memory; the caller says where. */
    DEVICE,
    /** Nowhere: they pass from one operation to the next. */
    VIRTUAL,
    /** In the graph: one value. */
    SCALAR
  }

  /**
   * A tensor.
   *
   * @param uid names it among those of its graph
   * @param strides in elements
   * @param value of a scalar
   * @param offsets null, or (B+1,1,1,1) i32: where in memory each entry of the first dimension
   *     begins, in elements, in place of the first stride
   */
  record Tensor(
      int uid,
      String name,
      Type type,
      List<Long> dims,
      List<Long> strides,
      Place place,
      float value,
      Tensor offsets) {
    long dim(int axis) {
      return dims.get(axis);
    }
  }

  /** Element-wise operations. */
  enum Mode {
    ADD,
    SUB,
    MUL,
    DIV,
    EXP,
    LOG,
    /** The element's index along an axis. */
    GEN_INDEX,
    CMP_LT,
    CMP_GE,
    LOGICAL_AND,
    /** x where the selector is true, b elsewhere. */
    BINARY_SELECT
  }

  /** One step of the computation. */
  sealed interface Operation permits Matmul, Pointwise, Reduction, Reshape {
    Tensor out();
  }

  /**
   * Products of the last two dimensions.
   *
   * @param rows, cols, depth null, or (B,1,1,1) i32: how much of that extent of out and of the sum
   *     is real, per entry of the first dimension; the rest of out is not defined
   * @param zeroBeyond the rest of out is zero
   */
  record Matmul(
      Tensor a, Tensor b, Tensor out, Tensor rows, Tensor cols, Tensor depth, boolean zeroBeyond)
      implements Operation {}

  /**
   * An element-wise operation.
   *
   * @param b null where the mode takes one operand
   * @param selector of {@link Mode#BINARY_SELECT}, else null
   * @param axis of {@link Mode#GEN_INDEX}, else -1
   */
  record Pointwise(
      Mode mode, Tensor x, Tensor b, Tensor selector, Tensor out, Type compute, int axis)
      implements Operation {}

  /** Sums, or maxima, over the dimensions in which out is smaller than x. */
  record Reduction(boolean max, Tensor x, Tensor out) implements Operation {}

  /** The same elements, with the last two dimensions exchanged. */
  record Reshape(Tensor x, Tensor out) implements Operation {}

  private final List<Tensor> tensors = new ArrayList<>();
  private final List<Operation> operations = new ArrayList<>();

  List<Tensor> tensors() {
    return Collections.unmodifiableList(tensors);
  }

  List<Operation> operations() {
    return Collections.unmodifiableList(operations);
  }

  private Tensor add(
      String name,
      Type type,
      List<Long> dims,
      List<Long> strides,
      Place place,
      float value,
      Tensor offsets) {
    Tensor tensor =
        new Tensor(tensors.size() + 1, name, type, dims, strides, place, value, offsets);
    tensors.add(tensor);
    return tensor;
  }

  /** A tensor in device memory; see {@link Tensor}. */
  Tensor device(String name, Type type, List<Long> dims, List<Long> strides, Tensor offsets) {
    return add(name, type, dims, strides, Place.DEVICE, 0, offsets);
  }

  /** One i32 for each of {@code count} entries, in device memory. */
  Tensor counts(String name, long count) {
    return device(name, Type.I32, List.of(count, 1L, 1L, 1L), List.of(1L, 1L, 1L, 1L), null);
  }

  Tensor scalar(String name, float value) {
    List<Long> one = List.of(1L, 1L, 1L, 1L);
    return add(name, Type.F32, one, one, Place.SCALAR, value, null);
  }

  Tensor virtual(String name, Type type, List<Long> dims) {
    return add(name, type, dims, dense(dims), Place.VIRTUAL, 0, null);
  }

  /** Row-major strides. */
  static List<Long> dense(List<Long> dims) {
    return List.of(
        dims.get(1) * dims.get(2) * dims.get(3), dims.get(2) * dims.get(3), dims.get(3), 1L);
  }

  /** Virtual, f32 unless the mode says otherwise, of the shape of x. */
  Tensor pointwise(String name, Mode mode, Tensor x, Tensor b) {
    Type type =
        mode == Mode.CMP_LT || mode == Mode.CMP_GE || mode == Mode.LOGICAL_AND
            ? Type.BOOLEAN
            : Type.F32;
    Tensor out = virtual(name, type, x.dims());
    operations.add(new Pointwise(mode, x, b, null, out, type, -1));
    return out;
  }

  /** f32, into a given tensor. */
  void pointwise(Mode mode, Tensor x, Tensor b, Tensor out) {
    operations.add(new Pointwise(mode, x, b, null, out, Type.F32, -1));
  }

  /** The index of each element of x along an axis. */
  Tensor index(String name, Tensor x, int axis) {
    Tensor out = virtual(name, Type.I32, x.dims());
    operations.add(new Pointwise(Mode.GEN_INDEX, x, null, null, out, Type.I32, axis));
    return out;
  }

  /** x where the selector is true, else b. */
  Tensor select(String name, Tensor x, Tensor b, Tensor selector) {
    Tensor out = virtual(name, Type.F32, x.dims());
    operations.add(new Pointwise(Mode.BINARY_SELECT, x, b, selector, out, Type.F32, -1));
    return out;
  }

  /** See {@link Matmul}. */
  void matmul(Tensor a, Tensor b, Tensor out, Tensor rows, Tensor cols, Tensor depth) {
    operations.add(new Matmul(a, b, out, rows, cols, depth, false));
  }

  /** See {@link Matmul}. */
  void matmulZeroBeyond(Tensor a, Tensor b, Tensor out, Tensor rows, Tensor cols) {
    operations.add(new Matmul(a, b, out, rows, cols, null, true));
  }

  /** See {@link Reduction}. */
  void reduce(boolean max, Tensor x, Tensor out) {
    operations.add(new Reduction(max, x, out));
  }

  /** x with its last two dimensions exchanged, virtual, in another type where it is virtual too. */
  Tensor transposed(String name, Tensor x, Type type) {
    List<Long> dims = List.of(x.dim(0), x.dim(1), x.dim(3), x.dim(2));
    List<Long> from = x.strides();
    List<Long> strides = List.of(from.get(0), from.get(1), from.get(3), from.get(2));
    Tensor out = add(name, type, dims, strides, Place.VIRTUAL, 0, x.offsets());
    operations.add(new Reshape(x, out));
    return out;
  }
}
