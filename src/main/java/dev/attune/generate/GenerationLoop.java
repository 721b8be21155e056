package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
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
  private final Backend backend;
  private final int context;
  private final ArrayDeque<Running> waiting = new ArrayDeque<>();
  private final List<Running> running = new ArrayList<>();
  private final RowRanges rows;
  private final int most;

  private final PassTimes times;
  private final Proposals proposals;

  // Of the pass in hand: of its texts, then of their rows.
  private final int[] mostProposed = new int[Decoding.ADVANCED];
  private final int[] proposed = new int[Decoding.ADVANCED];
  private final int[] firstRows = new int[Decoding.ADVANCED];
  private final int[] tokens = new int[Decoding.ADVANCED];
  private final int[] places = new int[Decoding.ADVANCED];
  private final Object[] adapters = new Object[Decoding.ADVANCED];

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
    this(model, tape, slots, context, cacheRows, new PassTimes(Decoding.rowsAtOnce(tape)));
  }

  /** The same with times of passes that it goes by. */
  GenerationLoop(
      TransformerModel model, Tape tape, int slots, int context, int cacheRows, PassTimes times) {
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
    this.backend = tape.backend();
    this.times = times;
    this.proposals = new Proposals(times);
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
   *     model does not know; or if it is to propose tokens on a backend where a text might change
   *     by that
   */
  public GenerationTicket submit(Request request, Consumer<Completion> whenDone) {
    return submit(request, whenDone, null);
  }

  /**
   * The same for one among those of others, who go on where it fails.
   *
   * @param whenFailed is called during {@link #step}, which does not throw what is wrong with this
   *     request alone; null: it does
   */
  public GenerationTicket submit(
      Request request, Consumer<Completion> whenDone, Consumer<RuntimeException> whenFailed) {
    request.checkFits(context);
    if (request.lookupTokens() > 0) {
      Decoding.checkProposals(backend);
    }
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
   * Adds a token to every running request whose prompt is read, or more where those it proposed are
   * right, and reads the next chunks of others: long prompts do not keep anyone waiting.
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
    List<Running> begun = reading.stream().filter(Running::promptIsRead).toList();
    begun.forEach(r -> r.proposed = 0);
    choose(begun, logits);
    begun.forEach(this::acceptOrFail);
  }

  private void advance(List<Running> group) {
    propose(group);
    int N = 0;
    for (Running r : group) {
      for (int i = 0; i <= r.proposed; i++, N++) {
        firstRows[N] = r.firstRow;
        adapters[N] = r.request.adapters();
        tokens[N] = r.token(i);
        places[N] = r.length() - 1 + i;
      }
    }
    long begin = System.nanoTime();
    FloatBuffer logits = decoding.advance(firstRows, tokens, places, adapters, N);
    choose(group, logits);
    times.add(N, System.nanoTime() - begin);
    group.forEach(this::acceptOrFail);
  }

  private void propose(List<Running> group) {
    int texts = group.size();
    for (int b = 0; b < texts; b++) {
      mostProposed[b] = group.get(b).mostProposals();
    }
    List<PromptLookup> lookups = group.stream().map(r -> r.lookup).toList();
    proposals.count(lookups, mostProposed, Decoding.ADVANCED, proposed);
    for (int b = 0; b < texts; b++) {
      group.get(b).proposed = proposed[b];
      group.get(b).propose();
    }
  }

  /**
   * Chooses the next tokens of requests: the work of a vocabulary for each, on all cores.
   *
   * @param logits (rows, V), those of a request one after another
   */
  private void choose(List<Running> requests, FloatBuffer logits) {
    int V = decoding.vocabulary();
    int[] rows = new int[requests.size()];
    for (int i = 1; i < rows.length; i++) {
      rows[i] = rows[i - 1] + 1 + requests.get(i - 1).proposed;
    }
    IntStream all = IntStream.range(0, rows.length);
    (rows.length == 1 ? all : all.parallel())
        .forEach(i -> requests.get(i).choose(logits, rows[i], V));
  }

  private void acceptOrFail(Running r) {
    try {
      Finish why = r.accept(context);
      if (why != null) {
        finish(r, why);
      }
    } catch (RuntimeException e) {
      release(r);
      if (r.whenFailed == null) {
        throw e;
      }
      r.whenFailed.accept(e);
    }
  }

  private void finish(Running r, Finish why) {
    release(r);
    r.whenDone.accept(r.completion(why));
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
