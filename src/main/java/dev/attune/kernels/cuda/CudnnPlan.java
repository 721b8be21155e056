package dev.attune.kernels.cuda;

import dev.attune.kernels.cuda.OperationGraph.Matmul;
import dev.attune.kernels.cuda.OperationGraph.Mode;
import dev.attune.kernels.cuda.OperationGraph.Operation;
import dev.attune.kernels.cuda.OperationGraph.Place;
import dev.attune.kernels.cuda.OperationGraph.Pointwise;
import dev.attune.kernels.cuda.OperationGraph.Reduction;
import dev.attune.kernels.cuda.OperationGraph.Reshape;
import dev.attune.kernels.cuda.OperationGraph.Tensor;
import dev.attune.kernels.cuda.OperationGraph.Type;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.cudnn.cudnnBackendDescriptor_t;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * A graph that cuDNN has compiled: descriptors of the backend API, and the first execution plan of
 * those its heuristics offer that it can finalize.
 */
final class CudnnPlan implements AutoCloseable {
  /** How far plans are tried: further ones are slower than our own kernels would be. */
  private static final int CANDIDATES = 8;

  /** What device memory is aligned to, as far as cuDNN's vector accesses go. */
  private static final int ALIGNMENT = 16;

  /** What plans are made for: a device that is here, or one that is only described. */
  static final class Target {
    private final cudnnContext handle;
    private final cudnnBackendDescriptor_t properties;

    private Target(cudnnContext handle, cudnnBackendDescriptor_t properties) {
      this.handle = handle;
      this.properties = properties;
    }

    static Target of(cudnnContext handle) {
      return new Target(handle, null);
    }

    /**
     * A device that need not be here; its plans can be made and not run.
     *
     * @param json as cuDNN writes the properties of a device
     */
    static Target described(String json) {
      cudnnBackendDescriptor_t properties = new cudnnBackendDescriptor_t();
      check(
          "cudnnBackendCreateDescriptor",
          cudnn.cudnnBackendCreateDescriptor(
              cudnn.CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, properties));
      try (BytePointer text = new BytePointer(json)) {
        int length = json.length();
        check(
            "cudnnBackendSetAttribute",
            cudnn.cudnnBackendSetAttribute(
                properties,
                cudnn.CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                cudnn.CUDNN_TYPE_CHAR,
                length,
                text));
      }
      check("cudnnBackendFinalize", cudnn.cudnnBackendFinalize(properties));
      return new Target(null, properties);
    }
  }

  private final List<cudnnBackendDescriptor_t> descriptors = new ArrayList<>();
  private final Map<Integer, cudnnBackendDescriptor_t> tensors = new HashMap<>();
  private final cudnnBackendDescriptor_t plan;
  private final long workspaceBytes;
  private final Map<Integer, Integer> places = new HashMap<>();
  private final PointerPointer<Pointer> addresses;
  private final FloatPointer scalars;
  private final LongPointer uids;
  private final Address address = new Address();
  private final PointerPointer<Pointer> one = new PointerPointer<>(1);

  /**
   * Compiles a graph, which takes about a second.
   *
   * @throws CudaFailure if cuDNN has no plan for it, with its reason
   */
  CudnnPlan(OperationGraph graph, Target target) {
    List<Tensor> given =
        graph.tensors().stream().filter(tensor -> tensor.place() != Place.VIRTUAL).toList();
    this.addresses = new PointerPointer<>(given.size());
    this.scalars = new FloatPointer(given.size());
    this.uids = new LongPointer(given.size());
    try {
      graph.tensors().forEach(this::tensor);
      cudnnBackendDescriptor_t operations =
          operationGraph(graph.operations().stream().map(this::operation).toList(), target);
      this.plan = firstPlan(operations, target);
      try (LongPointer size = new LongPointer(1)) {
        get(plan, cudnn.CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, cudnn.CUDNN_TYPE_INT64, size);
        this.workspaceBytes = size.get();
      }
      for (int i = 0; i < given.size(); i++) {
        Tensor tensor = given.get(i);
        places.put(tensor.uid(), i);
        uids.put(i, tensor.uid());
        if (tensor.place() == Place.SCALAR) {
          scalars.put(i, tensor.value());
          addresses.put(i, new Address().at(scalars.address() + (long) i * Float.BYTES));
        }
      }
    } catch (CudaFailure e) {
      close();
      throw e;
    }
  }

  /** Device memory that {@link #run} needs besides the tensors. */
  long workspaceBytes() {
    return workspaceBytes;
  }

  /** Says where a tensor in device memory is, for the next runs. */
  CudnnPlan at(Tensor tensor, long where) {
    addresses.put(places.get(tensor.uid()), address.at(where));
    return this;
  }

  /** Enqueues the computation on the handle's stream. */
  void run(cudnnContext handle, long workspace) {
    cudnnBackendDescriptor_t pack = new cudnnBackendDescriptor_t();
    check(
        "cudnnBackendCreateDescriptor",
        cudnn.cudnnBackendCreateDescriptor(cudnn.CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, pack));
    try {
      set(
          pack,
          cudnn.CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
          cudnn.CUDNN_TYPE_INT64,
          uids.capacity(),
          uids);
      set(
          pack,
          cudnn.CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
          cudnn.CUDNN_TYPE_VOID_PTR,
          addresses.capacity(),
          addresses);
      set(
          pack,
          cudnn.CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
          cudnn.CUDNN_TYPE_VOID_PTR,
          address.at(workspace));
      check("cudnnBackendFinalize", cudnn.cudnnBackendFinalize(pack));
      check("cudnnBackendExecute", cudnn.cudnnBackendExecute(handle, plan, pack));
    } finally {
      cudnn.cudnnBackendDestroyDescriptor(pack);
    }
  }

  @Override
  public void close() {
    for (int i = descriptors.size() - 1; i >= 0; i--) {
      cudnn.cudnnBackendDestroyDescriptor(descriptors.get(i));
    }
    descriptors.clear();
    addresses.close();
    scalars.close();
    uids.close();
    one.close();
  }

  // ---- descriptors
  // --------------------------------------------------------------------------------

  private void tensor(Tensor tensor) {
    cudnnBackendDescriptor_t descriptor = create(cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(
        descriptor,
        cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE,
        cudnn.CUDNN_TYPE_DATA_TYPE,
        code(tensor.type()));
    set(descriptor, cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS, tensor.dims());
    set(descriptor, cudnn.CUDNN_ATTR_TENSOR_STRIDES, tensor.strides());
    set(descriptor, cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID, List.of((long) tensor.uid()));
    set(descriptor, cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, List.of((long) ALIGNMENT));
    if (tensor.place() == Place.VIRTUAL) {
      set(descriptor, cudnn.CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
    }
    if (tensor.place() == Place.SCALAR) {
      set(descriptor, cudnn.CUDNN_ATTR_TENSOR_IS_BY_VALUE, true);
    }
    if (tensor.offsets() != null) {
      set(descriptor, cudnn.CUDNN_ATTR_TENSOR_RAGGED_OFFSET_DESC, tensor.offsets());
    }
    finish(descriptor);
    tensors.put(tensor.uid(), descriptor);
  }

  private cudnnBackendDescriptor_t operation(Operation operation) {
    if (operation instanceof Matmul matmul) {
      return matmul(matmul);
    } else if (operation instanceof Pointwise pointwise) {
      return pointwise(pointwise);
    } else if (operation instanceof Reduction reduction) {
      return reduction(reduction);
    }
    Reshape reshape = (Reshape) operation;
    cudnnBackendDescriptor_t op = create(cudnn.CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
    set(op, cudnn.CUDNN_ATTR_OPERATION_RESHAPE_XDESC, reshape.x());
    set(op, cudnn.CUDNN_ATTR_OPERATION_RESHAPE_YDESC, reshape.out());
    return finish(op);
  }

  private cudnnBackendDescriptor_t matmul(Matmul matmul) {
    cudnnBackendDescriptor_t kind = create(cudnn.CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    set(kind, cudnn.CUDNN_ATTR_MATMUL_COMP_TYPE, cudnn.CUDNN_TYPE_DATA_TYPE, code(Type.F32));
    if (matmul.zeroBeyond()) {
      try (DoublePointer zero = new DoublePointer(new double[] {0})) {
        set(kind, cudnn.CUDNN_ATTR_MATMUL_PADDING_VALUE, cudnn.CUDNN_TYPE_DOUBLE, 1, zero);
      }
    }
    finish(kind);
    cudnnBackendDescriptor_t op = create(cudnn.CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_ADESC, matmul.a());
    set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_BDESC, matmul.b());
    set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_CDESC, matmul.out());
    set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_DESC, kind);
    if (matmul.rows() != null) {
      set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC, matmul.rows());
    }
    if (matmul.cols() != null) {
      set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC, matmul.cols());
    }
    if (matmul.depth() != null) {
      set(op, cudnn.CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC, matmul.depth());
    }
    return finish(op);
  }

  private cudnnBackendDescriptor_t pointwise(Pointwise pointwise) {
    cudnnBackendDescriptor_t kind = create(cudnn.CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(
        kind,
        cudnn.CUDNN_ATTR_POINTWISE_MODE,
        cudnn.CUDNN_TYPE_POINTWISE_MODE,
        code(pointwise.mode()));
    set(
        kind,
        cudnn.CUDNN_ATTR_POINTWISE_MATH_PREC,
        cudnn.CUDNN_TYPE_DATA_TYPE,
        code(pointwise.compute()));
    if (pointwise.mode() == Mode.GEN_INDEX) {
      set(kind, cudnn.CUDNN_ATTR_POINTWISE_AXIS, List.of((long) pointwise.axis()));
    }
    finish(kind);
    cudnnBackendDescriptor_t op = create(cudnn.CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set(op, cudnn.CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind);
    set(op, cudnn.CUDNN_ATTR_OPERATION_POINTWISE_XDESC, pointwise.x());
    if (pointwise.b() != null) {
      set(op, cudnn.CUDNN_ATTR_OPERATION_POINTWISE_BDESC, pointwise.b());
    }
    if (pointwise.selector() != null) {
      set(op, cudnn.CUDNN_ATTR_OPERATION_POINTWISE_TDESC, pointwise.selector());
    }
    set(op, cudnn.CUDNN_ATTR_OPERATION_POINTWISE_YDESC, pointwise.out());
    return finish(op);
  }

  private cudnnBackendDescriptor_t reduction(Reduction reduction) {
    cudnnBackendDescriptor_t kind = create(cudnn.CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    set(kind, cudnn.CUDNN_ATTR_REDUCTION_COMP_TYPE, cudnn.CUDNN_TYPE_DATA_TYPE, code(Type.F32));
    set(
        kind,
        cudnn.CUDNN_ATTR_REDUCTION_OPERATOR,
        cudnn.CUDNN_TYPE_REDUCTION_OPERATOR_TYPE,
        reduction.max() ? cudnn.CUDNN_REDUCE_TENSOR_MAX : cudnn.CUDNN_REDUCE_TENSOR_ADD);
    finish(kind);
    cudnnBackendDescriptor_t op = create(cudnn.CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    set(op, cudnn.CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind);
    set(op, cudnn.CUDNN_ATTR_OPERATION_REDUCTION_XDESC, reduction.x());
    set(op, cudnn.CUDNN_ATTR_OPERATION_REDUCTION_YDESC, reduction.out());
    return finish(op);
  }

  private cudnnBackendDescriptor_t operationGraph(
      List<cudnnBackendDescriptor_t> operations, Target target) {
    cudnnBackendDescriptor_t graph = create(cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    try (PointerPointer<Pointer> list = new PointerPointer<>(operations.size())) {
      for (int i = 0; i < operations.size(); i++) {
        list.put(i, operations.get(i));
      }
      set(
          graph,
          cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS,
          cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
          operations.size(),
          list);
    }
    if (target.handle != null) {
      set(graph, cudnn.CUDNN_ATTR_OPERATIONGRAPH_HANDLE, cudnn.CUDNN_TYPE_HANDLE, target.handle);
    }
    return finish(graph);
  }

  private cudnnBackendDescriptor_t firstPlan(cudnnBackendDescriptor_t graph, Target target) {
    cudnnBackendDescriptor_t heuristics = create(cudnn.CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set(
        heuristics,
        cudnn.CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
        cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
        graph);
    set(
        heuristics,
        cudnn.CUDNN_ATTR_ENGINEHEUR_MODE,
        cudnn.CUDNN_TYPE_HEUR_MODE,
        cudnn.CUDNN_HEUR_MODE_A);
    if (target.properties != null) {
      set(
          heuristics,
          cudnn.CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
          cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
          target.properties);
    }
    finish(heuristics);
    try (PointerPointer<Pointer> list = new PointerPointer<>(CANDIDATES);
        LongPointer found = new LongPointer(1)) {
      List<cudnnBackendDescriptor_t> configs = new ArrayList<>();
      for (int i = 0; i < CANDIDATES; i++) {
        configs.add(create(cudnn.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
        list.put(i, configs.get(i));
      }
      check(
          "cudnnBackendGetAttribute",
          cudnn.cudnnBackendGetAttribute(
              heuristics,
              cudnn.CUDNN_ATTR_ENGINEHEUR_RESULTS,
              cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
              CANDIDATES,
              found,
              list));
      String reason = "its heuristics offer no engine";
      for (int i = 0; i < Math.min(CANDIDATES, found.get()); i++) {
        cudnnBackendDescriptor_t candidate = create(cudnn.CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        set(
            candidate,
            cudnn.CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
            cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
            configs.get(i));
        if (target.handle != null) {
          set(
              candidate,
              cudnn.CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
              cudnn.CUDNN_TYPE_HANDLE,
              target.handle);
        } else {
          set(
              candidate,
              cudnn.CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
              cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR,
              target.properties);
        }
        int status = cudnn.cudnnBackendFinalize(candidate);
        if (status == cudnn.CUDNN_STATUS_SUCCESS) {
          return candidate;
        }
        reason = meaning(status);
      }
      throw new CudaFailure("no plan of cuDNN's fits", reason);
    }
  }

  private cudnnBackendDescriptor_t create(int kind) {
    cudnnBackendDescriptor_t descriptor = new cudnnBackendDescriptor_t();
    check("cudnnBackendCreateDescriptor", cudnn.cudnnBackendCreateDescriptor(kind, descriptor));
    descriptors.add(descriptor);
    return descriptor;
  }

  private static cudnnBackendDescriptor_t finish(cudnnBackendDescriptor_t descriptor) {
    check("cudnnBackendFinalize", cudnn.cudnnBackendFinalize(descriptor));
    return descriptor;
  }

  private void set(cudnnBackendDescriptor_t descriptor, int attribute, Tensor tensor) {
    set(descriptor, attribute, tensors.get(tensor.uid()));
  }

  private void set(
      cudnnBackendDescriptor_t descriptor, int attribute, cudnnBackendDescriptor_t value) {
    set(descriptor, attribute, cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR, value);
  }

  /** An attribute that is an address: of another descriptor, or of a handle. */
  private void set(cudnnBackendDescriptor_t descriptor, int attribute, int type, Pointer value) {
    one.put(0, value);
    set(descriptor, attribute, type, 1, one);
  }

  private static void set(cudnnBackendDescriptor_t descriptor, int attribute, boolean value) {
    try (BytePointer bytes = new BytePointer(new byte[] {(byte) (value ? 1 : 0)})) {
      set(descriptor, attribute, cudnn.CUDNN_TYPE_BOOLEAN, 1, bytes);
    }
  }

  private static void set(cudnnBackendDescriptor_t descriptor, int attribute, int type, int value) {
    try (IntPointer ints = new IntPointer(new int[] {value})) {
      set(descriptor, attribute, type, 1, ints);
    }
  }

  private static void set(cudnnBackendDescriptor_t descriptor, int attribute, List<Long> values) {
    try (LongPointer longs =
        new LongPointer(values.stream().mapToLong(Long::longValue).toArray())) {
      set(descriptor, attribute, cudnn.CUDNN_TYPE_INT64, values.size(), longs);
    }
  }

  private static void set(
      cudnnBackendDescriptor_t descriptor, int attribute, int type, long count, Pointer values) {
    check(
        "cudnnBackendSetAttribute " + attribute,
        cudnn.cudnnBackendSetAttribute(descriptor, attribute, type, count, values));
  }

  private static void get(
      cudnnBackendDescriptor_t descriptor, int attribute, int type, Pointer value) {
    try (LongPointer found = new LongPointer(1)) {
      check(
          "cudnnBackendGetAttribute " + attribute,
          cudnn.cudnnBackendGetAttribute(descriptor, attribute, type, 1, found, value));
    }
  }

  private static int code(Type type) {
    return switch (type) {
      case F32 -> cudnn.CUDNN_DATA_FLOAT;
      case BF16 -> cudnn.CUDNN_DATA_BFLOAT16;
      case I32 -> cudnn.CUDNN_DATA_INT32;
      case BOOLEAN -> cudnn.CUDNN_DATA_BOOLEAN;
    };
  }

  private static int code(Mode mode) {
    return switch (mode) {
      case ADD -> cudnn.CUDNN_POINTWISE_ADD;
      case SUB -> cudnn.CUDNN_POINTWISE_SUB;
      case MUL -> cudnn.CUDNN_POINTWISE_MUL;
      case DIV -> cudnn.CUDNN_POINTWISE_DIV;
      case EXP -> cudnn.CUDNN_POINTWISE_EXP;
      case LOG -> cudnn.CUDNN_POINTWISE_LOG;
      case GEN_INDEX -> cudnn.CUDNN_POINTWISE_GEN_INDEX;
      case CMP_LT -> cudnn.CUDNN_POINTWISE_CMP_LT;
      case CMP_GE -> cudnn.CUDNN_POINTWISE_CMP_GE;
      case LOGICAL_AND -> cudnn.CUDNN_POINTWISE_LOGICAL_AND;
      case BINARY_SELECT -> cudnn.CUDNN_POINTWISE_BINARY_SELECT;
    };
  }

  static void check(String call, int status) {
    if (status != cudnn.CUDNN_STATUS_SUCCESS) {
      throw new CudaFailure(call, meaning(status));
    }
  }

  /** The status, and the conditions that cuDNN says were not met, in one line. */
  private static String meaning(int status) {
    byte[] details = new byte[1024];
    cudnn.cudnnGetLastErrorString(details, details.length);
    String text = new BytePointer(details).getString().strip().replaceAll("\\s*\\R\\s*", "; ");
    String name = cudnn.cudnnGetErrorString(status).getString();
    return text.isEmpty() ? name : name + ": " + text;
  }
}
