package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.generate.BeamSearch;
import dev.attune.generate.Completion;
import dev.attune.generate.Finish;
import dev.attune.generate.Generator;
import dev.attune.generate.Request;
import dev.attune.generate.Sampling;
import dev.attune.generate.TextStream;
import dev.attune.model.Task;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;

/** A language model, opened to continue texts. */
public final class GenerateRun implements AutoCloseable {
  /**
   * One prompt.
   *
   * @param text shown with the result
   * @param ids its tokens
   */
  public record Prompt(String text, int[] ids) {}

  /**
   * A prompt's continuation.
   *
   * @param index of the prompt among those given
   * @param text without end-of-sequence token or stop string
   * @param tokens generated
   */
  public record Text(int index, Prompt prompt, String text, int tokens, Finish finish) {}

  private final RunConfig config;
  private final Session session;
  private final TrainedModel trained;
  private final int[] ends;
  private final Sampling sampling;
  private final List<String> stops;
  private ChatTemplate chat;

  private GenerateRun(RunConfig config, Session session, TrainedModel trained) {
    this.config = config;
    this.session = session;
    this.trained = trained;
    this.sampling = sampling(config);
    String stop = config.text(RunOption.STOP);
    this.stops = stop == null ? List.of() : List.of(stop.replace("\\n", "\n"));
    this.ends = ends();
  }

  /** Opens the model that a config names. */
  public static GenerateRun open(RunConfig config) {
    checkOptions(config);
    Session session = Session.open(config);
    TrainedModel trained = null;
    try {
      trained = TrainedModel.open(config, session);
      if (trained.model().task() != Task.CAUSAL_LM) {
        throw new InputException(
            "--model "
                + config.text(RunOption.MODEL)
                + " is no language model: it was trained for "
                + trained.model().task().option()
                + "; use attune predict");
      }
      return new GenerateRun(config, session, trained);
    } catch (RuntimeException e) {
      if (trained != null) {
        trained.close();
      }
      session.close();
      throw e;
    }
  }

  /** Options that would do nothing are refused. */
  private static void checkOptions(RunConfig config) {
    int beams = config.smallInteger(RunOption.NUM_BEAMS);
    if (beams < 1) {
      throw new InputException("--num-beams is " + beams + "; it must be at least 1");
    }
    if (beams == 1 && config.isGiven(RunOption.LENGTH_PENALTY)) {
      throw new InputException("--length-penalty needs --num-beams of 2 or more");
    }
    boolean talks = config.flag(RunOption.CHAT) || config.flag(RunOption.INTERACTIVE);
    if (!talks && config.isGiven(RunOption.SYSTEM)) {
      throw new InputException("--system needs --chat or --interactive");
    }
  }

  private static Sampling sampling(RunConfig config) {
    boolean samples =
        config.isGiven(RunOption.TEMPERATURE)
            || config.isGiven(RunOption.TOP_K)
            || config.isGiven(RunOption.TOP_P)
            || config.isGiven(RunOption.MIN_P);
    double temperature =
        config.isGiven(RunOption.TEMPERATURE)
            ? config.number(RunOption.TEMPERATURE)
            : samples ? 1 : 0;
    return new Sampling(
        temperature,
        config.smallInteger(RunOption.TOP_K),
        config.number(RunOption.TOP_P),
        config.number(RunOption.MIN_P),
        config.number(RunOption.REPETITION_PENALTY),
        config.integer(RunOption.SEED));
  }

  /** The tokens that end a text: what generation_config.json says, and the tokenizer's. */
  private int[] ends() {
    TreeSet<Integer> ids = new TreeSet<>();
    trained.tokenizer().eosId().ifPresent(ids::add);
    Path file = trained.base().resolve("generation_config.json");
    if (Files.isRegularFile(file)) {
      try {
        JsonNode eos = new ObjectMapper().readTree(file.toFile()).path("eos_token_id");
        if (eos.isInt()) {
          ids.add(eos.intValue());
        }
        eos.forEach(id -> ids.add(id.asInt()));
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
    return ids.stream().mapToInt(Integer::intValue).toArray();
  }

  private TextTokenizer tokenizer() {
    return trained.tokenizer();
  }

  /** The prompt that the options give: as it is, or as a user's message. */
  public Prompt prompt(String text) {
    if (!config.flag(RunOption.CHAT)) {
      return new Prompt(text, tokenizer().encodeIds(text, null, Integer.MAX_VALUE).ids());
    }
    return new Prompt(text, chatPrompt(startOfChat(text)).ids());
  }

  private List<ChatMessage> startOfChat(String text) {
    List<ChatMessage> messages = new ArrayList<>();
    if (config.isGiven(RunOption.SYSTEM)) {
      messages.add(ChatMessage.of("system", config.text(RunOption.SYSTEM)));
    }
    messages.add(ChatMessage.of("user", text));
    return messages;
  }

  /** A conversation that the assistant is to go on with. */
  public Prompt chatPrompt(List<ChatMessage> messages) {
    if (chat == null) {
      chat = ChatTemplate.open(tokenizer().folder());
    }
    String rendered = chat.render(messages, null, true);
    return new Prompt(rendered, tokenizer().encodePlain(rendered));
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
    return prompts(DataReader.read(file, Columns.parse(null)));
  }

  /** The prompts of rows with a prompt, text or messages, one each. */
  List<Prompt> prompts(Dataset dataset) {
    List<Prompt> prompts = new ArrayList<>();
    for (Example example : dataset.examples()) {
      if (example.messages() != null) {
        prompts.add(chatPrompt(withoutAnswer(example.messages())));
      } else {
        String text = example.prompt() != null ? example.prompt() : example.text();
        if (text == null) {
          throw new InputException(
              dataset.where(example) + ": there is neither prompt nor text nor messages");
        }
        prompts.add(prompt(text));
      }
    }
    return prompts;
  }

  /** A conversation up to the last word of the user's. */
  private static List<ChatMessage> withoutAnswer(List<ChatMessage> messages) {
    int end = messages.size();
    while (end > 0 && messages.get(end - 1).isAssistant()) {
      end--;
    }
    return messages.subList(0, end);
  }

  /** The longest text, prompt included. */
  private int context(List<Prompt> prompts) {
    int longest = prompts.stream().mapToInt(p -> p.ids().length).max().orElse(1);
    int wanted = longest + config.smallInteger(RunOption.MAX_NEW_TOKENS);
    int most =
        config.isGiven(RunOption.MAX_LENGTH) ? trained.maxLength() : trained.model().maxLength();
    return Math.min(wanted, most);
  }

  /**
   * Continues one prompt.
   *
   * @param onPiece hears the text as it comes; that of beam search, which decides at the end, in
   *     one go
   */
  public Text generate(Prompt prompt, Consumer<String> onPiece) {
    List<Text> texts = new ArrayList<>();
    generate(List.of(prompt), onPiece, texts::add);
    return texts.get(0);
  }

  /**
   * Continues many prompts.
   *
   * @param onText hears each result, in the order in which they end
   */
  public void generate(List<Prompt> prompts, Consumer<Text> onText) {
    generate(prompts, null, onText);
  }

  private void generate(List<Prompt> prompts, Consumer<String> onPiece, Consumer<Text> onText) {
    if (prompts.isEmpty()) {
      throw new InputException("there are no prompts");
    }
    int context = context(prompts);
    if (config.smallInteger(RunOption.NUM_BEAMS) > 1) {
      beams(prompts, context, onPiece, onText);
      return;
    }
    int streams = Math.min(prompts.size(), config.smallInteger(RunOption.STREAMS));
    if (streams < 1) {
      throw new InputException("--streams must be at least 1");
    }
    try (Generator generator = new Generator(model(), session.tape(0), streams, context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer(), prompt.ids(), stops, onPiece);
        int index = i;
        try {
          Request request =
              new Request(
                  prompt.ids(),
                  sampling,
                  config.smallInteger(RunOption.MAX_NEW_TOKENS),
                  ends,
                  i,
                  stream);
          generator.submit(request, done -> onText.accept(finished(index, prompt, stream, done)));
        } catch (InputException e) {
          throw named(i, prompts, e);
        }
      }
      generator.run();
    }
  }

  /** Of many prompts it is said which one was refused. */
  private static InputException named(int index, List<Prompt> prompts, InputException e) {
    return prompts.size() == 1
        ? e
        : new InputException(
            "prompt " + (index + 1) + " of " + prompts.size() + ": " + e.getMessage(), e);
  }

  private void beams(
      List<Prompt> prompts, int context, Consumer<String> onPiece, Consumer<Text> onText) {
    if (!stops.isEmpty() || sampling.temperature() > 0 || sampling.repetitionPenalty() != 1) {
      throw new InputException(
          "--num-beams goes with neither sampling nor --stop nor --repetition-penalty");
    }
    BeamSearch.Config beams =
        new BeamSearch.Config(
            config.smallInteger(RunOption.NUM_BEAMS),
            config.number(RunOption.LENGTH_PENALTY),
            config.smallInteger(RunOption.MAX_NEW_TOKENS));
    try (BeamSearch search = new BeamSearch(model(), session.tape(0), beams, context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer(), prompt.ids(), stops, onPiece);
        try {
          Completion done = search.run(prompt.ids(), ends);
          for (int token : done.tokens()) {
            stream.onToken(token);
          }
          onText.accept(finished(i, prompt, stream, done));
        } catch (InputException e) {
          throw named(i, prompts, e);
        }
      }
    }
  }

  private static Text finished(int index, Prompt prompt, TextStream stream, Completion done) {
    if (done.finish() != Finish.STOP) {
      stream.end();
    }
    return new Text(index, prompt, stream.text(), done.tokens().length, done.finish());
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
