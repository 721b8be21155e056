package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.data.Numbers;
import dev.attune.data.TargetKind;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;

/** Tokenises datasets on several threads. Results do not depend on how many. */
public final class Encoder {
  private static final int CHUNK = 64;

  /** Hears how far an encoding is; called on the thread that called {@link Encoder#encode}. */
  @FunctionalInterface
  public interface Progress {
    void update(int done, int total);
  }

  private final TextTokenizer tokenizer;
  private final TargetKind kind;
  private final LabelMap labels;
  private final int maxLength;
  private final int threads;
  private final NextTokens nextTokens; // of NEXT_TOKEN, else null

  /**
   * Of NEXT_TOKEN it learns completions and the assistant's turns, not prompts; see {@link
   * #nextTokens}.
   *
   * @param labels the label names of CLASS and TAGS, else null
   * @param maxLength tokens an example keeps at most, special tokens included
   * @param threads how many threads tokenise, the caller's among them
   */
  public Encoder(
      TextTokenizer tokenizer, TargetKind kind, LabelMap labels, int maxLength, int threads) {
    this(tokenizer, kind, labels, maxLength, threads, false, maxLength);
  }

  private Encoder(
      TextTokenizer tokenizer,
      TargetKind kind,
      LabelMap labels,
      int maxLength,
      int threads,
      boolean trainOnPrompt,
      int stride) {
    Check.argument(
        (labels != null) == (kind == TargetKind.CLASS || kind == TargetKind.TAGS),
        "a dataset of %s and label map %s",
        kind,
        labels);
    Check.input(threads >= 1, "%d threads: there must be at least 1", threads);
    int smallest =
        Math.max(tokenizer.specialTokens(false) + 1, kind == TargetKind.NEXT_TOKEN ? 2 : 1);
    Check.input(
        maxLength >= smallest,
        "max length %d leaves no room for text: the tokenizer adds %d special tokens. Give"
            + " --max-length at least %d.",
        maxLength,
        tokenizer.specialTokens(false),
        smallest);
    this.tokenizer = tokenizer;
    this.kind = kind;
    this.labels = labels;
    this.maxLength = maxLength;
    this.threads = threads;
    this.nextTokens =
        kind == TargetKind.NEXT_TOKEN
            ? new NextTokens(tokenizer, maxLength, stride, trainOnPrompt)
            : null;
  }

  /**
   * An encoder for causal language modelling.
   *
   * <ul>
   *   <li>A {@code text} is learned whole. It is cut into sequences of {@code maxLength} tokens one
   *       after the other, so nothing of it is lost; unlike Transformers' {@code run_clm.py}, which
   *       also strings different texts together and drops what remains at the end.
   *   <li>Of {@code prompt, completion} the completion is learned. The two are joined as they are.
   *   <li>Of {@code messages} the assistant's turns are learned.
   * </ul>
   *
   * The tokenizer's end of sequence is appended where the text does not end in it, as TRL's
   * SFTTrainer does. Prompts with their completions and conversations are cut at {@code maxLength};
   * rows that then have nothing to learn are left out, and counted.
   *
   * @param trainOnPrompt learn prompts and all turns too
   */
  public static Encoder nextTokens(
      TextTokenizer tokenizer, boolean trainOnPrompt, int maxLength, int threads) {
    return new Encoder(
        tokenizer, TargetKind.NEXT_TOKEN, null, maxLength, threads, trainOnPrompt, maxLength);
  }

  /**
   * The same for measuring: the sequences of a long text overlap, so that every token but a text's
   * first is predicted, once, with at least {@code maxLength - stride} tokens before it (where
   * there are as many).
   *
   * @param stride tokens from one sequence to the next, 1 to maxLength
   */
  public static Encoder strided(
      TextTokenizer tokenizer, boolean trainOnPrompt, int maxLength, int stride, int threads) {
    Check.input(
        stride >= 1 && stride <= maxLength,
        "--stride is %d; it must be between 1 and the maximum length, %d",
        stride,
        maxLength);
    return new Encoder(
        tokenizer, TargetKind.NEXT_TOKEN, null, maxLength, threads, trainOnPrompt, stride);
  }

  /** Tokenises every example; a bad label or an example without text is an error with its row. */
  public EncodedDataset encode(Dataset dataset) {
    return encode(dataset, (done, total) -> {});
  }

  /** As {@link #encode(Dataset)}, telling how far it is. */
  public EncodedDataset encode(Dataset dataset, Progress progress) {
    if (kind == TargetKind.NEXT_TOKEN) {
      NextTokens.Row[] rows = new NextTokens.Row[dataset.size()];
      tokenise(dataset, rows, nextTokens::encode, progress);
      return nextTokens.pack(rows);
    }
    TokenIds[] tokens = new TokenIds[dataset.size()];
    tokenise(dataset, tokens, this::tokens, progress);
    EncodedDataset.Builder builder = EncodedDataset.builder(kind, tokenizer.usesTypeIds());
    for (int i = 0; i < tokens.length; i++) {
      Example example = dataset.get(i);
      TokenIds t = tokens[i];
      tokens[i] = null;
      if (t.ids().length == 0) {
        throw new InputException(
            dataset.where(example)
                + ": the text has no tokens (\""
                + example.text()
                + "\"). Every example needs at least one; remove the row.");
      }
      switch (kind) {
        case CLASS ->
            builder.add(t.ids(), t.typeIds(), labels.id(example.label(), dataset, example));
        case NUMBER -> builder.add(t.ids(), t.typeIds(), Numbers.target(dataset, example));
        case TAGS -> builder.add(t.ids(), t.typeIds(), tokenLabels(t, dataset, example));
        case NONE -> builder.add(t.ids(), t.typeIds());
      }
      builder.dropped(t.droppedTokens());
    }
    return builder.build();
  }

  /** A word's tag goes to its first token; its other tokens and the special ones are ignored. */
  private int[] tokenLabels(TokenIds tokens, Dataset dataset, Example example) {
    if (example.tags() == null || example.tags().size() != example.tokens().size()) {
      throw new InputException(
          dataset.where(example)
              + ": "
              + (example.tags() == null
                  ? "the tags are missing"
                  : example.tags().size() + " tags for " + example.tokens().size() + " tokens")
              + ". Token classification needs one tag for each token.");
    }
    int[] out = new int[tokens.ids().length];
    Arrays.fill(out, EncodedDataset.IGNORED);
    int previous = -1;
    for (int t = 0; t < out.length; t++) {
      int word = tokens.wordIds()[t];
      if (word >= 0 && word != previous) {
        out[t] = labels.id(example.tags().get(word), dataset, example);
      }
      previous = word;
    }
    return out;
  }

  /** Fills {@code out} with what {@code encode} makes of each example. */
  private <T> void tokenise(
      Dataset dataset, T[] out, BiFunction<Dataset, Example, T> encode, Progress progress) {
    int total = dataset.size();
    AtomicInteger taken = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    Throwable[] failures = new Throwable[threads];
    int helpers = Math.min(threads - 1, (total - 1) / CHUNK);
    Thread[] others = new Thread[Math.max(0, helpers)];
    for (int i = 0; i < others.length; i++) {
      int slot = i + 1;
      others[i] =
          new Thread(
              () -> {
                try {
                  work(dataset, out, encode, taken, done, (d, n) -> {});
                } catch (RuntimeException | Error e) {
                  failures[slot] = e;
                  taken.set(total); // the others stop after their chunk
                }
              },
              "attune-encode-" + slot);
      others[i].setDaemon(true);
      others[i].start();
    }
    try {
      work(dataset, out, encode, taken, done, progress);
    } catch (RuntimeException | Error e) {
      failures[0] = e;
      taken.set(total);
    }
    boolean interrupted = false;
    for (Thread other : others) {
      while (other.isAlive()) {
        try {
          other.join();
        } catch (InterruptedException e) {
          interrupted = true; // the threads end by themselves, soon
          taken.set(total);
        }
      }
    }
    for (Throwable failure : failures) {
      if (failure instanceof Error error) {
        throw error;
      }
      if (failure instanceof RuntimeException exception) {
        throw exception;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
      throw new InterruptedCallException("interrupted while tokenising " + dataset.source());
    }
    progress.update(total, total);
  }

  private static <T> void work(
      Dataset dataset,
      T[] out,
      BiFunction<Dataset, Example, T> encode,
      AtomicInteger taken,
      AtomicInteger done,
      Progress progress) {
    int total = out.length;
    while (true) {
      InterruptedCallException.check("tokenising");
      int begin = taken.getAndUpdate(t -> t >= total ? t : t + CHUNK);
      if (begin >= total) {
        return;
      }
      int end = Math.min(total, begin + CHUNK);
      for (int i = begin; i < end; i++) {
        out[i] = encode.apply(dataset, dataset.get(i));
      }
      progress.update(done.addAndGet(end - begin), total);
    }
  }

  private TokenIds tokens(Dataset dataset, Example example) {
    if (kind == TargetKind.TAGS || (example.text() == null && example.tokens() != null)) {
      Check.input(
          example.tokens() != null,
          "%s: no tokens. Token classification needs the columns tokens and tags.",
          dataset.where(example));
      return tokenizer.encodeWordIds(example.tokens(), maxLength);
    }
    Check.input(example.text() != null, "%s: the text is missing", dataset.where(example));
    return tokenizer.encodeIds(example.text(), example.textPair(), maxLength);
  }
}
