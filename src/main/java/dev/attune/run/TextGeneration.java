package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.generate.BeamSearch;
import dev.attune.generate.Completion;
import dev.attune.generate.Finish;
import dev.attune.generate.Generator;
import dev.attune.generate.Request;
import dev.attune.generate.Sampling;
import dev.attune.generate.TextStream;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.run.GenerateRun.Prompt;
import dev.attune.run.GenerateRun.Text;
import dev.attune.tape.Tape;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;

/** How texts are continued: prompts to tokens, what the options say about generation, to texts. */
final class TextGeneration {
  /**
   * What the options say about generation.
   *
   * @param stops strings that end a text, and are no part of it
   * @param streams prompts in work at a time
   * @param beams null: none
   */
  record Options(
      Sampling sampling,
      List<String> stops,
      int streams,
      int maxNewTokens,
      BeamSearch.Config beams) {
    private static final List<RunOption> NARROWING =
        List.of(RunOption.TOP_K, RunOption.TOP_P, RunOption.MIN_P);

    private static final List<RunOption> NOT_WITH_BEAMS =
        List.of(
            RunOption.TEMPERATURE,
            RunOption.TOP_K,
            RunOption.TOP_P,
            RunOption.MIN_P,
            RunOption.REPETITION_PENALTY,
            RunOption.STOP,
            RunOption.STREAMS);

    /** Reads the options; those that would do nothing, or exclude each other, are refused. */
    static Options of(RunConfig config) {
      boolean talks = config.flag(RunOption.CHAT) || config.flag(RunOption.INTERACTIVE);
      if (!talks && config.isGiven(RunOption.SYSTEM)) {
        throw new InputException("--system needs --chat or --interactive");
      }
      String stop = config.text(RunOption.STOP);
      List<String> stops = stop == null ? List.of() : List.of(stop.replace("\\n", "\n"));
      Sampling sampling = sampling(config);
      int maxNewTokens = atLeastOne(config, RunOption.MAX_NEW_TOKENS);
      return new Options(
          sampling,
          stops,
          atLeastOne(config, RunOption.STREAMS),
          maxNewTokens,
          beams(config, maxNewTokens));
    }

    private static int atLeastOne(RunConfig config, RunOption option) {
      int value = config.smallInteger(option);
      if (value < 1) {
        throw new InputException(
            "--" + option.option() + " is " + value + "; it must be at least 1");
      }
      return value;
    }

    private static BeamSearch.Config beams(RunConfig config, int maxNewTokens) {
      int beams = atLeastOne(config, RunOption.NUM_BEAMS);
      if (beams == 1) {
        if (config.isGiven(RunOption.LENGTH_PENALTY)) {
          throw new InputException("--length-penalty needs --num-beams of 2 or more");
        }
        return null;
      }
      BeamSearch.Config search =
          new BeamSearch.Config(beams, config.number(RunOption.LENGTH_PENALTY), maxNewTokens);
      refuseBeside(
          config,
          RunOption.NUM_BEAMS,
          "beam search samples nothing, stops at no string and continues one prompt at a time",
          NOT_WITH_BEAMS);
      return search;
    }

    private static void refuseBeside(
        RunConfig config, RunOption option, String meaning, List<RunOption> others) {
      for (RunOption other : others) {
        if (hasEffect(config, other)) {
          throw new InputException(
              String.format(
                  "--%s is %s: %s, but --%s is %s; leave one of the two out",
                  option.option(),
                  config.text(option),
                  meaning,
                  other.option(),
                  config.text(other)));
        }
      }
    }

    private static boolean hasEffect(RunConfig config, RunOption option) {
      return config.isGiven(option)
          && switch (option) {
            case TEMPERATURE -> config.number(option) != 0;
            case REPETITION_PENALTY -> config.number(option) != 1;
            default -> true;
          };
    }

    private static Sampling sampling(RunConfig config) {
      boolean narrows = NARROWING.stream().anyMatch(config::isGiven);
      double temperature = narrows ? 1 : 0;
      if (config.isGiven(RunOption.TEMPERATURE)) {
        temperature = config.number(RunOption.TEMPERATURE);
        if (temperature == 0) {
          refuseBeside(
              config, RunOption.TEMPERATURE, "every token is the most probable one", NARROWING);
        }
      }
      return new Sampling(
          temperature,
          config.smallInteger(RunOption.TOP_K),
          config.number(RunOption.TOP_P),
          config.number(RunOption.MIN_P),
          config.number(RunOption.REPETITION_PENALTY),
          config.integer(RunOption.SEED));
    }
  }

  private final RunConfig config;
  private final Options options;
  private final TextTokenizer tokenizer;
  private final int[] ends;
  private ChatTemplate chat;

  /**
   * @param tokenizer the caller closes it
   * @param ends tokens that end a text, beside the tokenizer's own
   */
  TextGeneration(RunConfig config, Options options, TextTokenizer tokenizer, Set<Integer> ends) {
    this.config = config;
    this.options = options;
    this.tokenizer = tokenizer;
    TreeSet<Integer> all = new TreeSet<>(ends);
    tokenizer.eosId().ifPresent(all::add);
    this.ends = all.stream().mapToInt(Integer::intValue).toArray();
  }

  /** The prompt that the options give: as it is, or as a user's message. */
  Prompt prompt(String text) {
    if (!config.flag(RunOption.CHAT)) {
      return new Prompt(text, tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids());
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
  Prompt chatPrompt(List<ChatMessage> messages) {
    if (chat == null) {
      chat = ChatTemplate.open(tokenizer.folder());
    }
    String rendered = chat.render(messages, null, true);
    return new Prompt(rendered, tokenizer.encodePlain(rendered));
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

  /**
   * Refuses a prompt that cannot be continued.
   *
   * @param most tokens of a text, prompt included
   */
  void check(Prompt prompt, int most) {
    request(prompt, 0, null).checkFits(most);
  }

  private Request request(Prompt prompt, int index, Request.TokenListener listener) {
    return new Request(prompt.ids(), options.sampling, options.maxNewTokens, ends, index, listener);
  }

  /**
   * Continues prompts.
   *
   * @param tape in the precision wanted; between passes it belongs to others
   * @param most tokens of a text, prompt included
   * @param onPiece hears a single text as it comes; that of beam search, which decides at the end,
   *     in one go; may be null
   * @param onText hears each result, in the order in which they end
   */
  void generate(
      DecoderModel model,
      Tape tape,
      int most,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<Text> onText) {
    if (prompts.isEmpty()) {
      throw new InputException("there are no prompts");
    }
    for (int i = 0; i < prompts.size(); i++) {
      try {
        check(prompts.get(i), most);
      } catch (InputException e) {
        throw named(i, prompts, e);
      }
    }
    int context = context(prompts, most);
    if (options.beams != null) {
      beams(model, tape, context, prompts, onPiece, onText);
    } else {
      streams(model, tape, context, prompts, onPiece, onText);
    }
  }

  /** Tokens of the longest text, prompt included. */
  private int context(List<Prompt> prompts, int most) {
    int longest = prompts.stream().mapToInt(prompt -> prompt.ids().length).max().orElse(0);
    return (int) Math.min((long) longest + options.maxNewTokens, most);
  }

  /**
   * What keys and values take while prompts are continued.
   *
   * @param most tokens of a text, prompt included
   */
  long cacheBytes(DecoderModel model, DType dtype, int most, List<Prompt> prompts) {
    return cacheBytes(model, dtype, context(prompts, most), prompts.size());
  }

  /** What they take at the most, whatever the prompts. */
  long mostCacheBytes(DecoderModel model, DType dtype, int most) {
    return cacheBytes(model, dtype, most, options.streams);
  }

  private long cacheBytes(DecoderModel model, DType dtype, int context, int prompts) {
    return options.beams != null
        ? BeamSearch.cacheBytes(model, dtype, options.beams, context)
        : Generator.cacheBytes(model, dtype, Math.min(prompts, options.streams), context);
  }

  /** Of many prompts it is said which one was refused. */
  private static InputException named(int index, List<Prompt> prompts, InputException e) {
    return prompts.size() == 1
        ? e
        : new InputException(
            "prompt " + (index + 1) + " of " + prompts.size() + ": " + e.getMessage(), e);
  }

  private void streams(
      DecoderModel model,
      Tape tape,
      int context,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<Text> onText) {
    int slots = Math.min(prompts.size(), options.streams);
    try (Generator generator = new Generator(model, tape, slots, context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer, prompt.ids(), options.stops, onPiece);
        int index = i;
        generator.submit(
            request(prompt, i, stream),
            done -> onText.accept(finished(index, prompt, stream, done)));
      }
      generator.run();
    }
  }

  private void beams(
      DecoderModel model,
      Tape tape,
      int context,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<Text> onText) {
    try (BeamSearch search = new BeamSearch(model, tape, options.beams, context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer, prompt.ids(), options.stops, onPiece);
        Completion done = search.run(prompt.ids(), ends);
        for (int token : done.tokens()) {
          stream.onToken(token);
        }
        onText.accept(finished(i, prompt, stream, done));
      }
    }
  }

  private static Text finished(int index, Prompt prompt, TextStream stream, Completion done) {
    if (done.finish() != Finish.STOP) {
      stream.end();
    }
    return new Text(index, prompt, stream.text(), done.tokens().length, done.finish());
  }
}
