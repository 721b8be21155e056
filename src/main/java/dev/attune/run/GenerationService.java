package dev.attune.run;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.folder.ModelFolder;
import dev.attune.generate.GenerationDefaults;
import dev.attune.generate.GenerationLoop;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.GenerationTicket;
import dev.attune.generate.Prompt;
import dev.attune.generate.Sampling;
import dev.attune.generate.TextGeneration;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A language model that continues the texts of any number of callers in one batch: requests join
 * while others are in work, each with options of its own, and with the model as it is or with one
 * of any number of adapters of it. What a text becomes depends on its request alone.
 *
 * <p>One thread computes; callers hear from it, and must not keep it.
 */
public final class GenerationService implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  /**
   * How much at a time.
   *
   * @param concurrency texts in work
   * @param cacheBytes of their keys and values: with it goes the longest text
   * @param waiting texts that wait for others to end, before more are refused
   */
  public record Limits(int concurrency, long cacheBytes, int waiting) {
    public Limits {
      Check.argument(concurrency >= 1, "%d texts at a time", concurrency);
      Check.argument(waiting >= 0, "%d waiting", waiting);
    }
  }

  /** There are as many texts as may wait. */
  public static final class FullException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private FullException(String message) {
      super(message);
    }
  }

  private final LanguageModel model;
  private final OpenOptions options;
  private final Limits limits;
  private final int context;
  private final int cacheRows;
  private final Voice base;
  private final LinkedBlockingQueue<Consumer<GenerationLoop>> tasks = new LinkedBlockingQueue<>();
  private final SubmittedTexts submitted = new SubmittedTexts();
  private final Thread thread;
  private final Set<CompletableFuture<?>> inLanes = ConcurrentHashMap.newKeySet();
  private volatile boolean isClosing;
  private volatile boolean isOver; // the thread ends, since texts cannot be made any more
  private boolean hasLoop; // of the thread
  private volatile Lane lane; // of the thread
  private volatile int running;

  /** Who speaks: the model as it is, or with an adapter. */
  public final class Voice implements AutoCloseable {
    private final TrainedModel beside; // null: the model itself
    private final TextGeneration generation;

    private Voice(TrainedModel beside, TextGeneration generation) {
      this.beside = beside;
      this.generation = generation;
    }

    /** A text to continue as it is. */
    public Prompt prompt(String text) {
      return model.shared().hold(() -> generation.prompt(text));
    }

    /**
     * The text of a conversation that the assistant is to go on with.
     *
     * @param tools JSON schemas that the assistant may call, or null
     */
    public String rendered(List<ChatMessage> messages, List<?> tools) {
      return model.shared().hold(() -> generation.rendered(messages, tools));
    }

    /** What {@link #rendered} gave, to be continued. */
    public Prompt renderedPrompt(String rendered) {
      return model.shared().hold(() -> generation.renderedPrompt(rendered));
    }

    /** Tokens of a text, without special ones around it. */
    public int tokens(String text) {
      return model.shared().hold(() -> generation.tokenizer().encodePlain(text).length);
    }

    /** Whether there is a chat template. */
    public boolean hasTemplate() {
      return ChatTemplate.isIn(generation.tokenizer().folder());
    }

    /** Whether the chat template writes something. */
    public boolean templateHas(String text) {
      return hasTemplate() && ChatTemplate.open(generation.tokenizer().folder()).mentions(text);
    }

    /** The text of tokens. */
    public String text(int[] ids) {
      return model.shared().hold(() -> generation.tokenizer().decode(ids, true));
    }

    /** What texts are made with. */
    public GenerationService service() {
      return GenerationService.this;
    }

    /** Bytes of what is its own. */
    public long sizeBytes() {
      return beside == null ? 0 : beside.model().parameters().sizeBytes();
    }

    /** Frees an adapter, whose texts must be done. */
    @Override
    public void close() {
      if (beside != null) {
        beside.closeBeside(model.shared().model());
      }
    }
  }

  private GenerationService(LanguageModel model, OpenOptions options, Limits limits) {
    this.model = model;
    this.options = options;
    this.limits = limits;
    long rows = limits.cacheBytes() / model.rowBytes();
    this.context = (int) Math.min(model.positions(), rows);
    if (context < 2) {
      throw new InputException(
          "keys and values of a token take "
              + model.rowBytes()
              + " bytes; "
              + limits.cacheBytes()
              + " bytes hold no text");
    }
    long all = (long) context * limits.concurrency();
    this.cacheRows = (int) Math.min(Math.min(rows, all), Integer.MAX_VALUE / 2);
    this.base = new Voice(null, model.generation());
    this.thread = new Thread(this::work, "attune-generation");
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Opens the model in a folder: a whole one, or an adapter with its base.
   *
   * @throws InputException if there is none that continues texts
   */
  public static GenerationService open(
      Path folder, OpenOptions options, Compute compute, Limits limits) {
    GenerationOptions usual =
        new GenerationOptions(Sampling.greedy(), List.of(), limits.concurrency(), 1, null, null);
    LanguageModel model = LanguageModel.open(folder, options, compute, usual);
    try {
      return new GenerationService(model, options, limits);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** The model as it is. */
  public Voice base() {
    return base;
  }

  /**
   * Opens an adapter of this model beside it, while texts go on.
   *
   * @return null where the adapter is one that needs a base of its own
   * @throws InputException if it is none of this model
   */
  public Voice openBeside(Path folder) {
    ModelFolder adapter =
        ModelFolder.open(folder, model.shared().model().folder().base().toString());
    TrainedModel opened =
        inLane(
            lane ->
                TrainedModel.beside(
                    adapter,
                    model.shared().model(),
                    options,
                    lane.backend(),
                    model.shared().precision()));
    if (opened == null) {
      return null;
    }
    try {
      return new Voice(
          opened,
          new TextGeneration(
              model.generation().options(),
              opened.tokenizer(),
              GenerationDefaults.of(opened.folder())));
    } catch (RuntimeException | Error e) {
      opened.closeBeside(model.shared().model());
      throw e;
    }
  }

  /** On a device the computing thread has the only lane, and does it between two tokens. */
  private <T> T inLane(Function<Lane, T> work) {
    if (model.shared().hasSiblings()) {
      return model.shared().use(work);
    }
    CompletableFuture<T> done = new CompletableFuture<>();
    inLanes.add(done);
    try {
      tasks.add(
          loop -> {
            try {
              done.complete(work.apply(lane));
            } catch (RuntimeException | Error e) {
              done.completeExceptionally(e);
            }
          });
      if (hasEnded()) {
        done.completeExceptionally(closed());
      }
      return done.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    } finally {
      inLanes.remove(done);
    }
  }

  private static IllegalStateException closed() {
    return new IllegalStateException("the model is closed");
  }

  /**
   * Whether it makes no texts any more: there was no room or no device for them, or it was closed.
   * Of a task that was added before, it says that it may have been lost.
   */
  public boolean hasEnded() {
    return isOver || !thread.isAlive();
  }

  /** Tells those who wait for a thread that has ended. */
  private void failAll(RuntimeException reason) {
    submitted.failAll(reason);
    inLanes.forEach(done -> done.completeExceptionally(reason));
  }

  /** Tokens of the longest text, prompt included. */
  public int context() {
    return context;
  }

  /** V: ids of tokens are below. */
  public int vocabularySize() {
    return model.shared().model().vocabularySize();
  }

  /** Whether texts may be asked for with {@link GenerationOptions#lookupTokens}. */
  public boolean takesProposals() {
    return TextGeneration.takesProposals(model.shared().backend());
  }

  /** Bytes of the weights. */
  public long sizeBytes() {
    return model.shared().model().model().parameters().sizeBytes()
        + (long) cacheRows * model.rowBytes();
  }

  /** Texts that are taken at a time, in work and waiting: more are refused. */
  public int mostTexts() {
    return (int) Math.min((long) limits.concurrency() + limits.waiting(), Integer.MAX_VALUE);
  }

  /** Texts in work. */
  public int running() {
    return running;
  }

  /** Texts that were taken and are not done. */
  public int unfinished() {
    return submitted.count();
  }

  /**
   * Takes a text; to cancel it is to free its place at the next token.
   *
   * @param stream tells texts with one prompt and one seed apart
   * @throws InputException if the prompt does not fit, or if tokens are to be proposed and {@link
   *     #takesProposals} says no
   * @throws FullException if too many wait
   * @throws IllegalStateException after {@link #close} was called, or when there is no room or no
   *     device to make texts on any more
   */
  public GenerationTicket submit(
      Voice voice, Prompt prompt, GenerationOptions wanted, int stream, TextListener listener) {
    Check.state(!isClosing && !isOver, "the model is closed");
    if (wanted.beams() != null) {
      throw new InputException(Term.NUM_BEAMS + " is not for texts that are written together");
    }
    TextGeneration generation = voice.generation.with(wanted);
    generation.checkProposals(model.shared().backend());
    generation.check(prompt, context);
    int most = mostTexts();
    SubmittedTexts.Submission submission = submitted.take(most, listener);
    if (submission == null) {
      throw new FullException(most + " texts are in work or wait already");
    }
    Object adapters = voice.beside == null ? null : voice.beside.model().parameters();
    tasks.add(
        loop ->
            submission.begin(
                () ->
                    generation.submit(
                        loop,
                        prompt,
                        stream,
                        adapters,
                        submission::onToken,
                        submission::onPiece,
                        submission::onText,
                        submission::onFailure)));
    if (hasEnded()) {
      submission.onFailure(closed());
    }
    return submission;
  }

  private void work() {
    boolean goesOn = true;
    while (goesOn) {
      hasLoop = false;
      try {
        goesOn = model.shared().use(this::serve);
      } catch (RuntimeException | Error e) {
        LOG.log(Level.ERROR, "texts in work are lost", e);
        RuntimeException reason = SubmittedTexts.asException(e);
        if (hasLoop) {
          submitted.failBegun(reason);
          goesOn = !isClosing;
        } else { // nor will there be one at the next try: the room or the device is gone
          isOver = true;
          failAll(reason);
          goesOn = false;
        }
      }
    }
  }

  /** Whether there may be more to do. */
  private boolean serve(Lane own) {
    lane = own;
    try (GenerationLoop loop = model.loop(own, limits.concurrency(), context, cacheRows)) {
      hasLoop = true;
      while (!isClosing || loop.hasWork() || !tasks.isEmpty()) {
        Consumer<GenerationLoop> task = loop.hasWork() ? tasks.poll() : tasks.take();
        while (task != null) {
          task.accept(loop);
          task = tasks.poll();
        }
        if (loop.hasWork()) {
          loop.step();
        }
        running = loop.running();
      }
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the computing thread was interrupted", e);
    }
  }

  /** Cancels all texts. */
  public void cancelAll() {
    submitted.cancelAll();
  }

  /** Waits for the texts that were taken, then frees the model. Closing twice is fine. */
  @Override
  public void close() {
    isClosing = true;
    tasks.add(loop -> {}); // wakes
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
        cancelAll();
      }
    }
    failAll(closed()); // what came while the thread ended
    model.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
