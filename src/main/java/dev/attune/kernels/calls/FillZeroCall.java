package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Zeroes a range. */
public record FillZeroCall(long out, long bytes) implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(out).count(bytes);
  }
}
