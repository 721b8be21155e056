package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.AdapterTraining;
import java.io.IOException;
import java.util.function.Supplier;

/** What a call does, on the thread that its session's model belongs to. */
interface Work {
  /**
   * What came of it.
   *
   * @param bytes of memory that it takes
   * @param json made when somebody asks: it takes more
   */
  record Result(long bytes, Supplier<ObjectNode> json) {}

  /**
   * Does it.
   *
   * @param turn of the call among those of its session, counted from 1
   */
  Result on(AdapterTraining training, long turn) throws IOException;
}
