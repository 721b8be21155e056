package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/** Copies a range; the two do not overlap. */
public record CopyCall(long out, long inp, long bytes) implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(inp).count(bytes);
  }
}
