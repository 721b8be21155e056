package dev.attune.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.memory.Buffer;
import java.nio.file.Path;
import java.util.*;
import java.util.function.Consumer;

public final class CheckpointStore {
  public interface Checkpoint {
    JsonNode state();

    void load(Map<String, Buffer> buffers);
  }

  public CheckpointStore(Path folder, int keep) {}

  public void save(long step, JsonNode state, Map<String, Buffer> buffers) {}

  public void saveBest(Buffer weights) {}

  public void loadBest(Buffer weights) {}

  public Optional<Checkpoint> latestValid(Consumer<String> note) {
    return Optional.empty();
  }

  public void clear() {}
}
