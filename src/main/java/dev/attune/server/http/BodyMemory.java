package dev.attune.server.http;

import java.util.concurrent.atomic.AtomicLong;

/** Memory of all bodies that are held at a time, so that many clients cannot take the heap. */
final class BodyMemory {
  private final long most;
  private final AtomicLong held = new AtomicLong();

  BodyMemory(long most) {
    this.most = most;
  }

  void take(long bytes) {
    if (held.addAndGet(bytes) > most) {
      held.addAndGet(-bytes);
      throw ApiException.overloaded("Too many large requests are on their way; ask again later");
    }
  }

  void give(long bytes) {
    held.addAndGet(-bytes);
  }
}
