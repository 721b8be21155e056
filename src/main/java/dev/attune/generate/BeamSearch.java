package dev.attune.generate;

import dev.attune.core.Count;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Beam search as in Transformers' {@code generate} with {@code early_stopping=False}: of every
 * beam's continuations so many of the best are looked at that, whichever of them end, as many as
 * there are beams go on; those that end are set aside with their score, until none that goes on can
 * beat the worst of those set aside.
 */
public final class BeamSearch implements AutoCloseable {
  /**
   * @param beams texts that are followed at a time, 2 to 16
   * @param lengthPenalty scores are log-probabilities divided by the length to this power
   * @param maxNewTokens at most so many
   */
  public record Config(int beams, double lengthPenalty, int maxNewTokens) {
    public Config {
      if (beams < 2 || beams > Decoding.GROUP) {
        throw new InputException(
            Term.NUM_BEAMS + " is " + beams + "; allowed are 1 to " + Decoding.GROUP);
      }
      if (maxNewTokens < 1) {
        throw new InputException(
            Term.MAX_NEW_TOKENS + " is " + maxNewTokens + "; it must be at least 1");
      }
    }
  }

  private record Beam(int slot, int[] tokens, double score) {
    int last() {
      return tokens[tokens.length - 1];
    }
  }

  private record Candidate(int parent, int token, double score) {}

  private record Hypothesis(int[] tokens, double score, Finish finish) {}

  private static final Comparator<Candidate> BEST_FIRST =
      Comparator.comparingDouble(Candidate::score).reversed();

  private final Config config;
  private final Decoding decoding;
  private final int context;

  /**
   * @param context the longest text, prompt included
   */
  BeamSearch(TransformerModel model, Tape tape, Config config, int context) {
    this.config = config;
    this.context = context;
    this.decoding = new Decoding(model, tape, slots(config) * context);
  }

  /** The beams, and those that come after them. */
  private static int slots(Config config) {
    return 2 * config.beams;
  }

  /** What the keys and values of a search take. */
  public static long cacheBytes(TransformerModel model, DType dtype, Config config, int context) {
    return Decoding.cacheBytes(model, dtype, (long) slots(config) * context);
  }

  /** The best continuation of a prompt. */
  public Completion run(int[] prompt, int[] ends) {
    if (prompt.length >= context) {
      throw new InputException(
          "the prompt has "
              + Count.many(prompt.length, "token")
              + "; the context holds "
              + context);
    }
    int V = decoding.vocabulary();
    FloatBuffer logits = null;
    for (int first = 0; first < prompt.length; first += Decoding.PROMPT_ROWS) {
      int count = Math.min(Decoding.PROMPT_ROWS, prompt.length - first);
      logits = decoding.read(List.of(new Decoding.Part(0, prompt, first, count, null)));
    }
    FiniteOutput.checked(logits, V);
    List<Beam> beams = List.of(new Beam(0, new int[0], 0));
    List<Hypothesis> done = new ArrayList<>();
    int most = Math.min(config.maxNewTokens, context - prompt.length);
    // Each beam has one continuation for every token that ends a text.
    int wanted = Math.max(2, 1 + ends.length) * config.beams;
    for (int length = 1; ; length++) {
      InterruptedCallException.check("generating");
      List<Candidate> candidates = candidates(beams, logits, V, wanted);
      List<Candidate> next = new ArrayList<>();
      for (int rank = 0; rank < candidates.size() && next.size() < config.beams; rank++) {
        Candidate candidate = candidates.get(rank);
        if (!contains(ends, candidate.token)) {
          next.add(candidate);
        } else if (rank < config.beams) {
          add(done, beams.get(candidate.parent).tokens, candidate.score, length, Finish.END);
        }
      }
      if (length == most) {
        Finish why = most == config.maxNewTokens ? Finish.LENGTH : Finish.CONTEXT;
        for (Candidate candidate : next) {
          add(done, appended(beams, candidate), candidate.score, length, why);
        }
        break;
      }
      if (done.size() == config.beams
          && normalized(next.get(0).score, length) <= done.get(done.size() - 1).score) {
        break;
      }
      beams = place(beams, next, prompt.length + length - 1);
      logits = advance(beams, prompt.length + length - 1);
    }
    return new Completion(done.get(0).tokens, done.get(0).finish, List.of());
  }

  private double normalized(double score, int length) {
    return score / Math.pow(length, config.lengthPenalty);
  }

  /** Keeps the best, best first. */
  private void add(List<Hypothesis> done, int[] tokens, double score, int length, Finish why) {
    done.add(new Hypothesis(tokens, normalized(score, length), why));
    done.sort(Comparator.comparingDouble(Hypothesis::score).reversed());
    if (done.size() > config.beams) {
      done.remove(done.size() - 1);
    }
  }

  /** The best continuations of all beams, best first. */
  private static List<Candidate> candidates(
      List<Beam> beams, FloatBuffer logits, int V, int wanted) {
    List<Candidate> best = new ArrayList<>();
    for (int b = 0; b < beams.size(); b++) {
      double normalizer = TokenLogprobs.logSumExp(logits, b * V, V);
      double score = beams.get(b).score;
      for (int id = 0; id < V; id++) {
        double total = score + logits.get(b * V + id) - normalizer;
        if (best.size() < wanted || total > best.get(wanted - 1).score) {
          Candidate candidate = new Candidate(b, id, total);
          int at = java.util.Collections.binarySearch(best, candidate, BEST_FIRST);
          best.add(at < 0 ? -at - 1 : at + 1, candidate);
          if (best.size() > wanted) {
            best.remove(wanted);
          }
        }
      }
    }
    return best;
  }

  /** Gives every candidate a slot: its parent's, or a copy of it where a sibling has that. */
  private List<Beam> place(List<Beam> beams, List<Candidate> next, int rows) {
    Map<Integer, Integer> owner = new HashMap<>(); // slot to the first candidate that takes it
    for (int i = 0; i < next.size(); i++) {
      owner.putIfAbsent(beams.get(next.get(i).parent).slot, i);
    }
    ArrayDeque<Integer> free = new ArrayDeque<>();
    for (int slot = 0; slot < 2 * config.beams; slot++) {
      if (!owner.containsKey(slot)) {
        free.add(slot);
      }
    }
    List<Beam> placed = new ArrayList<>();
    for (int i = 0; i < next.size(); i++) {
      Candidate candidate = next.get(i);
      int slot = beams.get(candidate.parent).slot;
      if (owner.get(slot) != i) {
        int copy = free.remove();
        decoding.copyRows(slot * context, copy * context, rows);
        slot = copy;
      }
      placed.add(new Beam(slot, appended(beams, candidate), candidate.score));
    }
    return placed;
  }

  private static int[] appended(List<Beam> beams, Candidate candidate) {
    int[] before = beams.get(candidate.parent).tokens;
    int[] tokens = Arrays.copyOf(before, before.length + 1);
    tokens[before.length] = candidate.token;
    return tokens;
  }

  private FloatBuffer advance(List<Beam> beams, int place) {
    int B = beams.size();
    int[] firstRows = new int[B];
    int[] tokens = new int[B];
    int[] places = new int[B];
    for (int b = 0; b < B; b++) {
      firstRows[b] = beams.get(b).slot * context;
      tokens[b] = beams.get(b).last();
      places[b] = place;
    }
    FloatBuffer logits = decoding.advance(firstRows, tokens, places, new Object[B], B);
    return FiniteOutput.checked(logits, (long) B * decoding.vocabulary());
  }

  private static boolean contains(int[] ids, int id) {
    for (int other : ids) {
      if (other == id) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void close() {
    decoding.close();
  }
}
