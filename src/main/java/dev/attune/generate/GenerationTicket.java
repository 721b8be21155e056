package dev.attune.generate;

/** A request that a {@link GenerationLoop} has taken. */
public interface GenerationTicket {
  /** Ends it at the next step, with {@link Finish#CANCELLED}. */
  void cancel();
}
