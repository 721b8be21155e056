package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.ReadOptions;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Prompt;
import dev.attune.task.CausalLm;
import dev.attune.text.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What {@code attune generate} does: a language model and how its options say to continue texts.
 */
public final class GenerateRun implements AutoCloseable {
  private static final List<RunOption> OF_ROWS =
      List.of(RunOption.DELIMITER, RunOption.QUOTING, RunOption.SKIP_BAD_ROWS);

  private final RunConfig config;
  private final GenerationOptions options;
  private final LanguageModel model;

  private final Consumer<String> notes;
  private final Set<String> said = new HashSet<>();

  private GenerateRun(
      RunConfig config, GenerationOptions options, LanguageModel model, Consumer<String> notes) {
    this.notes = notes;
    this.config = config;
    this.options = options;
    this.model = model;
  }

  /** Refuses what options cannot say, or say in vain, before anything is fetched. */
  public static void check(RunConfig config) {
    GenerationSettings.of(config);
    IdleOptions.check(config);
  }

  /** Opens the model that a config names. */
  public static GenerateRun open(RunConfig config) {
    return open(config, note -> {});
  }

  /**
   * The same.
   *
   * @param notes hears what whoever asked should know
   */
  public static GenerateRun open(RunConfig config, Consumer<String> notes) {
    GenerationOptions options = GenerationSettings.of(config);
    Path folder = Path.of(config.required(RunOption.MODEL));
    Compute compute = Compute.of(config);
    GenerateRun run =
        new GenerateRun(
            config,
            options,
            LanguageModel.open(folder, OpenOptions.of(config), compute, options),
            notes);
    run.unused().ifPresent(notes);
    run.recommended().ifPresent(notes);
    return run;
  }

  /** See {@link TrainedModel#unusedNote}. */
  Optional<String> unused() {
    return model.unusedNote();
  }

  /** The folder recommends a choice that no option asks for. */
  private Optional<String> recommended() {
    boolean chosen =
        Stream.of(
                RunOption.TEMPERATURE,
                RunOption.TOP_K,
                RunOption.TOP_P,
                RunOption.MIN_P,
                RunOption.NUM_BEAMS)
            .anyMatch(config::isGiven);
    String left = model.leftToTheCaller();
    return chosen || left.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "the most probable token is chosen each time; the model's generation_config.json"
                + " recommends "
                + left
                + ", which options would ask for");
  }

  /** The prompt that the options give: as it is, or as a user's message. */
  public Prompt prompt(String text) {
    if (!config.flag(RunOption.CHAT)) {
      return model.prompt(text);
    }
    List<ChatMessage> messages = new ArrayList<>();
    if (config.isGiven(RunOption.SYSTEM)) {
      messages.add(ChatMessage.of("system", config.text(RunOption.SYSTEM)));
    }
    messages.add(ChatMessage.of("user", text));
    return new Prompt(text, model.chatPrompt(messages).ids());
  }

  /** A conversation that the assistant is to go on with. */
  public Prompt chatPrompt(List<ChatMessage> messages) {
    return model.chatPrompt(messages);
  }

  /** The prompts of a file: a line each of a .txt, else rows with a prompt, text or messages. */
  public List<Prompt> prompts(Path file) {
    ReadOptions options = Datasets.options(config, CausalLm.TYPE, model.asTurns());
    boolean isTable = config.isGiven(RunOption.FORMAT) || config.isGiven(RunOption.COLUMNS);
    if (DataReader.isText(file) && !isTable) {
      for (RunOption option : OF_ROWS) {
        if (config.isGiven(option)) {
          throw new InputException(
              option + " is of rows, and " + file + " is a prompt a line; leave it out");
        }
      }
      return DataReader.lines(file, options.written()).stream().map(this::prompt).toList();
    }
    return model.prompts(DataReader.read(file, options), this::prompt);
  }

  /**
   * Continues one prompt.
   *
   * @param onPiece hears the text as it comes; that of beam search, which decides at the end, in
   *     one go
   */
  public GeneratedText generate(Prompt prompt, Consumer<String> onPiece) {
    List<GeneratedText> texts = new ArrayList<>();
    generate(List.of(prompt), onPiece, texts::add);
    return texts.get(0);
  }

  /**
   * Continues many prompts.
   *
   * @param onText hears each result, in the order in which they end
   */
  public void generate(List<Prompt> prompts, Consumer<GeneratedText> onText) {
    generate(prompts, null, onText);
  }

  private void generate(
      List<Prompt> prompts, Consumer<String> onPiece, Consumer<GeneratedText> onText) {
    model.lengthNote(options, prompts).filter(said::add).ifPresent(notes);
    model.generate(options, prompts, onPiece, onText);
  }

  /** The rows of the file that the options name, with answers to compare. */
  Dataset file() {
    return Datasets.measured(config, model.task(), model.asTurns());
  }

  /** Lets the model answer every row of a dataset, and compares. */
  ComparedAnswers compare(Dataset dataset) {
    return model.compare(dataset);
  }

  @Override
  public void close() {
    model.close();
  }
}
