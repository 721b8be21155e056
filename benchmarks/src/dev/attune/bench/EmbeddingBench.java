package dev.attune.bench;

import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.ZeroRowsCall;
import dev.attune.core.DType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Word, position and type rows of a batch of short sentences. */
public class EmbeddingBench extends OpBench {
  private static final int POSITIONS = 512;
  private static final int TYPES = 2;
  private static final int SENTENCE = 25;

  /** Spreads ids over the vocabulary; prime. */
  private static final int STRIDE = 7919;

  @Param({"N=800 C=384 V=30522", "N=800 C=768 V=30522"})
  public String shape;

  @Param({"F32", "BF16"})
  public DType dtype;

  private int N;
  private int C;
  private int V;
  private long ids;
  private long positions;
  private long typeIds;
  private long rows;
  private long word;
  private long position;
  private long type;
  private long out;
  private long dout;
  private long dword;
  private long dposition;
  private long dtokenType;

  @Override
  void layOut() {
    Dims dims = new Dims(shape);
    N = dims.of("N");
    C = dims.of("C");
    V = dims.of("V");
    int[] id = new int[N];
    int[] place = new int[N];
    for (int n = 0; n < N; n++) {
      id[n] = (int) ((long) n * STRIDE % V);
      place[n] = n % SENTENCE;
    }
    ids = tensors.ints(id);
    rows = ids;
    positions = tensors.ints(place);
    typeIds = tensors.ints(new int[N]);
    word = tensors.input("word", DType.F32, V, C);
    position = tensors.input("position", DType.F32, POSITIONS, C);
    type = tensors.input("type", DType.F32, TYPES, C);
    dout = tensors.input("dout", dtype, N, C);
    out = tensors.output("out", dtype, N, C);
    dword = tensors.updated("dword", DType.F32, -1, 1, V, C);
    dposition = tensors.updated("dposition", DType.F32, -1, 1, POSITIONS, C);
    dtokenType = tensors.updated("dtokenType", DType.F32, -1, 1, TYPES, C);
  }

  @Override
  Work work(String method) {
    double elements = (double) N * C;
    return switch (method) {
      case "forward" -> Work.bytes(elements * (Float.BYTES + dtype.sizeBytes()));
      case "backward" -> Work.bytes(elements * (2 * Float.BYTES + dtype.sizeBytes()));
      case "zeroRows" -> Work.bytes(elements * Float.BYTES);
      default -> throw new IllegalArgumentException(method);
    };
  }

  @Override
  DType type() {
    return dtype;
  }

  @Benchmark
  public void forward() {
    kernels.run(new EmbeddingCall.Forward(
        out, word, position, type, ids, positions, typeIds, N, C, V, POSITIONS, TYPES, dtype));
  }

  @Benchmark
  public void backward() {
    kernels.run(new EmbeddingCall.Backward(
        dword, dposition, dtokenType, dout, ids, positions, typeIds, N, C, dtype));
  }

  @Benchmark
  public void zeroRows() {
    kernels.run(new ZeroRowsCall(dword, rows, N, C));
  }
}
