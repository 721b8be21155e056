package dev.attune.kernels.cuda;

import dev.attune.core.Check;
import dev.attune.kernels.ChoiceFile;
import dev.attune.memory.Allocator;
import dev.attune.memory.Buffer;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/**
 * The algorithm of each product: the fastest of the first few that the heuristics offer, measured
 * once for each class of row counts (an eighth of a power of two wide) and kept in a {@link
 * ChoiceFile}. An exact number of rows that the algorithm of its class does not support is a class
 * of its own.
 *
 * <p>The first product of a class therefore waits for the device, and allocates: it cannot be
 * recorded in a graph.
 */
final class LtAlgorithms {
  /** Of {@code cublasLtMatmulAlgo_t}. */
  static final int BYTES = 64;

  private static final int CANDIDATES = 8;

  private final LtMatmul matmul;
  private final Allocator allocator;
  private final Scratch scratch;
  private final ChoiceFile file;
  private final Map<LtShape, cublasLtMatmulAlgo_t> algorithms = new HashMap<>();

  LtAlgorithms(LtMatmul matmul, Allocator allocator, Scratch scratch, ChoiceFile file) {
    this.matmul = matmul;
    this.allocator = allocator;
    this.scratch = scratch;
    this.file = file;
  }

  /** The algorithm of a product, which the descriptors of {@link LtMatmul} say too. */
  cublasLtMatmulAlgo_t of(LtShape shape) {
    cublasLtMatmulAlgo_t exact = algorithms.get(shape);
    if (exact != null) {
      return exact;
    }
    LtShape rounded = shape.rounded();
    cublasLtMatmulAlgo_t near = algorithms.computeIfAbsent(rounded, r -> kept(r.key()));
    if (near != null && matmul.supports(near)) {
      algorithms.put(shape, near);
      return near;
    }
    // The first of its class decides for the class; one that this does not fit, for itself.
    String key = near == null ? rounded.key() : shape.key();
    cublasLtMatmulAlgo_t own = near == null ? null : kept(key);
    if (own == null || !matmul.supports(own)) {
      own = measured(shape);
      byte[] bytes = new byte[BYTES];
      new BytePointer(own).capacity(BYTES).get(bytes);
      file.put(key, bytes);
    }
    algorithms.put(shape, own);
    if (near == null) {
      algorithms.put(rounded, own);
    }
    return own;
  }

  private cublasLtMatmulAlgo_t kept(String key) {
    byte[] bytes = file.get(key);
    if (bytes == null) {
      return null;
    }
    cublasLtMatmulAlgo_t algorithm = new cublasLtMatmulAlgo_t();
    new BytePointer(algorithm).capacity(BYTES).put(bytes);
    return algorithm;
  }

  /** The fastest of the algorithms that the heuristics offer for what the descriptors say. */
  private cublasLtMatmulAlgo_t measured(LtShape shape) {
    checkNotRecorded(shape.key());
    long outBytes = shape.m() * shape.n() * Float.BYTES; // of the wider type
    long out = matmul.target();
    // What accumulates must not do so once more for each trial.
    Buffer trial = shape.accumulate() ? Buffer.allocate(allocator, outBytes, true) : null;
    try (cublasLtMatmulHeuristicResult_t results =
        new cublasLtMatmulHeuristicResult_t(CANDIDATES)) {
      int found = matmul.offers(results, CANDIDATES, shape.alignment());
      if (found == 0) {
        throw new UnsupportedOperationException("cuBLASLt has no algorithm for " + shape.key());
      }
      if (trial != null) {
        matmul.target(trial.address());
      }
      int best = fastest(results, found, shape.accumulate());
      if (best < 0) {
        throw new UnsupportedOperationException("cuBLASLt cannot run " + shape.key());
      }
      cublasLtMatmulAlgo_t chosen = new cublasLtMatmulAlgo_t();
      Pointer.memcpy(chosen, results.getPointer(best).algo(), BYTES);
      return chosen;
    } finally {
      matmul.target(out);
      if (trial != null) {
        trial.close();
      }
    }
  }

  /** Which of the first {@code found} results is fastest; -1 if none runs. */
  private int fastest(cublasLtMatmulHeuristicResult_t results, int found, boolean accumulate) {
    int best = -1;
    double bestSeconds = Double.POSITIVE_INFINITY;
    for (int i = 0; i < found; i++) {
      cublasLtMatmulAlgo_t candidate = results.getPointer(i).algo();
      if (matmul.enqueue(candidate, accumulate) != cublas.CUBLAS_STATUS_SUCCESS) {
        continue;
      }
      double seconds = matmul.seconds(() -> matmul.run(candidate, accumulate));
      if (seconds < bestSeconds) {
        bestSeconds = seconds;
        best = i;
      }
    }
    return best;
  }

  /** Refuses to measure while a graph is being recorded. */
  void checkNotRecorded(String product) {
    Check.state(!scratch.isRecording(), "%s is new while a graph is being recorded", product);
  }
}
