package dev.attune.generate;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.kernels.Backend;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Texts in, texts out: prompts to tokens, their continuation by sampling or beams, to texts.
 * Several threads may use one, each with a tape of its own.
 */
public final class TextGeneration {
  private final GenerationOptions options;
  private final TextTokenizer tokenizer;
  private final GenerationDefaults defaults;
  private final int[] ends;
  private volatile ChatTemplate chat; // null until needed: not every model has one

  /**
   * @param tokenizer the caller closes it
   * @param defaults what the model's folder says; the tokenizer's own end ends a text too
   */
  public TextGeneration(
      GenerationOptions options, TextTokenizer tokenizer, GenerationDefaults defaults) {
    this(options, tokenizer, defaults, all(defaults.ends(), tokenizer), null);
    checkBeams(options, defaults);
  }

  private TextGeneration(
      GenerationOptions options,
      TextTokenizer tokenizer,
      GenerationDefaults defaults,
      int[] ends,
      ChatTemplate chat) {
    this.options = options;
    this.tokenizer = tokenizer;
    this.defaults = defaults;
    this.ends = ends;
    this.chat = chat;
  }

  private static int[] all(Set<Integer> ends, TextTokenizer tokenizer) {
    TreeSet<Integer> all = new TreeSet<>(ends);
    tokenizer.vocabulary().eosId().ifPresent(all::add);
    return all.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Beam search knows no rules. */
  private static void checkBeams(GenerationOptions options, GenerationDefaults defaults) {
    LogitRules rules = defaults.rules();
    if (options.beams() != null
        && !(rules.forbidNothing()
            && rules.repetitionPenalty() == 1
            && defaults.stops().isEmpty())) {
      throw new InputException(
          "the model's generation_config.json limits which tokens may come, which beam search does"
              + " not heed here; leave "
              + Term.NUM_BEAMS
              + " out");
    }
  }

  /** The same for other options. */
  public TextGeneration with(GenerationOptions others) {
    checkBeams(others, defaults);
    return new TextGeneration(others, tokenizer, defaults, ends, chat);
  }

  /** A text to continue as it is. */
  public Prompt prompt(String text) {
    return new Prompt(text, tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids());
  }

  /** A conversation that the assistant is to go on with. */
  public Prompt chatPrompt(List<ChatMessage> messages) {
    return chatPrompt(messages, null);
  }

  /**
   * The same with tools.
   *
   * @param tools JSON schemas that the assistant may call, or null
   */
  public Prompt chatPrompt(List<ChatMessage> messages, List<?> tools) {
    return renderedPrompt(rendered(messages, tools));
  }

  /** The text of such a conversation, as the model's template writes it. */
  public String rendered(List<ChatMessage> messages, List<?> tools) {
    if (chat == null) {
      chat = ChatTemplate.open(tokenizer.folder());
    }
    return chat.render(messages, tools, true);
  }

  /** What {@link #rendered} gave, to be continued. */
  public Prompt renderedPrompt(String rendered) {
    return new Prompt(rendered, tokenizer.encodePlain(rendered));
  }

  /**
   * The prompts of rows with a prompt, text or messages, one each.
   *
   * @param plain what becomes of a row that is no conversation
   */
  public List<Prompt> prompts(Dataset dataset, Function<String, Prompt> plain) {
    List<Prompt> prompts = new ArrayList<>();
    for (Example example : dataset.examples()) {
      if (example.messages() != null) {
        prompts.add(chatPrompt(withoutAnswer(example.messages()), dataset.tools(example)));
      } else {
        String text = example.prompt() != null ? example.prompt() : example.text();
        if (example.prompt() == null && example.textPair() != null) {
          throw new InputException(
              dataset.where(example)
                  + " has two texts, of which one can be a prompt; name it: "
                  + dataset.reading().oneText());
        }
        if (text == null) {
          throw new InputException(
              dataset.where(example) + ": there is neither prompt nor text nor messages");
        }
        prompts.add(plain.apply(text));
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
  public void check(Prompt prompt, int most) {
    request(prompt, 0, null).checkFits(most);
  }

  /**
   * Refuses to propose tokens where a text might change by it.
   *
   * @param backend that computes
   */
  public void checkProposals(Backend backend) {
    if (options.lookupTokens() > 0) {
      Decoding.checkProposals(backend);
    }
  }

  /** Whether a backend is one on which tokens can be proposed. */
  public static boolean takesProposals(Backend backend) {
    return Decoding.takesProposals(backend);
  }

  private Request request(Prompt prompt, int index, Request.TokenListener listener) {
    return request(prompt, index, null, listener);
  }

  private Request request(
      Prompt prompt, long stream, Object adapters, Request.TokenListener listener) {
    return new Request(
        prompt.ids(),
        options.sampling(),
        defaults.rules(),
        options.maxNewTokens(),
        ends,
        stream,
        options.topLogprobs(),
        options.lookupTokens(),
        adapters,
        listener);
  }

  /**
   * Gives a prompt to a loop that goes on with those of others.
   *
   * @param stream tells texts with one prompt and one seed apart: {@link GeneratedText#index}
   * @param adapters of this text: see {@link Request}
   * @param onToken hears each token, where its log-probability was asked for, before its piece
   * @param onPiece hears the text as it comes, during the loop's steps
   * @param onText hears the result
   * @param onFailure hears why there is none, where that is a matter of this text alone
   * @throws InputException if the prompt does not fit
   */
  public GenerationTicket submit(
      GenerationLoop loop,
      Prompt prompt,
      int stream,
      Object adapters,
      Consumer<ScoredToken> onToken,
      Consumer<String> onPiece,
      Consumer<GeneratedText> onText,
      Consumer<RuntimeException> onFailure) {
    TextStream text = new TextStream(tokenizer, prompt.ids(), stops(), onPiece);
    Request.TokenListener listener =
        new Request.TokenListener() {
          private int before = prompt.ids()[prompt.ids().length - 1];

          @Override
          public boolean onToken(int token) {
            return text.onToken(token);
          }

          @Override
          public boolean onToken(int token, TokenLogprobs logprobs) {
            if (logprobs != null) {
              onToken.accept(scored(before, logprobs));
            }
            before = token;
            return onToken(token);
          }
        };
    return loop.submit(
        request(prompt, stream, adapters, listener),
        done -> onText.accept(finished(stream, prompt, text, done)),
        onFailure);
  }

  /** How texts are continued. */
  public GenerationOptions options() {
    return options;
  }

  /** The tokenizer. */
  public TextTokenizer tokenizer() {
    return tokenizer;
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
  public void generate(
      TransformerModel model,
      Tape tape,
      int most,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<GeneratedText> onText) {
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
    if (options.beams() != null) {
      beams(model, tape, context, prompts, onPiece, onText);
    } else {
      streams(model, tape, context, prompts, onPiece, onText);
    }
  }

  /** Tokens that the longest text may come to have, prompt included, if nothing bounds it. */
  public long wanted(List<Prompt> prompts) {
    int longest = prompts.stream().mapToInt(prompt -> prompt.ids().length).max().orElse(0);
    return (long) longest + options.maxNewTokens();
  }

  private int context(List<Prompt> prompts, int most) {
    return (int) Math.min(wanted(prompts), most);
  }

  /**
   * What keys and values take while prompts are continued.
   *
   * @param most tokens of a text, prompt included
   */
  public long cacheBytes(TransformerModel model, DType dtype, int most, List<Prompt> prompts) {
    return cacheBytes(model, dtype, context(prompts, most), prompts.size());
  }

  /**
   * Refuses texts that memory has no room for, should they become as long as they may.
   *
   * @param most tokens of a text, prompt included
   * @param roomBytes that keys and values may take
   */
  public void checkRoom(
      TransformerModel model, DType dtype, int most, List<Prompt> prompts, long roomBytes) {
    int context = context(prompts, most);
    long needed = cacheBytes(model, dtype, context, prompts.size());
    if (needed <= roomBytes) {
      return;
    }
    long least = cacheBytes(model, dtype, 2, prompts.size());
    long ofToken = cacheBytes(model, dtype, 3, prompts.size()) - least;
    long longest = wanted(prompts) - options.maxNewTokens();
    long fitting = 2 + Math.max(0, roomBytes - least) / ofToken - longest;
    throw new InputException(
        String.format(
            "%s is %d: to write texts of up to %d tokens, keys and values take up to %s, and have"
                + " %s here; %s",
            Term.MAX_NEW_TOKENS,
            options.maxNewTokens(),
            context,
            DeviceMemoryException.size(needed),
            DeviceMemoryException.size(roomBytes),
            fitting > 0
                ? Term.MAX_NEW_TOKENS.of(fitting) + " fits"
                : "give shorter prompts, or fewer " + Term.STREAMS + " or " + Term.NUM_BEAMS));
  }

  /** What they take at the most, whatever the prompts. */
  public long mostCacheBytes(TransformerModel model, DType dtype, int most) {
    return cacheBytes(model, dtype, most, options.streams());
  }

  private long cacheBytes(TransformerModel model, DType dtype, int context, int prompts) {
    return options.beams() != null
        ? BeamSearch.cacheBytes(model, dtype, options.beams(), context)
        : GenerationLoop.cacheBytes(model, dtype, Math.min(prompts, options.streams()), context);
  }

  /** Of many prompts it is said which one was refused. */
  private static InputException named(int index, List<Prompt> prompts, InputException e) {
    return prompts.size() == 1
        ? e
        : new InputException(
            "prompt " + (index + 1) + " of " + prompts.size() + ": " + e.getMessage(), e);
  }

  private void streams(
      TransformerModel model,
      Tape tape,
      int context,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<GeneratedText> onText) {
    int slots = Math.min(prompts.size(), options.streams());
    try (GenerationLoop generator = new GenerationLoop(model, tape, slots, context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer, prompt.ids(), stops(), onPiece);
        int index = i;
        generator.submit(
            request(prompt, i, stream),
            done -> onText.accept(finished(index, prompt, stream, done)));
      }
      generator.run();
    }
  }

  private void beams(
      TransformerModel model,
      Tape tape,
      int context,
      List<Prompt> prompts,
      Consumer<String> onPiece,
      Consumer<GeneratedText> onText) {
    try (BeamSearch search = new BeamSearch(model, tape, options.beams(), context)) {
      for (int i = 0; i < prompts.size(); i++) {
        Prompt prompt = prompts.get(i);
        TextStream stream = new TextStream(tokenizer, prompt.ids(), stops(), onPiece);
        Completion done = search.run(prompt.ids(), ends);
        for (int token : done.tokens()) {
          stream.onToken(token);
        }
        onText.accept(finished(i, prompt, stream, done));
      }
    }
  }

  private List<String> stops() {
    return Stream.concat(options.stops().stream(), defaults.stops().stream()).toList();
  }

  private GeneratedText finished(int index, Prompt prompt, TextStream stream, Completion done) {
    if (done.finish() != Finish.STOP) {
      stream.end();
    }
    return new GeneratedText(
        index,
        prompt,
        stream.text(),
        done.tokens().length,
        done.finish(),
        scored(prompt, done.logprobs()));
  }

  private List<ScoredToken> scored(Prompt prompt, List<TokenLogprobs> logprobs) {
    List<ScoredToken> scored = new ArrayList<>();
    int before = prompt.ids()[prompt.ids().length - 1];
    for (TokenLogprobs one : logprobs) {
      scored.add(scored(before, one));
      before = one.token();
    }
    return List.copyOf(scored);
  }

  private ScoredToken scored(int before, TokenLogprobs one) {
    List<ScoredToken.Alternative> top = new ArrayList<>();
    for (int i = 0; i < one.topTokens().length; i++) {
      int id = one.topTokens()[i];
      top.add(new ScoredToken.Alternative(id, textAfter(before, id), one.topLogprobs()[i]));
    }
    return new ScoredToken(
        one.token(), textAfter(before, one.token()), one.logprob(), List.copyOf(top));
  }

  /** What a token adds to the text: alone, many a tokenizer would drop the space it begins with. */
  private String textAfter(int before, int id) {
    String known = tokenizer.decode(new int[] {before}, false);
    String all = tokenizer.decode(new int[] {before, id}, false);
    return all.startsWith(known)
        ? all.substring(known.length())
        : tokenizer.decode(new int[] {id}, false);
  }
}
