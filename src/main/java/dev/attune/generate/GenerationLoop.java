package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Continues many requests at once: one that ends makes room for the next, which joins the others
 * after its prompt was read (continuous batching; Yu et al., Orca, 2022). A request holds as many
 * rows of the cache as its text may come to have; those that find no room wait in their order.
 *
 * <p>One thread uses a generator at a time; any thread may cancel a request.
 */
public final class GenerationLoop implements AutoCloseable {
  private final Decoding decoding;
  private final int context;
  private final ArrayDeque<Running> waiting = new ArrayDeque<>();
  private final List<Running> running = new ArrayList<>();
  private final RowRanges rows;
  private final int most;

  // Of the group in hand.
  private final int[] firstRows = new int[Decoding.ADVANCED];
  private final int[] tokens = new int[Decoding.ADVANCED];
  private final int[] places = new int[Decoding.ADVANCED];
  private final Object[] adapters = new Object[Decoding.ADVANCED];

  /** A request that was taken. */
  public interface Ticket {
    /** Ends it at the next step, with {@link Finish#CANCELLED}. */
    void cancel();
  }

  private static final class Running implements Ticket {
    final Request request;
    final Sampler sampler;
    final Consumer<Completion> whenDone;
    final Consumer<RuntimeException> whenFailed; // null: who makes the steps hears of it
    final int mostRows;
    volatile boolean isCancelled;
    int firstRow = -1; // of the cache; -1: waits
    int read; // tokens of the prompt in the cache
    int[] generated = new int[32];
    int count;
    final List<TokenLogprobs> logprobs = new ArrayList<>();
    int chosen; // the token that comes next
    TokenLogprobs chosenLogprobs; // null where they were not asked for
    RuntimeException failure; // why none could be chosen; null: one was

    Running(
        Request request,
        int context,
        Consumer<Completion> whenDone,
        Consumer<RuntimeException> whenFailed) {
      this.request = request;
      // The last token is not read.
      long longest = (long) request.prompt().length + request.maxNewTokens() - 1;
      this.mostRows = (int) Math.min(longest, context);
      this.sampler =
          new Sampler(
              request.sampling(),
              request.rules(),
              request.prompt(),
              request.ends(),
              request.stream());
      this.whenDone = whenDone;
      this.whenFailed = whenFailed;
    }

    @Override
    public void cancel() {
      isCancelled = true;
    }

    boolean promptIsRead() {
      return read == request.prompt().length;
    }

    /** Rows of the next part of the prompt. */
    int nextChunk() {
      return Math.min(Decoding.PROMPT_ROWS, request.prompt().length - read);
    }

    /**
     * Chooses the next token, or says in {@link #failure} why there is none.
     *
     * @param all its logits are the V from {@code first} on
     */
    void choose(FloatBuffer all, int first, int V) {
      try {
        FloatBuffer logits = all.duplicate();
        logits.position(first);
        FiniteOutput.checked(logits.slice(), V);
        chosen = sampler.next(logits, V, count);
        Integer top = request.topLogprobs();
        chosenLogprobs = top == null ? null : TokenLogprobs.of(logits, first, V, chosen, top);
      } catch (RuntimeException e) {
        failure = e;
      }
    }

    void append(int token) {
      if (count == generated.length) {
        generated = Arrays.copyOf(generated, 2 * count);
      }
      generated[count++] = token;
    }
  }

  /**
   * @param model a language model with its weights loaded; the caller closes it
   * @param tape in the precision wanted; the caller closes it
   * @param slots requests at a time
   * @param context the longest text, prompt included
   */
  public GenerationLoop(TransformerModel model, Tape tape, int slots, int context) {
    this(model, tape, slots, context, Math.multiplyExact(slots, context));
  }

  /**
   * The same with room for fewer texts of the longest kind.
   *
   * @param cacheRows tokens of all requests at a time, at least {@code context}
   */
  public GenerationLoop(TransformerModel model, Tape tape, int slots, int context, int cacheRows) {
    Check.argument(slots >= 1, "%d slots", slots);
    Check.argument(cacheRows >= context, "%d rows for texts of %d", cacheRows, context);
    if (context < 2 || context > model.maxLength()) {
      throw new InputException(
          Term.MAX_LENGTH
              + " is "
              + context
              + "; it must be between 2 and "
              + model.maxLength()
              + ", the positions of the model");
    }
    this.context = context;
    this.most = slots;
    this.rows = new RowRanges(cacheRows);
    this.decoding = new Decoding(model, tape, cacheRows);
  }

  /** What the keys and values of so many requests at a time take. */
  public static long cacheBytes(TransformerModel model, DType dtype, int slots, int context) {
    return cacheBytes(model, dtype, (long) slots * context);
  }

  /** What those of so many tokens take. */
  public static long cacheBytes(TransformerModel model, DType dtype, long cacheRows) {
    return Decoding.cacheBytes(model, dtype, cacheRows);
  }

  /** What the keys and values of one token take. */
  public static long rowBytes(TransformerModel model, DType dtype) {
    return Decoding.rowBytes(model, dtype);
  }

  /**
   * Takes a request.
   *
   * @param whenDone is called during {@link #step}
   * @throws InputException if the prompt leaves no room in the context, or has a token that the
   *     model does not know
   */
  public Ticket submit(Request request, Consumer<Completion> whenDone) {
    return submit(request, whenDone, null);
  }

  /**
   * The same for one among those of others, who go on where it fails.
   *
   * @param whenFailed is called during {@link #step}, which does not throw what is wrong with this
   *     request alone; null: it does
   */
  public Ticket submit(
      Request request, Consumer<Completion> whenDone, Consumer<RuntimeException> whenFailed) {
    request.checkFits(context);
    for (int id : request.prompt()) {
      decoding.checked(id);
    }
    Running taken = new Running(request, context, whenDone, whenFailed);
    waiting.add(taken);
    return taken;
  }

  /** Whether any request is unfinished. */
  public boolean hasWork() {
    return !waiting.isEmpty() || !running.isEmpty();
  }

  /** Requests that hold rows of the cache. */
  public int running() {
    return running.size();
  }

  /** Runs everything that was submitted to its end. */
  public void run() {
    while (hasWork()) {
      step();
    }
  }

  /**
   * Adds a token to every running request whose prompt is read, and reads the next chunks of
   * others: long prompts do not keep anyone waiting.
   *
   * @throws InterruptedCallException if the thread is interrupted
   * @throws InputException if the model gives numbers that are not finite for a request that does
   *     not hear of it itself
   */
  public void step() {
    InterruptedCallException.check("generating");
    dropCancelled();
    admit();
    List<Running> ready = new ArrayList<>();
    List<Running> reading = new ArrayList<>();
    // Where others go on meanwhile they do not wait for long passes over prompts.
    int mostRows =
        running.stream().anyMatch(Running::promptIsRead)
            ? Decoding.PROMPT_ROWS
            : Decoding.PASS_ROWS;
    int rowsRead = 0;
    for (Running r : running) {
      if (r.promptIsRead()) {
        ready.add(r);
      } else if (rowsRead + r.nextChunk() <= mostRows) {
        rowsRead += r.nextChunk();
        reading.add(r);
      }
    }
    sortByAdapters(ready);
    sortByAdapters(reading);
    for (int first = 0; first < ready.size(); first += Decoding.ADVANCED) {
      advance(ready.subList(first, Math.min(ready.size(), first + Decoding.ADVANCED)));
    }
    if (!reading.isEmpty()) {
      readPrompts(reading);
    }
  }

  private void dropCancelled() {
    for (Running r : new ArrayList<>(waiting)) {
      if (r.isCancelled) {
        waiting.remove(r);
        finish(r, Finish.CANCELLED);
      }
    }
    for (Running r : new ArrayList<>(running)) {
      if (r.isCancelled) {
        finish(r, Finish.CANCELLED);
      }
    }
  }

  private void admit() {
    while (!waiting.isEmpty() && running.size() < most) {
      Running next = waiting.peek();
      int firstRow = rows.take(next.mostRows);
      if (firstRow < 0) {
        return; // those behind it wait too: else long texts would never have their turn
      }
      waiting.remove();
      next.firstRow = firstRow;
      running.add(next);
    }
  }

  /** Brings those together that have the same adapters, in the order in which they came. */
  private static void sortByAdapters(List<Running> requests) {
    Map<Object, Integer> order = new IdentityHashMap<>();
    requests.forEach(r -> order.putIfAbsent(r.request.adapters(), order.size()));
    requests.sort(Comparator.comparing(r -> order.get(r.request.adapters())));
  }

  private void readPrompts(List<Running> reading) {
    List<Decoding.Part> parts = new ArrayList<>();
    for (Running r : reading) {
      int count = r.nextChunk();
      parts.add(
          new Decoding.Part(r.firstRow, r.request.prompt(), r.read, count, r.request.adapters()));
      r.read += count;
    }
    FloatBuffer logits = decoding.read(parts);
    int V = decoding.vocabulary();
    choose(reading.stream().filter(Running::promptIsRead).toList(), logits, V);
  }

  private void advance(List<Running> group) {
    int B = group.size();
    for (int b = 0; b < B; b++) {
      Running r = group.get(b);
      firstRows[b] = r.firstRow;
      adapters[b] = r.request.adapters();
      tokens[b] = r.generated[r.count - 1];
      places[b] = r.request.prompt().length + r.count - 1;
    }
    FloatBuffer logits = decoding.advance(firstRows, tokens, places, adapters, B);
    choose(group, logits, decoding.vocabulary());
  }

  /**
   * Chooses the next tokens of requests: the work of a vocabulary each, on all cores.
   *
   * @param logits (requests, V)
   */
  private void choose(List<Running> requests, FloatBuffer logits, int V) {
    IntStream all = IntStream.range(0, requests.size());
    (requests.size() == 1 ? all : all.parallel())
        .forEach(i -> requests.get(i).choose(logits, i * V, V));
    requests.forEach(this::acceptOrFail);
  }

  private void acceptOrFail(Running r) {
    try {
      if (r.failure != null) {
        throw r.failure;
      }
      accept(r);
    } catch (RuntimeException e) {
      release(r);
      if (r.whenFailed == null) {
        throw e;
      }
      r.whenFailed.accept(e);
    }
  }

  private void accept(Running r) {
    Request request = r.request;
    int token = r.chosen;
    if (request.isEnd(token)) {
      finish(r, Finish.END);
      return;
    }
    r.append(token);
    TokenLogprobs logprobs = r.chosenLogprobs;
    if (logprobs != null) {
      r.logprobs.add(logprobs);
    }
    boolean goesOn = request.listener() == null || request.listener().onToken(token, logprobs);
    if (!goesOn) {
      finish(r, Finish.STOP);
    } else if (r.count == request.maxNewTokens()) {
      finish(r, Finish.LENGTH);
    } else if (request.prompt().length + r.count == context) {
      finish(r, Finish.CONTEXT);
    }
  }

  private void finish(Running r, Finish why) {
    release(r);
    r.whenDone.accept(
        new Completion(Arrays.copyOf(r.generated, r.count), why, List.copyOf(r.logprobs)));
  }

  private void release(Running r) {
    if (running.remove(r)) {
      rows.giveBack(r.firstRow, r.mostRows);
    }
  }

  @Override
  public void close() {
    decoding.close();
  }
}
