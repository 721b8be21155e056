package dev.attune.generate;

import dev.attune.core.FiniteOutput;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** A request in work, and what has become of it. */
final class Running implements GenerationTicket {
  private static final int[] NOTHING = {};

  final Request request;
  final Consumer<Completion> whenDone;
  final Consumer<RuntimeException> whenFailed; // null: who makes the steps hears of it
  final int mostRows;
  final PromptLookup lookup; // null: it proposes nothing
  volatile boolean isCancelled;
  int firstRow = -1; // of the cache; -1: waits
  int read; // tokens of the prompt in the cache
  private final Sampler sampler;
  private int[] generated = new int[32];
  private int count;
  private final List<TokenLogprobs> logprobs = new ArrayList<>();

  // Of the pass in hand: the tokens proposed, and those that come next, as far as they are known.
  int proposed;
  private final int[] proposals;
  private final int[] chosen;
  private final TokenLogprobs[] chosenLogprobs; // null where they were not asked for
  private int chosenCount;
  private RuntimeException failure; // why no more could be chosen; null: that was all

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
    int most = request.lookupTokens();
    this.lookup = most == 0 ? null : new PromptLookup(request.prompt());
    this.proposals = most == 0 ? NOTHING : new int[most];
    this.chosen = new int[1 + most];
    this.chosenLogprobs = request.topLogprobs() == null ? null : new TokenLogprobs[1 + most];
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

  /** Tokens so far, prompt included. */
  int length() {
    return request.prompt().length + count;
  }

  /** How many tokens were generated. */
  int count() {
    return count;
  }

  /** As many proposals as may all be right, and have their rows. */
  int mostProposals() {
    return Math.min(proposals.length, mostRows - length());
  }

  /** Looks up the tokens that this pass proposes: {@link #proposed} of them. */
  void propose() {
    if (proposed > 0) {
      lookup.guess(proposals, 0, proposed);
    }
  }

  /** The token of the pass's i-th row of this text: the last one, then what is proposed. */
  int token(int i) {
    return i == 0 ? generated[count - 1] : proposals[i - 1];
  }

  /**
   * Chooses the next token, and goes on while it is the one that was proposed: then the row behind
   * it has been computed too. What it cannot choose is said when they are accepted.
   *
   * @param all (rows, V), of which those of this text begin at {@code row}
   */
  void choose(FloatBuffer all, int row, int V) {
    chosenCount = 0;
    try {
      while (isRightSoFar()) {
        int first = (row + chosenCount) * V;
        FloatBuffer logits = all.duplicate();
        logits.position(first);
        FiniteOutput.checked(logits.slice(), V);
        int token = sampler.next(logits, V, count + chosenCount);
        if (chosenLogprobs != null) {
          chosenLogprobs[chosenCount] =
              TokenLogprobs.of(logits, first, V, token, request.topLogprobs());
        }
        chosen[chosenCount++] = token;
        if (lookup != null) {
          lookup.add(token);
        }
      }
    } catch (RuntimeException e) {
      failure = e;
    }
  }

  private boolean isRightSoFar() {
    if (chosenCount == 0) {
      return true;
    }
    int token = chosen[chosenCount - 1];
    return chosenCount <= proposed && token == proposals[chosenCount - 1] && !request.isEnd(token);
  }

  /**
   * Appends what was chosen, token by token.
   *
   * @param context tokens of the longest text
   * @return why the text has ended; null: it goes on
   */
  Finish accept(int context) {
    for (int i = 0; i < chosenCount; i++) {
      Finish why = accept(chosen[i], chosenLogprobs == null ? null : chosenLogprobs[i], context);
      if (why != null || isCancelled) {
        return why;
      }
    }
    if (failure != null) {
      throw failure;
    }
    return null;
  }

  private Finish accept(int token, TokenLogprobs scores, int context) {
    if (request.isEnd(token)) {
      return Finish.END;
    }
    if (count == generated.length) {
      generated = Arrays.copyOf(generated, 2 * count);
    }
    generated[count++] = token;
    if (scores != null) {
      logprobs.add(scores);
    }
    boolean goesOn = request.listener() == null || request.listener().onToken(token, scores);
    if (!goesOn) {
      return Finish.STOP;
    }
    if (count == request.maxNewTokens()) {
      return Finish.LENGTH;
    }
    return length() == context ? Finish.CONTEXT : null;
  }

  /** What became of it. */
  Completion completion(Finish why) {
    return new Completion(Arrays.copyOf(generated, count), why, List.copyOf(logprobs));
  }
}
