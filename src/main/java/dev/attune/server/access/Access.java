package dev.attune.server.access;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Gate;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * Lets requests in: by key, once there is one or the server is to be reached from other machines;
 * else all that come from this one.
 */
public final class Access implements Gate {
  private static final String BEARER = "Bearer ";

  private final KeyStore keys;
  private final boolean requiresKeys;
  private final Function<String, Limits> limits;
  private final LongSupplier nanoTime;
  private final Map<String, Rate> rates = new ConcurrentHashMap<>();

  /**
   * @param requiresKeys also while there is none
   * @param limits of a tenant
   * @param nanoTime a clock
   */
  public Access(
      KeyStore keys, boolean requiresKeys, Function<String, Limits> limits, LongSupplier nanoTime) {
    this.keys = keys;
    this.requiresKeys = requiresKeys;
    this.limits = limits;
    this.nanoTime = nanoTime;
  }

  @Override
  public Caller admit(String authorization) {
    Caller caller = requiresKeys || keys.isUsed() ? known(authorization) : Caller.LOCAL;
    int perMinute = limits.apply(caller.tenant()).requestsPerMinute();
    if (perMinute < Integer.MAX_VALUE) {
      rates
          .computeIfAbsent(caller.tenant(), tenant -> new Rate(perMinute, nanoTime.getAsLong()))
          .take(nanoTime.getAsLong());
    }
    return caller;
  }

  @Override
  public boolean stillAdmits(Caller caller) {
    return caller.keyId() == null ? !requiresKeys && !keys.isUsed() : keys.opens(caller.keyId());
  }

  private Caller known(String authorization) {
    if (authorization == null) {
      throw ApiException.unauthenticated(
          "This server needs an API key, in the header 'Authorization: Bearer KEY'");
    }
    if (!authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
      throw ApiException.unauthenticated("The header Authorization must be 'Bearer KEY'");
    }
    ApiKey key =
        keys.find(authorization.substring(BEARER.length()).strip())
            .orElseThrow(
                () ->
                    ApiException.unauthenticated(
                        "This API key is not known, has expired, or was revoked"));
    return new Caller(key.tenant(), key.id(), key.scopes());
  }

  /** A bucket of requests, which fills again as time passes. */
  private static final class Rate {
    private static final double NANOS_PER_MINUTE = 60e9;

    private final int perMinute;
    private double left;
    private long time;

    private Rate(int perMinute, long time) {
      this.perMinute = perMinute;
      this.left = perMinute;
      this.time = time;
    }

    private synchronized void take(long now) {
      left = Math.min(perMinute, left + (now - time) * (perMinute / NANOS_PER_MINUTE));
      time = now;
      if (left < 1) {
        double seconds = (1 - left) * 60.0 / perMinute;
        throw ApiException.busy(
            "There were more than "
                + perMinute
                + " requests in a minute, the most of this tenant; ask again in "
                + (int) Math.ceil(seconds)
                + " s",
            (int) Math.ceil(seconds));
      }
      left--;
    }
  }
}
