package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.store.Freezing;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.task.TaskType;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which parts of a model a run leaves as they are: what its options of freezing say. */
final class Frozen {
  private static final Pattern LAYERS = Pattern.compile("layers\\.(\\d{1,5})(?:-(\\d{1,5}))?");

  private Frozen() {}

  /**
   * The parts, checked as far as they can be without the model.
   *
   * @param isAdapter whether the model is one that is trained further
   */
  static Freezing of(RunConfig config, TaskType task, boolean isAdapter) {
    boolean base = config.flag(RunOption.FREEZE_BASE);
    List<RunOption> parts = List.of(RunOption.FREEZE, RunOption.FREEZE_LAYERS);
    for (RunOption option : parts) {
      if (base && config.isGiven(option)) {
        throw new InputException(
            RunOption.FREEZE_BASE + " freezes all but the head; leave " + option + " out");
      }
    }
    if (base && !task.hasOwnHead()) {
      throw new InputException(
          RunOption.FREEZE_BASE
              + " leaves the head alone to be trained, and models of "
              + RunOption.TASK.with(task.name())
              + " have none of their own; freeze some of their layers: "
              + RunOption.FREEZE_LAYERS);
    }
    boolean embeddings = false;
    Set<Integer> layers = new HashSet<>();
    String named = config.text(RunOption.FREEZE);
    for (String part : named == null ? new String[0] : named.split(",", -1)) {
      Matcher range = LAYERS.matcher(part.strip());
      if (part.strip().equals("embeddings")) {
        embeddings = true;
      } else if (range.matches()) {
        int first = Integer.parseInt(range.group(1));
        int last = range.group(2) == null ? first : Integer.parseInt(range.group(2));
        if (last < first) {
          throw refusal(part.strip());
        }
        for (int layer = first; layer <= last; layer++) {
          layers.add(layer);
        }
      } else {
        throw refusal(part.strip());
      }
    }
    Freezing freezing =
        new Freezing(embeddings, config.smallInteger(RunOption.FREEZE_LAYERS), layers, base);
    RunOption asked =
        base ? RunOption.FREEZE_BASE : named != null ? RunOption.FREEZE : parts.get(1);
    if (!freezing.equals(Freezing.NOTHING) && isAdapter) {
      throw new InputException(
          asked
              + ": "
              + config.text(RunOption.MODEL)
              + " is an adapter, beside which the whole model is frozen already; leave "
              + asked
              + " out, or merge the adapter and train the model that this makes");
    }
    if (!freezing.equals(Freezing.NOTHING) && config.smallInteger(RunOption.LORA_R) > 0) {
      throw new InputException(
          asked
              + " does not go with "
              + RunOption.LORA_R
              + ", which freezes the whole model; "
              + RunOption.LORA_LAYERS
              + " says which layers get adapters");
    }
    return freezing;
  }

  private static InputException refusal(String part) {
    return new InputException(
        RunOption.FREEZE
            + " has '"
            + part
            + "'; it takes embeddings, and layers counted from 0: embeddings,layers.0-3,layers.7");
  }

  /**
   * Refuses to keep what is drawn at random: it would stay so.
   *
   * @param beside whether all but adapters is frozen
   */
  static void check(Parameters parameters, List<String> created, boolean beside) {
    for (String name : created) {
      Segment segment = parameters.segment(name);
      if (segment.frozen() && beside) {
        throw new InputException(
            RunOption.LORA_R
                + ": the model folder has no "
                + name
                + "; frozen beside adapters, it would stay as it is drawn at random. Train the whole"
                + " model first, or this part of it beside the adapters: "
                + RunOption.LORA_MODULES_TO_SAVE.with(
                    name.substring(0, Math.max(0, name.lastIndexOf('.')))));
      }
      if (segment.frozen()) {
        throw new InputException(
            RunOption.FREEZE_BASE
                + ": the model folder has no "
                + name
                + "; frozen, it would stay as it is drawn at random. "
                + RunOption.FREEZE_LAYERS
                + ", with as many layers as the model has, freezes what is below it alone");
      }
    }
  }

  /** How much of a model is frozen, as a note. */
  static String note(Parameters parameters) {
    long frozen =
        parameters.segments().stream().filter(Segment::frozen).mapToLong(Segment::count).sum();
    return String.format(
        Locale.ROOT,
        "frozen: %,d of %,d parameters keep their weights",
        frozen,
        parameters.count());
  }
}
