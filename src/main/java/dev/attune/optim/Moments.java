package dev.attune.optim;

import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameters;
import java.util.Map;
import java.util.TreeMap;

/** The memory of AdamW's moments, zeros at first. */
final class Moments implements AutoCloseable {
  private final Parameters parameters;
  private final DType plainType;
  private final String remedies;
  private final Map<String, Buffer> buffers = new TreeMap<>();

  /**
   * @param plainType of the moments that are numbers: f32 or bf16
   * @param smaller what moments there are that take less
   */
  Moments(Parameters parameters, MomentLayout layout, DType plainType, String smaller) {
    this.parameters = parameters;
    this.plainType = plainType;
    this.remedies = smaller + Term.LORA_R + ", which has them of adapters alone,";
    try {
      plain("adam_m", layout.plainCount());
      plain("adam_v", layout.plainCount());
      if (layout.codedCount() > 0) {
        coded("adam_m", layout.codedCount());
        coded("adam_v", layout.codedCount());
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private void plain(String name, long count) {
    allocate(name, Math.max(1, count) * plainType.sizeBytes());
  }

  private void coded(String name, long count) {
    allocate(name + "_codes", count);
    allocate(name + "_scales", count / AdamWCall.MOMENT_BLOCK * Float.BYTES);
  }

  private Buffer allocate(String name, long bytes) {
    Buffer buffer =
        Buffer.allocate(parameters.backend(), bytes, true, "the moments of AdamW", remedies);
    buffers.put(name, buffer);
    return buffer;
  }

  Buffer m() {
    return buffers.get("adam_m");
  }

  Buffer v() {
    return buffers.get("adam_v");
  }

  /** Where the codes of a first moment lie, from one on. */
  long mCodes(long first) {
    return buffers.get("adam_m_codes").address() + first;
  }

  long vCodes(long first) {
    return buffers.get("adam_v_codes").address() + first;
  }

  /** Where the scale of such codes lies. */
  long mScale(long first) {
    return buffers.get("adam_m_scales").address() + scale(first);
  }

  long vScale(long first) {
    return buffers.get("adam_v_scales").address() + scale(first);
  }

  private static long scale(long first) {
    return first / AdamWCall.MOMENT_BLOCK * Float.BYTES;
  }

  /** All of them, by the names they have in checkpoints. */
  Map<String, Buffer> buffers() {
    return new TreeMap<>(buffers);
  }

  @Override
  public void close() {
    buffers.values().forEach(Buffer::close);
  }
}
