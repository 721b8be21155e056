package dev.attune.kernels;

import java.nio.ByteBuffer;

/**
 * Results that travel to the host by themselves, in slots that go round. Calls are enqueued and
 * wait for nothing, but for {@link #await}.
 */
public interface Results extends AutoCloseable {
  /** Enqueues a copy of {@code sizeBytes} from the device into a slot. */
  void post(int slot, int offset, long address, int sizeBytes);

  /** Ends what is posted to a slot. */
  void seal(int slot);

  /** A slot's bytes, in native order, once what was posted until {@link #seal} is there. */
  ByteBuffer await(int slot);

  @Override
  void close();
}
