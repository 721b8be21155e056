package dev.attune.run;

import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationDefaults;
import dev.attune.generate.GenerationLoop;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Prompt;
import dev.attune.generate.TextGeneration;
import dev.attune.kernels.Backend;
import dev.attune.model.Beyond;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.task.Task;
import dev.attune.text.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.function.Function;

/** A language model, opened to continue texts on any number of threads. */
public final class LanguageModel implements AutoCloseable {
  private final SharedModel<TrainedModel> shared;
  private final TextGeneration generation;
  private final GenerationDefaults folderSays;
  private final int positions;
  private final boolean isBounded;

  private LanguageModel(
      SharedModel<TrainedModel> shared, OpenOptions options, GenerationOptions defaults) {
    if (options.maxLength() != null && options.maxLength() < 2) {
      throw new InputException(
          Term.MAX_LENGTH
              + " is "
              + options.maxLength()
              + "; a prompt and what continues it are at least 2 tokens");
    }
    TrainedModel trained = shared.model();
    this.shared = shared;
    this.folderSays = GenerationDefaults.of(trained.folder());
    this.generation = new TextGeneration(defaults, trained.tokenizer(), folderSays);
    this.isBounded = options.maxLength() != null;
    this.positions = isBounded ? trained.maxLength() : trained.model().statedLength();
  }

  /**
   * Opens the model in a folder.
   *
   * @param defaults how texts are continued where a call does not say
   */
  public static LanguageModel open(
      Path folder, OpenOptions options, Compute compute, GenerationOptions defaults) {
    SharedModel<TrainedModel> shared =
        SharedModel.open(
            compute,
            (backend, precision) -> TrainedModel.open(folder, options, backend, precision),
            TrainedModel::close);
    try {
      Task task = shared.model().task();
      if (!task.type().generates()) {
        throw new InputException(
            folder
                + " is no language model: it was trained for "
                + task.name()
                + "; "
                + (task.type().readsPairs()
                    ? "attune embed uses it"
                    : task.type().fillsMasks()
                        ? "attune fill uses it"
                        : Term.PREDICTION + " uses it"));
      }
      return new LanguageModel(shared, options, defaults);
    } catch (RuntimeException e) {
      shared.close();
      throw e;
    }
  }

  /** See {@link GenerationDefaults#left}. */
  String leftToTheCaller() {
    return folderSays.left();
  }

  /** See {@link TrainedModel#unusedNote}. */
  Optional<String> unusedNote() {
    return shared.model().unusedNote();
  }

  Task task() {
    return shared.model().task();
  }

  /** Whether instructions are turns of a conversation. */
  boolean asTurns() {
    return shared.model().asTurns();
  }

  /** A text to continue as it is. */
  public Prompt prompt(String text) {
    return shared.hold(() -> generation.prompt(text));
  }

  /** A conversation that the assistant is to go on with. */
  public Prompt chatPrompt(List<ChatMessage> messages) {
    return shared.hold(() -> generation.chatPrompt(messages));
  }

  /** See {@link TextGeneration#prompts}. */
  List<Prompt> prompts(Dataset dataset, Function<String, Prompt> plain) {
    return shared.hold(() -> generation.prompts(dataset, plain));
  }

  /**
   * Continues prompts.
   *
   * @param onPiece hears a single text as it comes; that of beam search, which decides at the end,
   *     in one go; may be null
   * @param onText hears each result, in the order in which they end
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public void generate(
      GenerationOptions options,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<GeneratedText> onText) {
    TextGeneration chosen = generation.with(options);
    chosen.checkProposals(shared.backend());
    shared.use(
        lane -> {
          int most = most(chosen, prompts);
          long needed = chosen.cacheBytes(model(), shared.precision(), most, prompts);
          Tape tape = tape(lane, chosen, needed);
          chosen.generate(model(), tape, most, prompts, onPiece, onText);
          return null;
        });
  }

  /** On a device the arena knows, which leaves keys and values their room. */
  private void checkRoom(TextGeneration chosen, int most, List<Prompt> prompts) {
    Backend backend = shared.backend();
    if (backend.device() == DeviceKind.CPU) {
      chosen.checkRoom(model(), shared.precision(), most, prompts, backend.reservableBytes());
    }
  }

  /**
   * Tokens of a text at most: what the model was made for, unless texts are to become longer and
   * its positions go on.
   */
  private int most(TextGeneration chosen, List<Prompt> prompts) {
    int wanted = (int) Math.min(chosen.wanted(prompts), Integer.MAX_VALUE);
    int most =
        !isBounded && model().beyond() != Beyond.NOTHING ? Math.max(wanted, positions) : positions;
    checkRoom(chosen, most, prompts); // tables of positions would take memory first
    return most > positions && !model().reach(most) ? positions : most;
  }

  /** What is shared. */
  SharedModel<TrainedModel> shared() {
    return shared;
  }

  /** How texts are continued where nobody says otherwise. */
  TextGeneration generation() {
    return generation;
  }

  /** Tokens of a text that the model was made for. */
  int positions() {
    return positions;
  }

  /**
   * A loop for texts of many callers.
   *
   * @param slots of them at a time
   * @param context tokens of the longest
   * @param cacheRows tokens of all of them
   */
  GenerationLoop loop(Lane lane, int slots, int context, int cacheRows) {
    long bytes = GenerationLoop.cacheBytes(model(), shared.precision(), cacheRows);
    return new GenerationLoop(model(), lane.tape(bytes), slots, context, cacheRows);
  }

  /** What the keys and values of a token take. */
  long rowBytes() {
    return GenerationLoop.rowBytes(model(), shared.precision());
  }

  /** What whoever asked should know of how long texts may become; empty where it is usual. */
  Optional<String> lengthNote(GenerationOptions options, List<Prompt> prompts) {
    TextGeneration chosen = generation.with(options);
    return shared.hold(
        () -> {
          int most = most(chosen, prompts);
          OptionalInt turn = turn(prompts, (int) Math.min(most, chosen.wanted(prompts)));
          List<String> notes = new ArrayList<>();
          if (most > positions) {
            notes.add(
                "texts may become "
                    + chosen.wanted(prompts)
                    + " tokens long, and the model was made for "
                    + positions
                    + " (max_position_embeddings): what it writes beyond may be poor; "
                    + Term.MAX_LENGTH.of(positions)
                    + " stops there");
          }
          if (turn.isPresent()) {
            notes.add(
                "rotary positions change in texts that become longer than "
                    + turn.getAsInt()
                    + " tokens: what is written beyond has the new ones, what stands before keeps"
                    + " its own, as in Transformers");
          }
          return notes.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", notes));
        });
  }

  /** The length at which rotary positions change while a text is written, if any grows past it. */
  private OptionalInt turn(List<Prompt> prompts, int most) {
    return model().batchRotaries().stream()
        .filter(rotary -> rotary.longer() != null)
        .mapToInt(rotary -> rotary.longer().than())
        .filter(length -> length < most)
        .filter(length -> prompts.stream().anyMatch(prompt -> prompt.ids().length <= length))
        .min();
  }

  /** Lets the model answer every row of a dataset, and compares. */
  ComparedAnswers compare(Dataset dataset) {
    return shared.use(
        lane -> {
          ComparedAnswers answers = new ComparedAnswers(generation, dataset, positions);
          checkRoom(generation, positions, answers.prompts());
          long needed = answers.cacheBytes(model(), shared.precision());
          answers.measure(model(), tape(lane, generation, needed));
          return answers;
        });
  }

  /**
   * The tape. What it leaves to keys and values is decided once, before the first texts; later ones
   * may be longer, so that these get half of the memory if that much could ever be used.
   */
  private Tape tape(Lane lane, TextGeneration chosen, long neededBytes) {
    if (lane.hasTape()) {
      return lane.tape();
    }
    long longest = chosen.mostCacheBytes(model(), shared.precision(), positions);
    long half = lane.backend().reservableBytes() / 2;
    return lane.tape(Math.max(neededBytes, Math.min(longest, half)));
  }

  private TransformerModel model() {
    return (TransformerModel) shared.model().model();
  }

  @Override
  public void close() {
    shared.close();
  }
}
