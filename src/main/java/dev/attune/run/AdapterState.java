package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.train.TokenTrainer;
import java.nio.file.Path;
import java.util.function.Consumer;

/** A state of an {@link AdapterTraining} in a folder: weights, moments, counts, and of what. */
final class AdapterState {
  /** Of the facts that it was made with: a digest of what the training began from. */
  static final String BASE = "base model";

  private static final String STEPS = "steps";
  private static final String MICRO_STEPS = "micro_steps";
  private static final String MADE_WITH = "made_with";

  private AdapterState() {}

  /**
   * @param madeWith all that the next bytes depend on beside it, by names for people
   */
  static void save(Path folder, TokenTrainer trainer, ObjectNode madeWith, Consumer<String> note) {
    ObjectNode state = JsonNodeFactory.instance.objectNode();
    state.put(STEPS, trainer.steps()).put(MICRO_STEPS, trainer.microSteps());
    state.set(MADE_WITH, madeWith);
    new CheckpointStore(folder, 2, note).save(trainer.steps(), state, trainer.buffers());
  }

  /**
   * Goes on from what {@link #save} saved.
   *
   * @throws InputException if there is nothing, or it was made with something else: nothing has
   *     changed then
   */
  static void load(Path folder, TokenTrainer trainer, ObjectNode here, Consumer<String> note) {
    CheckpointStore.Found found = sound(folder, note);
    JsonNode state = found.checkpoint().state();
    here.properties()
        .forEach(
            fact -> {
              String there = state.path(MADE_WITH).path(fact.getKey()).asText("not stated");
              Check.input(
                  there.equals(fact.getValue().asText()),
                  "the state in %s cannot be gone on with: its %s was %s, here it is %s",
                  folder,
                  fact.getKey(),
                  there,
                  fact.getValue().asText());
            });
    found.checkpoint().load(trainer.buffers());
    trainer.restore(state.path(STEPS).asLong(), state.path(MICRO_STEPS).asLong());
  }

  /**
   * What the training that saved a state had begun from.
   *
   * @throws InputException if there is no sound state in the folder
   */
  static String base(Path folder, Consumer<String> note) {
    return sound(folder, note).checkpoint().state().path(MADE_WITH).path(BASE).asText("");
  }

  private static CheckpointStore.Found sound(Path folder, Consumer<String> note) {
    return new CheckpointStore(folder, 2, note)
        .latest()
        .orElseThrow(() -> new InputException("there is no sound state in " + folder));
  }
}
