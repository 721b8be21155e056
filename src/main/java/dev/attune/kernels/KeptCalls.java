package dev.attune.kernels;

import dev.attune.kernels.calls.Op;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Calls with their arguments as a library takes them. A pass over a model that streams its weights
 * leaves nothing of the program in the processor's caches: what makes a call anew, from the op on
 * the tape down to its slots, then comes from memory each time, and takes as long as a tenth of the
 * pass. Slots that are there already are a few lines.
 */
final class KeptCalls {
  private final KernelLibrary library;
  private int[] ops = new int[128];
  private int[] begins = new int[128]; // of each call among the slots
  private int count;
  private long[] slots = new long[2048];
  private int size;
  private ByteBuffer memory; // of the slots; null until they are all there
  private long address;

  KeptCalls(KernelLibrary library) {
    this.library = library;
  }

  /** Adds a call, whose arguments the frame has. */
  void add(Op op, Frame frame) {
    if (count == ops.length) {
      ops = Arrays.copyOf(ops, 2 * count);
      begins = Arrays.copyOf(begins, 2 * count);
    }
    ops[count] = library.number(op);
    begins[count++] = size;
    if (slots.length - size < frame.size()) {
      slots = Arrays.copyOf(slots, 2 * slots.length);
    }
    for (int i = 0; i < frame.size(); i++) {
      slots[size++] = frame.slot(i);
    }
  }

  /** Brings the arguments to where native code reads them. */
  void seal() {
    memory = ByteBuffer.allocateDirect(size * Long.BYTES).order(ByteOrder.nativeOrder());
    memory.asLongBuffer().put(slots, 0, size);
    address = NativePointer.addressOf(memory);
    slots = null;
  }

  /** Runs the calls; returns the status of the first that fails, or of the last. */
  int run(long ctx) {
    for (int i = 0; i < count; i++) {
      int status = library.call(ctx, ops[i], address + (long) begins[i] * Long.BYTES);
      if (status != 0) {
        return status;
      }
    }
    return 0;
  }
}
