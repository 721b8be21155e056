package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Prompt;
import dev.attune.generate.TextGeneration;
import dev.attune.model.HeadKind;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.tape.Tape;
import dev.attune.text.ChatMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** A language model, opened to continue texts. */
public final class GenerateRun implements AutoCloseable {
  private final RunConfig config;
  private final Session session;
  private final TrainedModel trained;
  private final TextGeneration generation;

  private GenerateRun(
      RunConfig config, GenerationOptions options, Session session, TrainedModel trained) {
    this.config = config;
    this.session = session;
    this.trained = trained;
    this.generation =
        new TextGeneration(options, trained.tokenizer(), trained.folder().endTokens());
  }

  /** Opens the model that a config names. */
  public static GenerateRun open(RunConfig config) {
    GenerationOptions options = GenerationSettings.of(config);
    Session session = Session.open(config);
    TrainedModel trained = null;
    try {
      trained = TrainedModel.open(config, session);
      if (trained.model().head() != HeadKind.LANGUAGE_MODEL) {
        throw new InputException(
            "--model "
                + config.text(RunOption.MODEL)
                + " is no language model: it was trained for "
                + trained.task().name()
                + "; use attune predict");
      }
      return new GenerateRun(config, options, session, trained);
    } catch (RuntimeException e) {
      if (trained != null) {
        trained.close();
      }
      session.close();
      throw e;
    }
  }

  /** The prompt that the options give: as it is, or as a user's message. */
  public Prompt prompt(String text) {
    if (!config.flag(RunOption.CHAT)) {
      return generation.prompt(text);
    }
    List<ChatMessage> messages = new ArrayList<>();
    if (config.isGiven(RunOption.SYSTEM)) {
      messages.add(ChatMessage.of("system", config.text(RunOption.SYSTEM)));
    }
    messages.add(ChatMessage.of("user", text));
    return new Prompt(text, generation.chatPrompt(messages).ids());
  }

  /** A conversation that the assistant is to go on with. */
  public Prompt chatPrompt(List<ChatMessage> messages) {
    return generation.chatPrompt(messages);
  }

  /** The prompts of a file: a line each of a .txt, else rows with a prompt, text or messages. */
  public List<Prompt> prompts(Path file) {
    List<Prompt> prompts = new ArrayList<>();
    if (file.toString().endsWith(".txt")) {
      try {
        for (String line : Files.readAllLines(file)) {
          prompts.add(prompt(line));
        }
      } catch (IOException e) {
        throw new InputException("--prompts " + file + " cannot be read: " + e.getMessage(), e);
      }
      return prompts;
    }
    return generation.prompts(DataReader.read(file, Columns.parse(null)), this::prompt);
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
    long needed = generation.cacheBytes(model(), session.precision(), most(), prompts);
    generation.generate(model(), tape(needed), most(), prompts, onPiece, onText);
  }

  /** Tokens of the longest text, prompt included. */
  private int most() {
    return config.isGiven(RunOption.MAX_LENGTH) ? trained.maxLength() : model().maxLength();
  }

  /** Lets the model answer every row of a dataset, and compares. */
  ComparedAnswers compare(Dataset dataset) {
    ComparedAnswers answers = new ComparedAnswers(generation, dataset, most());
    answers.measure(model(), tape(answers.cacheBytes(model(), session.precision())));
    return answers;
  }

  /**
   * The tape. What it leaves to keys and values is decided once, before the first texts; later ones
   * may be longer, so that these get half of the memory if that much could ever be used.
   */
  private Tape tape(long neededBytes) {
    if (!session.hasTape()) {
      long most = generation.mostCacheBytes(model(), session.precision(), most());
      long half = session.backend().reservableBytes() / 2;
      session.leave(Math.max(neededBytes, Math.min(most, half)));
    }
    return session.tape(0);
  }

  private DecoderModel model() {
    return (DecoderModel) trained.model();
  }

  @Override
  public void close() {
    trained.close();
    session.close();
  }
}
