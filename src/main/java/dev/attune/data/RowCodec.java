package dev.attune.data;

import java.nio.ByteBuffer;

/**
 * How a thing becomes bytes, and comes back equal.
 *
 * @param <T> the thing; reading is done on several threads
 */
interface RowCodec<T> {
  void write(T thing, RowBytes out);

  /**
   * @param in which may go on behind the thing
   */
  T read(ByteBuffer in);
}
