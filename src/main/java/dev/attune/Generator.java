package dev.attune;

import dev.attune.generate.BeamSearch;
import dev.attune.generate.Finish;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Prompt;
import dev.attune.generate.Sampling;
import dev.attune.generate.ScoredToken;
import dev.attune.run.LanguageModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A language model that continues texts.
 *
 * <p>A text depends on its prompt, its options and the model, not on what else is generated at the
 * same time. Any number of threads may use one; each gets the answers that it would get alone.
 * {@link #close} waits for calls that have begun; a later call is an {@link IllegalStateException}.
 * An interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Generator implements AutoCloseable {
  /**
   * How texts are continued; names as in Transformers' GenerationConfig. Each method returns this.
   */
  public static final class Options {
    private int maxNewTokens = 256;
    private Double temperature;
    private int topK;
    private double topP = 1;
    private double minP;
    private double repetitionPenalty; // 0: as the model's folder says
    private long seed = 42;
    private int beams = 1;
    private double lengthPenalty = 1;
    private int concurrency = 16;
    private Integer topLogprobs; // null: none
    private int promptLookupTokens;
    private final List<String> stops = new ArrayList<>();

    private Options() {}

    /** Tokens to generate at most; 256 unless given. */
    public Options maxNewTokens(int value) {
      maxNewTokens = value;
      return this;
    }

    /** Samples, with logits divided by this; 0: always the most probable token, as by default. */
    public Options temperature(double value) {
      temperature = value;
      return this;
    }

    /** Samples among the K most probable tokens; 0: all. */
    public Options topK(int value) {
      topK = value;
      return this;
    }

    /** Samples among the fewest tokens whose probabilities reach P; 1: all. */
    public Options topP(double value) {
      topP = value;
      return this;
    }

    /** Drops tokens less probable than this share of the most probable one; 0: none. */
    public Options minP(double value) {
      minP = value;
      return this;
    }

    /** Of tokens that have occurred; 1: none. */
    public Options repetitionPenalty(double value) {
      if (!(value > 0)) {
        throw new InvalidInputException(
            "repetitionPenalty is " + value + "; it must be above 0", null);
      }
      repetitionPenalty = value;
      return this;
    }

    /** Of the random choices; 42 unless given. */
    public Options seed(long value) {
      seed = value;
      return this;
    }

    /** Ends the text before this string; may be given several times. */
    public Options stop(String value) {
      if (value.isEmpty()) {
        throw new IllegalArgumentException("an empty stop string");
      }
      stops.add(value);
      return this;
    }

    /** Beam search over so many texts; 1: none. */
    public Options beams(int value) {
      beams = value;
      return this;
    }

    /** Of beam search: scores are divided by length to this power; 1 unless given. */
    public Options lengthPenalty(double value) {
      lengthPenalty = value;
      return this;
    }

    /** Of many prompts, how many are in work at a time; 16 unless given. */
    public Options concurrency(int value) {
      concurrency = value;
      return this;
    }

    /** Tells the log-probability of each token: {@link Generation#logprobs}. */
    public Options logprobs() {
      return topLogprobs == null ? topLogprobs(0) : this;
    }

    /**
     * The same, and tells so many of the most probable tokens at its place, 0 to 20, with theirs.
     */
    public Options topLogprobs(int value) {
      topLogprobs = value;
      return this;
    }

    /**
     * Proposes up to so many tokens that follow in the text where its last tokens have stood
     * before, 0 to 63, and reads them in one pass: texts are the same, and come sooner where much
     * of the prompt is copied. 0, the default: none.
     */
    public Options promptLookupNumTokens(int value) {
      promptLookupTokens = value;
      return this;
    }

    private GenerationOptions resolved() {
      boolean narrows = topK != 0 || topP != 1 || minP != 0;
      double heat = temperature != null ? temperature : narrows ? 1 : 0;
      if (heat == 0 && narrows) {
        throw new InvalidInputException(
            "temperature is 0: every token is the most probable one, but topK, topP or minP is"
                + " given; leave one of the two out",
            null);
      }
      if (beams > 1
          && (heat != 0 || repetitionPenalty > 0 && repetitionPenalty != 1 || !stops.isEmpty())) {
        throw new InvalidInputException(
            "beams is "
                + beams
                + ": beam search samples nothing and stops at no string; leave temperature, topK,"
                + " topP, minP, repetitionPenalty and stop out",
            null);
      }
      if (maxNewTokens < 1 || concurrency < 1 || beams < 1) {
        throw new InvalidInputException(
            String.format(
                "maxNewTokens is %d, concurrency %d, beams %d; each must be at least 1",
                maxNewTokens, concurrency, beams),
            null);
      }
      return Faults.translated(
          () ->
              new GenerationOptions(
                  new Sampling(heat, topK, topP, minP, repetitionPenalty, seed),
                  List.copyOf(stops),
                  concurrency,
                  maxNewTokens,
                  beams == 1 ? null : new BeamSearch.Config(beams, lengthPenalty, maxNewTokens),
                  topLogprobs,
                  promptLookupTokens));
    }
  }

  private final LanguageModel model;

  private Generator(LanguageModel model) {
    this.model = model;
  }

  /**
   * Opens the language model in a folder: a whole model, or an adapter, whose base is opened with
   * it.
   *
   * @throws InvalidInputException if there is none
   */
  public static Generator open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static Generator open(Path folder, Consumer<ModelOptions> options) {
    return new Generator(
        ModelOptions.of(options).openLanguageModel(folder, new Options().resolved()));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static Generator open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static Generator open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** Continues a prompt, always with the most probable token. */
  public Generation generate(String prompt) {
    return generate(prompt, options -> {});
  }

  /** Continues a prompt. */
  public Generation generate(String prompt, Consumer<Options> options) {
    return generate(prompt, options, piece -> {});
  }

  /**
   * Continues a prompt.
   *
   * @param onPiece hears the text on this thread as it comes; that of beam search, which decides at
   *     the end, in one go. What it throws ends the call
   */
  public Generation generate(String prompt, Consumer<Options> options, Consumer<String> onPiece) {
    Objects.requireNonNull(prompt, "prompt");
    return one(() -> model.prompt(prompt), options, onPiece);
  }

  /** Continues prompts, many at a time; as many texts, in their order. */
  public List<Generation> generate(List<String> prompts, Consumer<Options> options) {
    prompts.forEach(prompt -> Objects.requireNonNull(prompt, "prompt"));
    if (prompts.isEmpty()) {
      return new ArrayList<>();
    }
    Generation[] out = new Generation[prompts.size()];
    GenerationOptions chosen = chosen(options);
    Faults.translated(
        () ->
            model.generate(
                chosen,
                prompts.stream().map(model::prompt).toList(),
                null,
                text -> out[text.index()] = generation(text)));
    return new ArrayList<>(Arrays.asList(out));
  }

  /** Answers a conversation, written as the model's chat template has it. */
  public Generation chat(List<Message> messages) {
    return chat(messages, options -> {});
  }

  /** The same, with options. */
  public Generation chat(List<Message> messages, Consumer<Options> options) {
    return chat(messages, options, piece -> {});
  }

  /**
   * Answers a conversation.
   *
   * @param onPiece hears the answer on this thread as it comes
   */
  public Generation chat(
      List<Message> messages, Consumer<Options> options, Consumer<String> onPiece) {
    return one(() -> model.chatPrompt(LanguageExample.chat(messages)), options, onPiece);
  }

  private Generation one(
      java.util.function.Supplier<Prompt> prompt,
      Consumer<Options> options,
      Consumer<String> onPiece) {
    GenerationOptions chosen = chosen(options);
    Generation[] out = new Generation[1];
    Faults.translated(
        () ->
            model.generate(
                chosen, List.of(prompt.get()), onPiece, text -> out[0] = generation(text)));
    return out[0];
  }

  private static GenerationOptions chosen(Consumer<Options> settings) {
    Options options = new Options();
    settings.accept(options);
    return options.resolved();
  }

  private static Generation generation(GeneratedText text) {
    List<GeneratedToken> logprobs = text.logprobs().stream().map(Generator::token).toList();
    return new Generation(text.text(), reason(text.finish()), text.tokens(), logprobs);
  }

  private static GeneratedToken token(ScoredToken token) {
    List<GeneratedToken.Alternative> top =
        token.top().stream()
            .map(t -> new GeneratedToken.Alternative(t.id(), t.text(), t.logprob()))
            .toList();
    return new GeneratedToken(token.id(), token.text(), token.logprob(), top);
  }

  static FinishReason reason(Finish finish) {
    return switch (finish) {
      case END -> FinishReason.END;
      case STOP -> FinishReason.STOP;
      case LENGTH -> FinishReason.LENGTH;
      case CONTEXT -> FinishReason.CONTEXT;
      case CANCELLED -> throw new IllegalStateException("a text that nobody has cancelled");
    };
  }

  @Override
  public void close() {
    model.close();
  }
}
