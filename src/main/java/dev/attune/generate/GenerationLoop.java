package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Continues many requests at once: one that ends makes room for the next, which joins the others
 * after its prompt was read (continuous batching; Yu et al., Orca, 2022).
 *
 * <p>One thread uses a generator at a time.
 */
public final class GenerationLoop implements AutoCloseable {
  private final Decoding decoding;
  private final int context;
  private final ArrayDeque<Running> waiting = new ArrayDeque<>();
  private final List<Running> running = new ArrayList<>();
  private final ArrayDeque<Integer> freeSlots = new ArrayDeque<>();

  // Of the group in hand.
  private final int[] slots = new int[Decoding.GROUP];
  private final int[] tokens = new int[Decoding.GROUP];
  private final int[] places = new int[Decoding.GROUP];

  private static final class Running {
    final Request request;
    final Sampler sampler;
    final Consumer<Completion> whenDone;
    int slot = -1;
    int read; // tokens of the prompt in the cache
    int[] generated = new int[32];
    int count;
    final List<TokenLogprobs> logprobs = new ArrayList<>();

    Running(Request request, Consumer<Completion> whenDone) {
      this.request = request;
      this.sampler =
          new Sampler(
              request.sampling(),
              request.rules(),
              request.prompt(),
              request.ends(),
              request.stream());
      this.whenDone = whenDone;
    }

    boolean promptIsRead() {
      return read == request.prompt().length;
    }

    /** Rows of the next part of the prompt. */
    int nextChunk() {
      return Math.min(Decoding.PROMPT_ROWS, request.prompt().length - read);
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
    Check.argument(slots >= 1, "%d slots", slots);
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
    this.decoding = new Decoding(model, tape, slots, context);
    for (int slot = 0; slot < slots; slot++) {
      freeSlots.add(slot);
    }
  }

  /** What the keys and values of so many requests at a time take. */
  public static long cacheBytes(TransformerModel model, DType dtype, int slots, int context) {
    return Decoding.cacheBytes(model, dtype, slots, context);
  }

  /**
   * Takes a request.
   *
   * @param whenDone is called during {@link #step}
   * @throws InputException if the prompt leaves no room in the context
   */
  public void submit(Request request, Consumer<Completion> whenDone) {
    request.checkFits(context);
    waiting.add(new Running(request, whenDone));
  }

  /** Whether any request is unfinished. */
  boolean hasWork() {
    return !waiting.isEmpty() || !running.isEmpty();
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
   */
  public void step() {
    InterruptedCallException.check("generating");
    while (!waiting.isEmpty() && !freeSlots.isEmpty()) {
      Running next = waiting.remove();
      next.slot = freeSlots.remove();
      running.add(next);
    }
    List<Running> ready = new ArrayList<>();
    List<Running> reading = new ArrayList<>();
    int rows = 0;
    for (Running r : running) {
      if (r.promptIsRead()) {
        ready.add(r);
      } else if (rows + r.nextChunk() <= Decoding.PASS_ROWS) {
        rows += r.nextChunk();
        reading.add(r);
      }
    }
    for (int first = 0; first < ready.size(); first += Decoding.GROUP) {
      advance(ready.subList(first, Math.min(ready.size(), first + Decoding.GROUP)));
    }
    if (!reading.isEmpty()) {
      readPrompts(reading);
    }
  }

  private void readPrompts(List<Running> reading) {
    List<Decoding.Part> parts = new ArrayList<>();
    for (Running r : reading) {
      int count = r.nextChunk();
      parts.add(new Decoding.Part(r.slot, r.request.prompt(), r.read, count));
      r.read += count;
    }
    FloatBuffer logits = decoding.read(parts);
    int V = decoding.vocabulary();
    int row = 0;
    for (Running r : reading) {
      if (r.promptIsRead()) {
        choose(r, logits, row++ * V, V);
      }
    }
  }

  private void advance(List<Running> group) {
    int B = group.size();
    for (int b = 0; b < B; b++) {
      Running r = group.get(b);
      slots[b] = r.slot;
      tokens[b] = r.generated[r.count - 1];
      places[b] = r.request.prompt().length + r.count - 1;
    }
    FloatBuffer logits = decoding.advance(slots, tokens, places, B);
    int V = decoding.vocabulary();
    for (int b = 0; b < B; b++) {
      choose(group.get(b), logits, b * V, V);
    }
  }

  /**
   * Chooses the next token of a request.
   *
   * @param logits its own are the V from {@code first} on
   */
  private void choose(Running r, FloatBuffer logits, int first, int V) {
    Request request = r.request;
    logits.position(first);
    int token = r.sampler.next(logits, V, r.count);
    if (request.isEnd(token)) {
      finish(r, Finish.END);
      return;
    }
    r.append(token);
    if (request.topLogprobs() != null) {
      r.logprobs.add(TokenLogprobs.of(logits, first, V, token, request.topLogprobs()));
    }
    boolean goesOn = request.listener() == null || request.listener().onToken(token);
    if (!goesOn) {
      finish(r, Finish.STOP);
    } else if (r.count == request.maxNewTokens()) {
      finish(r, Finish.LENGTH);
    } else if (request.prompt().length + r.count == context) {
      finish(r, Finish.CONTEXT);
    }
  }

  private void finish(Running r, Finish why) {
    running.remove(r);
    freeSlots.add(r.slot);
    r.whenDone.accept(
        new Completion(Arrays.copyOf(r.generated, r.count), why, List.copyOf(r.logprobs)));
  }

  @Override
  public void close() {
    decoding.close();
  }
}
