package dev.attune.generate;

import dev.attune.core.Philox;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.BitSet;

/** Chooses the tokens of one request, one after the other. */
final class Sampler {
  /** Width of a bucket of logits, in nats, when the nucleus is sought; and how many there are. */
  private static final double BUCKET = 1.0 / 64;

  private static final int BUCKETS = 4096;

  private final Sampling sampling;
  private final long stream;
  private final LogitRules rules;
  private final float penalty;
  private final int[] ends;
  private final BitSet seen = new BitSet();
  private int[] ids; // the prompt, and what was generated
  private int count;

  // Grown to the vocabulary once.
  private float[] logits = new float[0];
  private double[] shares = new double[0]; // exponentials of the logits that are left
  private long[] order = new long[0];

  /**
   * @param prompt counts for the repetition penalty, and for what may not come again
   * @param rules which tokens may come; their penalty, unless the sampling has one
   * @param ends tokens that end the text
   * @param stream tells requests of one seed apart
   */
  Sampler(Sampling sampling, LogitRules rules, int[] prompt, int[] ends, long stream) {
    this.sampling = sampling;
    this.rules = rules;
    this.ends = ends;
    this.stream = stream;
    double asked = sampling.repetitionPenalty();
    this.penalty = (float) (asked > 0 ? asked : rules.repetitionPenalty());
    this.ids = prompt.clone();
    this.count = prompt.length;
    for (int id : prompt) {
      seen.set(id);
    }
  }

  /**
   * The token at a place of the request.
   *
   * @param values (V) logits, from the buffer's position on
   * @param place number of tokens generated before
   */
  int next(FloatBuffer values, int V, int place) {
    if (logits.length < V) {
      logits = new float[V];
    }
    values.get(logits, 0, V);
    sampling.additions().add(logits, V, ids, count, place);
    penalize(V);
    if (!rules.forbidNothing()) {
      rules.forbid(logits, V, ids, count, place, ends);
    }
    int token = sampling.isGreedy() ? largest(V) : draw(V, place);
    seen.set(token);
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, count + count / 2 + 64);
    }
    ids[count++] = token;
    return token;
  }

  private void penalize(int V) {
    if (penalty == 1) {
      return;
    }
    for (int id = seen.nextSetBit(0); id >= 0 && id < V; id = seen.nextSetBit(id + 1)) {
      logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
  }

  private int largest(int V) {
    int best = 0;
    for (int id = 1; id < V; id++) {
      if (logits[id] > logits[best]) {
        best = id;
      }
    }
    return best;
  }

  private int draw(int V, int place) {
    float largest = logits[largest(V)];
    float temperature = (float) sampling.temperature();
    for (int id = 0; id < V; id++) {
      logits[id] = (logits[id] - largest) / temperature;
    }
    if (shares.length < V) {
      shares = new double[V];
    }
    for (int id = 0; id < V; id++) {
      shares[id] = Math.exp(logits[id]);
    }
    if (sampling.topK() > 0 && sampling.topK() < V) {
      keepTop(V, sampling.topK());
    }
    if (sampling.topP() < 1) {
      keepNucleus(V);
    }
    if (sampling.minP() > 0) {
      float least = (float) Math.log(sampling.minP());
      for (int id = 0; id < V; id++) {
        if (logits[id] < least) {
          drop(id);
        }
      }
    }
    double mass = 0;
    for (int id = 0; id < V; id++) {
      mass += shares[id];
    }
    double uniform =
        (Philox.bits64(sampling.seed(), stream, place) >>> 11) * 0x1.0p-53; // 0 <= u < 1
    double target = uniform * mass;
    int last = -1;
    for (int id = 0; id < V; id++) {
      if (logits[id] == Float.NEGATIVE_INFINITY) {
        continue;
      }
      last = id;
      target -= shares[id];
      if (target < 0) {
        return id;
      }
    }
    return last; // rounding: the sum of all fell short of the mass
  }

  /** Drops all but the k largest; of equal ones at the border those with the smaller ids stay. */
  private void keepTop(int V, int k) {
    sortDescending(V);
    for (int i = k; i < V; i++) {
      drop(tokenOf(order[i]));
    }
  }

  private void drop(int id) {
    logits[id] = Float.NEGATIVE_INFINITY;
    shares[id] = 0;
  }

  /**
   * Keeps the fewest tokens whose probabilities reach P. Only the bucket of logits in which the
   * border lies is sorted: a vocabulary's tail is long, and not worth it.
   */
  private void keepNucleus(int V) {
    double[] masses = new double[BUCKETS];
    double mass = 0;
    for (int id = 0; id < V; id++) {
      double p = shares[id];
      mass += p;
      masses[bucket(logits[id])] += p;
    }
    double target = sampling.topP() * mass;
    int border = 0;
    double above = 0;
    while (border < BUCKETS - 1 && above + masses[border] < target) {
      above += masses[border++];
    }
    int count = 0;
    for (int id = 0; id < V; id++) {
      int bucket = bucket(logits[id]);
      if (bucket == border) {
        count = addToOrder(count, id);
      } else if (bucket > border) {
        drop(id);
      }
    }
    Arrays.sort(order, 0, count);
    for (int i = 0; i < count; i++) {
      int id = tokenOf(order[i]);
      double p = shares[id];
      if (above >= target) {
        drop(id);
      }
      above += p;
    }
  }

  private static int bucket(float logit) {
    return (int) Math.min(BUCKETS - 1, -logit / BUCKET);
  }

  private void sortDescending(int V) {
    int count = 0;
    for (int id = 0; id < V; id++) {
      count = addToOrder(count, id);
    }
    Arrays.sort(order, 0, count);
  }

  /** Adds a key that sorts by falling logit, then by id: logits here are at most 0. */
  private int addToOrder(int count, int id) {
    if (order.length < logits.length) {
      order = new long[logits.length];
    }
    int bits = Float.floatToRawIntBits(logits[id] + 0f) & 0x7FFF_FFFF; // of the magnitude
    order[count] = (long) bits << 32 | id;
    return count + 1;
  }

  private static int tokenOf(long key) {
    return (int) key;
  }
}
