package dev.attune.testkit;

import dev.attune.kernels.Backend;
import dev.attune.memory.HostMirror;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The memory of one kernel call. Every tensor lies between two guards of {@value #GUARD} bytes that
 * read as NaN and must come back intact; outputs that are overwritten start as 0xFF (NaN in f32,
 * bf16 and f64); inputs must come back unchanged.
 */
final class TestMemory {
  static final int GUARD = 64;

  /** 0x7FC1: a NaN as bf16 and, twice, as f32; as an index far outside every table. */
  private static final byte[] GUARD_PATTERN = {(byte) 0xC1, 0x7F};

  private static final byte POISON = (byte) 0xFF;

  /** One reservation per backend, reused by every call. */
  private static final Map<Backend, HostMirror> SLABS = new IdentityHashMap<>();

  /** What a tensor is to the call. */
  enum Role {
    INPUT,
    OVERWRITTEN,
    /** Read and written. */
    UPDATED,
    /** Written, and of no interest afterwards; starts as poison. */
    SCRATCH
  }

  /** A tensor to be laid out; {@code initial} null: poison. */
  record Spec(
      String name, Storage storage, Role role, int count, double[] initial, String inPlaceOf) {
    int sizeBytes() {
      return count * storage.sizeBytes();
    }
  }

  private record Block(Spec spec, long address, int offset, byte[] before) {
    Block as(Spec other) {
      return new Block(other, address, offset, before);
    }
  }

  private final Map<String, Block> blocks = new LinkedHashMap<>();
  private final List<Block> owners = new ArrayList<>();
  private final HostMirror slab;
  private final ByteBuffer view;
  private final long base;

  /**
   * @param misalignment elements by which tensor i is moved off its cache line: {@code misalignment
   *     * (1 + i % 3)}
   */
  TestMemory(Backend backend, List<Spec> specs, int misalignment) {
    long total = 0;
    for (Spec spec : specs) {
      total += spec.sizeBytes() + 4L * GUARD;
    }
    slab = slab(backend, total);
    base = slab.address();
    view = slice(slab.host(), 0, (int) total);
    int next = 0;
    for (int i = 0; i < specs.size(); i++) {
      Spec spec = specs.get(i);
      if (spec.inPlaceOf() != null) {
        continue;
      }
      int offset = next + GUARD + misalignment * (1 + i % 3) * spec.storage().sizeBytes();
      int end = next + (spec.sizeBytes() + 3 * GUARD) / GUARD * GUARD + GUARD;
      for (int at = next; at < end; at++) {
        view.put(at, GUARD_PATTERN[at % 2]);
      }
      fill(spec, offset);
      Block block = new Block(spec, base + offset, offset, read(offset, spec.sizeBytes()));
      blocks.put(spec.name(), block);
      owners.add(block);
      next = end;
    }
    for (Spec spec : specs) {
      if (spec.inPlaceOf() != null) {
        Block block = blocks.get(spec.inPlaceOf());
        blocks.put(spec.name(), block.as(spec));
        owners.replaceAll(owner -> owner == block ? owner.as(spec) : owner);
      }
    }
    slab.push(0, view.capacity());
  }

  /** Brings what the call wrote to the host; faults of the device surface here. */
  void fetch() {
    slab.pull(0, view.capacity());
  }

  private void fill(Spec spec, int offset) {
    if (spec.initial() == null) {
      for (int i = 0; i < spec.sizeBytes(); i++) {
        view.put(offset + i, POISON);
      }
      return;
    }
    ByteBuffer bytes = slice(offset, spec.sizeBytes());
    for (int i = 0; i < spec.count(); i++) {
      spec.storage().put(bytes, i, spec.initial()[i]);
    }
  }

  private ByteBuffer slice(int offset, int length) {
    return slice(view, offset, length);
  }

  private static ByteBuffer slice(ByteBuffer bytes, int offset, int length) {
    return bytes.slice(offset, length).order(ByteOrder.nativeOrder());
  }

  private byte[] read(int offset, int length) {
    byte[] bytes = new byte[length];
    view.get(offset, bytes);
    return bytes;
  }

  private static HostMirror slab(Backend backend, long sizeBytes) {
    HostMirror slab = SLABS.get(backend);
    if (slab == null || slab.buffer().sizeBytes() < sizeBytes) {
      if (slab != null) {
        slab.close();
      }
      slab = new HostMirror(backend, Math.max(sizeBytes, 16L << 20), false);
      SLABS.put(backend, slab);
    }
    return slab;
  }

  /** Frees what is kept for a backend that is about to be closed. */
  static void release(Backend backend) {
    HostMirror slab = SLABS.remove(backend);
    if (slab != null) {
      slab.close();
    }
  }

  /** The address of a tensor, 0 where the call has none of this name. */
  long address(String name) {
    Block block = blocks.get(name);
    return block == null ? 0 : block.address;
  }

  /** Throws {@link AssertionError} where something else than an output was written. */
  void checkIntact(String label) {
    int next = 0;
    for (Block owner : owners) {
      int size = owner.spec.sizeBytes();
      int end = next + (size + 3 * GUARD) / GUARD * GUARD + GUARD;
      for (int at = next; at < end; at++) {
        boolean inside = at >= owner.offset && at < owner.offset + size;
        if (!inside && view.get(at) != GUARD_PATTERN[at % 2]) {
          int outside = at < owner.offset ? at - owner.offset : at - owner.offset - size + 1;
          throw new AssertionError(
              label
                  + ": wrote outside "
                  + owner.spec.name()
                  + " ("
                  + size
                  + " bytes), "
                  + (outside < 0 ? -outside + " before its begin" : outside + " past its end")
                  + "; "
                  + Seeds.replay());
        }
      }
      if (owner.spec.role() == Role.INPUT && isChanged(owner)) {
        throw new AssertionError(
            label + ": changed its input " + owner.spec.name() + "; " + Seeds.replay());
      }
      next = end;
    }
  }

  /** Throws {@link AssertionError} where an output was written. */
  void checkUnwritten(String label) {
    for (Block owner : owners) {
      if (isChanged(owner)) {
        throw new AssertionError(label + ": wrote " + owner.spec.name());
      }
    }
  }

  private boolean isChanged(Block block) {
    return !Arrays.equals(block.before, read(block.offset, block.spec.sizeBytes()));
  }

  /** The values of a tensor. */
  double[] values(String name) {
    Block block = blocks.get(name);
    ByteBuffer bytes = slice(block.offset, block.spec.sizeBytes());
    double[] values = new double[block.spec.count()];
    for (int i = 0; i < values.length; i++) {
      values[i] = block.spec.storage().get(bytes, i);
    }
    return values;
  }

  /** The bytes of a tensor. */
  byte[] bytes(String name) {
    Block block = blocks.get(name);
    return read(block.offset, block.spec.sizeBytes());
  }
}
