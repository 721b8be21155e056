package dev.attune.server.http;

import java.util.HashMap;
import java.util.Map;

/**
 * How many of something may be open at a time, of which one tenant has a quarter at most, so that
 * there are some for others too. Any number of threads use it.
 */
public final class Shares {
  private static final int TENANTS = 4;

  private final int most;
  private final Map<String, Integer> open = new HashMap<>(); // by tenant, without those of none

  /**
   * @param most of all tenants together
   */
  public Shares(int most) {
    this.most = most;
  }

  /** The most of one tenant: one at least. */
  public int mostOfTenant() {
    return Math.max(1, most / TENANTS);
  }

  private boolean isFree(String tenant) {
    return open.getOrDefault(tenant, 0) < mostOfTenant()
        && open.values().stream().mapToInt(Integer::intValue).sum() < most;
  }

  /** Takes one, which is to be {@link #release}d; false: there is none now. */
  public synchronized boolean tryAcquire(String tenant) {
    if (!isFree(tenant)) {
      return false;
    }
    open.merge(tenant, 1, Integer::sum);
    return true;
  }

  /** The same, and waits so long for one. */
  public synchronized boolean tryAcquire(String tenant, long millis) throws InterruptedException {
    long end = System.nanoTime() + millis * 1_000_000;
    for (long left = millis; !isFree(tenant) && left > 0; ) {
      wait(left);
      left = (end - System.nanoTime()) / 1_000_000;
    }
    return tryAcquire(tenant);
  }

  /** Gives one back. */
  public synchronized void release(String tenant) {
    open.computeIfPresent(tenant, (key, count) -> count == 1 ? null : count - 1);
    notifyAll();
  }
}
