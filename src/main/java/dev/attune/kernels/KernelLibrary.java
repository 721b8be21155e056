package dev.attune.kernels;

import dev.attune.kernels.calls.Op;
import dev.attune.memory.DeviceMemoryException;
import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A native library of kernels. When it is opened, the records of {@link Op} are compared with its
 * ops, argument by argument, so that classes and kernels of two builds never meet in a call.
 */
public final class KernelLibrary {
  private static KernelLibrary cpu;
  private static KernelLibrary cuda;

  private final Path file;
  private final long handle;
  private final int[] numbers;

  private KernelLibrary(Path file, long handle) {
    this.file = file;
    this.handle = handle;
    this.numbers = match(file, ops());
  }

  /**
   * The kernels for the CPU, which also carry the border to every other library.
   *
   * @throws BackendException if they cannot be loaded or are of another build than these classes
   */
  public static synchronized KernelLibrary cpu() {
    if (cpu == null) {
      Path file = NativeLibrary.load("attune_cpu");
      cpu = new KernelLibrary(file, NativeCalls.cpuLibrary());
    }
    return cpu;
  }

  /** The kernels for CUDA; for failures see {@link #cpu}. */
  public static synchronized KernelLibrary cuda() {
    if (cuda == null) {
      // Java's loader knows where a library may be unpacked to, and what to say where it cannot be.
      cuda = cuda(NativeLibrary.load("attune_cuda"));
    }
    return cuda;
  }

  /** Kernels for CUDA, from a file. */
  public static KernelLibrary cuda(Path file) {
    KernelLibrary border = cpu();
    long handle = NativeCalls.openCudaLibrary(file.toString());
    if (handle == 0) {
      throw new BackendException(
          "cannot load the native kernels from " + file + ": " + border.lastError());
    }
    return new KernelLibrary(file, handle);
  }

  /** The file that it was loaded from. */
  public Path file() {
    return file;
  }

  /** What the natives of {@link NativeCalls} know it by. */
  public long handle() {
    return handle;
  }

  /** Calls an op; returns its status. */
  int call(long ctx, Op op, Frame frame) {
    return call(ctx, number(op), frame.address());
  }

  /** The same by {@link #number}, with the address of its slots. */
  int call(long ctx, int number, long slots) {
    return NativeCalls.call(handle, ctx, number, slots);
  }

  /** The library's number of an op. */
  int number(Op op) {
    return numbers[op.ordinal()];
  }

  /** The message of the last failure on this thread. */
  public String lastError() {
    return NativeCalls.lastError(handle);
  }

  /** What a status means. */
  public static RuntimeException failure(int status, String message) {
    return switch (status) {
      case 1 -> new IllegalArgumentException(message);
      case 2 -> new UnsupportedOperationException(message);
      case 3 -> new DeviceMemoryException(message);
      case 6 -> new IllegalStateException(message);
      default -> new BackendException(message);
    };
  }

  // ---- comparing ------------------------------------------------------------------------------

  /** An op as the library has it. */
  record NativeOp(String name, String kinds) {}

  private List<NativeOp> ops() {
    NativeOp[] ops = new NativeOp[NativeCalls.opCount(handle)];
    for (int i = 0; i < ops.length; i++) {
      ops[i] = new NativeOp(NativeCalls.opName(handle, i), NativeCalls.opKinds(handle, i));
    }
    return List.of(ops);
  }

  /** The library's number of each op; throws where one differs. */
  static int[] match(Path file, List<NativeOp> ops) {
    Map<String, Integer> byName = new HashMap<>();
    for (int i = 0; i < ops.size(); i++) {
      byName.put(ops.get(i).name(), i);
    }
    int[] numbers = new int[Op.values().length];
    for (Op op : Op.values()) {
      Integer number = byName.get(op.title());
      if (number == null) {
        throw anotherBuild(file, "has no op " + op.title());
      }
      compare(file, op, ops.get(number).kinds());
      numbers[op.ordinal()] = number;
    }
    return numbers;
  }

  private static void compare(Path file, Op op, String theirs) {
    String ours = kinds(op.call());
    if (ours.equals(theirs)) {
      return;
    }
    List<String> names = Frame.names(op.call());
    for (int i = 0; i < Math.min(ours.length(), theirs.length()); i++) {
      if (ours.charAt(i) != theirs.charAt(i)) {
        throw anotherBuild(
            file,
            String.format(
                "takes %s as argument %d of %s, these classes pass %s there: %s",
                describe(theirs.charAt(i)), i, op.title(), describe(ours.charAt(i)), names.get(i)));
      }
    }
    throw anotherBuild(
        file,
        String.format(
            "takes %d arguments for %s, these classes pass %d: %s",
            theirs.length(), op.title(), ours.length(), String.join(", ", names)));
  }

  private static BackendException anotherBuild(Path file, String how) {
    return new BackendException(
        "the native kernels in "
            + file
            + " are of another build: their library "
            + how
            + "; build both from one checkout");
  }

  private static String describe(char kind) {
    return switch (kind) {
      case 'w' -> "an address that is written";
      case 'r' -> "an address that is read";
      case 'l' -> "an int64";
      case 'i' -> "an int32";
      case 'f' -> "a float";
      default -> "something unknown ('" + kind + "')";
    };
  }

  /** The kinds of a record's arguments. */
  static String kinds(Class<? extends Call> call) {
    Frame frame = Frame.recording();
    frame.take("", (Call) anyInstance(call));
    return frame.kinds();
  }

  private static Object anyInstance(Class<?> record) {
    RecordComponent[] components = record.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = anyValue(types[i]);
    }
    try {
      Constructor<?> constructor = record.getDeclaredConstructor(types);
      return constructor.newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(record + " is no call", e);
    }
  }

  private static Object anyValue(Class<?> type) {
    if (type == long.class) {
      return 1L;
    } else if (type == int.class) {
      return 1;
    } else if (type == float.class) {
      return 1f;
    } else if (type == boolean.class) {
      return false;
    } else if (type.isEnum()) {
      return type.getEnumConstants()[0];
    }
    return anyInstance(type);
  }
}
