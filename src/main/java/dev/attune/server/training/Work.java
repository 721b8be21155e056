package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.AdapterTraining;
import java.io.IOException;
import java.util.function.Supplier;

/** What a call does, on the thread that its session's model belongs to. */
interface Work {
  /**
   * Does it.
   *
   * @param turn of the call among those of its session, counted from 1
   * @return what came of it, as JSON that is made when it is asked for: it takes more memory than
   *     what it is made of
   */
  Supplier<ObjectNode> on(AdapterTraining training, long turn) throws IOException;
}
