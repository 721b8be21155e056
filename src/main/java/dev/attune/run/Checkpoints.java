package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.InputException;
import dev.attune.memory.Buffer;
import dev.attune.train.CheckpointSink;
import java.util.Map;
import java.util.function.Consumer;

/** A run's checkpoints: what the trainer saves, with what says whose run it is. */
final class Checkpoints implements CheckpointSink {
  private final CheckpointStore store;
  private final String dataFingerprint;
  private final String configYaml;

  Checkpoints(CheckpointStore store, String dataFingerprint, String configYaml) {
    this.store = store;
    this.dataFingerprint = dataFingerprint;
    this.configYaml = configYaml;
  }

  @Override
  public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
    state.put("data_fingerprint", dataFingerprint);
    state.put("config", configYaml);
    store.save(step, state, buffers);
  }

  @Override
  public void saveBest(Buffer weights) {
    store.saveBest(weights);
  }

  @Override
  public void loadBest(Buffer weights) {
    store.loadBest(weights);
  }

  /** Loads the newest sound checkpoint into the buffers; null if there is none. */
  JsonNode loadLatest(
      Map<String, Buffer> buffers, Consumer<RunConfig> check, Consumer<String> note) {
    return store
        .latest(note)
        .map(
            checkpoint -> {
              JsonNode state = checkpoint.state();
              RunConfig earlier =
                  RunConfig.builder(RunOption.TRAIN)
                      .setAll(state.path("config").asText(), "checkpoint")
                      .build();
              check.accept(earlier);
              String fingerprint = state.path("data_fingerprint").asText();
              if (!fingerprint.equals(dataFingerprint)) {
                throw new InputException(
                    "--resume: the training data or its tokenisation is not that of the run that"
                        + " was begun (fingerprint "
                        + fingerprint
                        + ", now "
                        + dataFingerprint
                        + ")");
              }
              checkpoint.load(buffers);
              return state;
            })
        .orElse(null);
  }

  void clear() {
    store.clear();
  }
}
