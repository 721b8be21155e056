package dev.attune.memory;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.BytePointer;

/**
 * A JavaCPP pointer at a raw address: for libraries that take pointers, and for direct views. Owns
 * nothing.
 */
public final class NativePointer extends BytePointer {
  public NativePointer(long address, long sizeBytes) {
    this.address = address;
    this.position = 0;
    this.limit = sizeBytes;
    this.capacity = sizeBytes;
  }

  /** Where the memory of a direct buffer begins; it lasts as long as the buffer. */
  public static long addressOf(ByteBuffer direct) {
    return new BytePointer(direct).address();
  }
}
