package dev.attune.model;

import dev.attune.kernels.Activation;
import dev.attune.model.Names.Module;
import dev.attune.ops.RelativeBias;
import dev.attune.ref.ActivationRef;
import dev.attune.ref.Precision;
import java.util.Map;

/**
 * A transformer in double, one sequence at a time and row by row: what the switches of {@link
 * TransformerConfig} mean.
 */
final class TransformerRef {
  private final TransformerConfig config;
  private final Names names;
  private final Map<String, double[]> weights;

  /**
   * @param weights by tensor name, as the store has them
   */
  TransformerRef(TransformerConfig config, Names names, Map<String, double[]> weights) {
    this.config = config;
    this.names = names;
    this.weights = weights;
  }

  /** The last hidden states of a sequence: (n, C). */
  double[][] forward(int[] ids, int[] types) {
    double[][] x = embed(ids, types);
    boolean before = config.norms().before();
    boolean both = before && config.norms().after();
    for (TransformerConfig.Layer layer : config.layers()) {
      String at = layer.label();
      double[][] in =
          before && !layer.skipsFirstNorm() ? norm(x, names.of(Module.ATTENTION_NORM, at)) : x;
      double[][] attended = attend(in, layer);
      if (config.isParallel()) {
        double[][] fed = feed(norm(x, names.of(Module.FEED_FORWARD_NORM, at)), at);
        x = sum(sum(x, attended), fed);
        continue;
      }
      x = sum(x, both ? norm(attended, names.of(Module.ATTENTION_OUT_NORM, at)) : attended);
      x = before ? x : norm(x, names.of(Module.ATTENTION_NORM, at));
      double[][] fed = feed(before ? norm(x, names.of(Module.FEED_FORWARD_NORM, at)) : x, at);
      x = sum(x, both ? norm(fed, names.of(Module.FEED_FORWARD_OUT_NORM, at)) : fed);
      x = before ? x : norm(x, names.of(Module.FEED_FORWARD_NORM, at));
    }
    return before ? norm(x, names.of(Module.FINAL_NORM)) : x;
  }

  private double[] weight(String module) {
    return weights.get(module + ".weight");
  }

  private double[][] embed(int[] ids, int[] types) {
    Embeddings e = config.embeddings();
    double[][] x = new double[ids.length][e.width()];
    for (int i = 0; i < ids.length; i++) {
      add(x[i], weight(names.of(Module.WORD)), ids[i]);
      if (e.positions() > 0) {
        add(x[i], weight(names.of(Module.POSITION)), i + e.positionOffset());
      }
      if (e.types() > 0) {
        add(x[i], weight(names.of(Module.TYPE)), types[i]);
      }
    }
    if (e.isNormalized()) {
      x = norm(x, names.of(Module.EMBEDDING_NORM));
    }
    return e.isProjected() ? product(x, names.of(Module.EMBEDDING_PROJECTION)) : x;
  }

  private static void add(double[] row, double[] table, int index) {
    for (int c = 0; c < row.length; c++) {
      row[c] += table[index * row.length + c];
    }
  }

  private static double[][] sum(double[][] a, double[][] b) {
    double[][] out = new double[a.length][a[0].length];
    for (int i = 0; i < a.length; i++) {
      for (int c = 0; c < a[i].length; c++) {
        out[i][c] = a[i][c] + b[i][c];
      }
    }
    return out;
  }

  private double[][] product(double[][] x, String module) {
    double[] w = weight(module);
    double[] bias = weights.get(module + ".bias");
    int cols = x[0].length;
    int rows = w.length / cols;
    double[][] out = new double[x.length][rows];
    for (int i = 0; i < x.length; i++) {
      for (int f = 0; f < rows; f++) {
        double value = bias == null ? 0 : bias[f];
        for (int c = 0; c < cols; c++) {
          value += x[i][c] * w[f * cols + c];
        }
        out[i][f] = value;
      }
    }
    return out;
  }

  private double[][] norm(double[][] x, String module) {
    double[][] out = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      out[i] =
          normalized(
              x[i],
              0,
              x[i].length,
              config.norms().isRms(),
              weight(module),
              weights.get(module + ".bias"));
    }
    return out;
  }

  private double[] normalized(
      double[] row, int first, int count, boolean isRms, double[] weight, double[] bias) {
    double mean = 0;
    for (int c = 0; c < count && !isRms; c++) {
      mean += row[first + c] / count;
    }
    double variance = 0;
    for (int c = 0; c < count; c++) {
      variance += Math.pow(row[first + c] - mean, 2) / count;
    }
    double rstd = 1 / Math.sqrt(variance + config.norms().eps());
    double[] out = new double[count];
    for (int c = 0; c < count; c++) {
      out[c] = (row[first + c] - mean) * rstd * weight[c] + (bias == null ? 0 : bias[c]);
    }
    return out;
  }

  private double[][] attend(double[][] x, TransformerConfig.Layer layer) {
    TransformerConfig.Attention a = config.attention();
    String at = layer.label();
    int D = a.headSize();
    double[][] q = product(x, names.of(Module.QUERY, at));
    double[][] k = product(x, names.of(Module.KEY, at));
    double[][] v = product(x, names.of(Module.VALUE, at));
    if (a.normalizesHeads()) {
      normalizeHeads(q, weight(names.of(Module.QUERY_NORM, at)), D);
      normalizeHeads(k, weight(names.of(Module.KEY_NORM, at)), D);
    }
    if (layer.rotary() != null) {
      turn(q, layer.rotary(), D);
      turn(k, layer.rotary(), D);
    }
    double[][] context = new double[x.length][a.heads() * D];
    for (int i = 0; i < x.length; i++) {
      for (int h = 0; h < a.heads(); h++) {
        int kv = h / (a.heads() / a.keyValueHeads());
        double[] scores = new double[x.length];
        double total = 0;
        for (int j = 0; j < x.length; j++) {
          int back = i - j;
          boolean sees =
              (!a.isCausal() || back >= 0)
                  && (layer.window() == 0 || Math.abs(back) < layer.window());
          double score = 0;
          double bias = config.relative() == null ? 0 : relative(j - i, h);
          for (int d = 0; d < D; d++) {
            score += q[i][h * D + d] * k[j][kv * D + d];
          }
          scores[j] = sees ? Math.exp(score / Math.sqrt(D) + bias) : 0;
          total += scores[j];
        }
        for (int j = 0; j < x.length; j++) {
          for (int d = 0; d < D; d++) {
            context[i][h * D + d] += scores[j] / total * v[j][kv * D + d];
          }
        }
      }
    }
    return product(context, names.of(Module.ATTENTION_OUT, at));
  }

  private double relative(int offset, int head) {
    RelativePositions relative = config.relative();
    int far = relative.maxDistance();
    int bucket =
        RelativeBias.buckets(far, relative.buckets(), far, true)[
            far + Math.max(-far, Math.min(far, offset))];
    return weight(names.of(Module.RELATIVE_POSITION))[bucket * config.attention().heads() + head];
  }

  private void normalizeHeads(double[][] x, double[] weight, int D) {
    for (double[] row : x) {
      for (int first = 0; first < row.length; first += D) {
        System.arraycopy(normalized(row, first, D, true, weight, null), 0, row, first, D);
      }
    }
  }

  private static void turn(double[][] x, Rotary rotary, int D) {
    int half = rotary.size() / 2;
    for (int i = 0; i < x.length; i++) {
      for (int first = 0; first < x[i].length; first += D) {
        for (int pair = 0; pair < half; pair++) {
          double angle = (float) (i * rotary.frequencies()[pair]);
          double left = x[i][first + pair];
          double right = x[i][first + pair + half];
          x[i][first + pair] = left * Math.cos(angle) - right * Math.sin(angle);
          x[i][first + pair + half] = right * Math.cos(angle) + left * Math.sin(angle);
        }
      }
    }
  }

  private double[][] feed(double[][] x, String at) {
    TransformerConfig.FeedForward f = config.feedForward();
    double[][] up = product(x, names.of(Module.UP, at));
    double[][] gate = f.isGated() ? product(x, names.of(Module.GATE, at)) : null;
    for (int i = 0; i < up.length; i++) {
      for (int c = 0; c < f.width(); c++) {
        up[i][c] =
            gate == null
                ? activation(f.activation(), up[i][c])
                : activation(f.activation(), gate[i][c]) * up[i][c];
      }
    }
    return product(up, names.of(Module.DOWN, at));
  }

  private static double activation(Activation function, double x) {
    return ActivationRef.valueOf(function.name()).value(Precision.EXACT, x);
  }
}
