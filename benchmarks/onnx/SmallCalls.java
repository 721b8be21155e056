import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import com.sun.management.OperatingSystemMXBean;
import dev.attune.Embedder;
import dev.attune.hub.Hub;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.lang.management.ManagementFactory;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Vectors of texts by MiniLM in fp32, here and in ONNX Runtime in the same JVM, in turn: what a call
 * takes on the clock and in CPU time of the process, tokenizing included. Prints CSV rows. Started by
 * small_calls.sh, which has ONNX Runtime and the model's ONNX file.
 */
public final class SmallCalls {
  private static final String TEXT =
      "The quick brown fox jumps over the lazy dog while the cat watches from a warm window";

  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private interface Call {
    float[] run() throws Exception;
  }

  /** One way to do the same; its samples in milliseconds. */
  private static final class Way {
    final String name;
    final Call call;
    final List<Double> wall = new ArrayList<>();
    final List<Double> cpu = new ArrayList<>();

    Way(String name, Call call) {
      this.name = name;
      this.call = call;
    }

    void sample(int calls, boolean counts) throws Exception {
      long cpuBegin = SYSTEM.getProcessCpuTime();
      long begin = System.nanoTime();
      for (int i = 0; i < calls; i++) {
        call.run();
      }
      double wallMillis = (System.nanoTime() - begin) * 1e-6 / calls;
      double cpuMillis = (SYSTEM.getProcessCpuTime() - cpuBegin) * 1e-6 / calls;
      if (counts) {
        wall.add(wallMillis);
        cpu.add(cpuMillis);
      }
    }
  }

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(v -> v).sorted().toArray();
    return sorted[sorted.length / 2];
  }

  private static OrtSession session(OrtEnvironment environment, String model, int threads, boolean spins)
      throws Exception {
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
    if (threads > 0) {
      options.setIntraOpNumThreads(threads);
    }
    if (!spins) {
      options.addConfigEntry("session.intra_op.allow_spinning", "0");
    }
    return environment.createSession(model, options);
  }

  /** Tokens, the model, the mean of its rows, to length 1: as the embedder. */
  private static float[] onnx(
      OrtEnvironment environment, OrtSession session, TextTokenizer tokenizer, int texts)
      throws Exception {
    long[] ids = null;
    long[] mask = null;
    int length = 0;
    for (int t = 0; t < texts; t++) {
      TokenIds tokens = tokenizer.encodeIds(TEXT, null, 256);
      length = tokens.ids().length;
      if (ids == null) {
        ids = new long[texts * length];
        mask = new long[texts * length];
        Arrays.fill(mask, 1);
      }
      for (int i = 0; i < length; i++) {
        ids[t * length + i] = tokens.ids()[i];
      }
    }
    long[] shape = {texts, length};
    try (OnnxTensor input = OnnxTensor.createTensor(environment, LongBuffer.wrap(ids), shape);
        OnnxTensor attention = OnnxTensor.createTensor(environment, LongBuffer.wrap(mask), shape);
        OnnxTensor types =
            OnnxTensor.createTensor(environment, LongBuffer.wrap(new long[texts * length]), shape);
        OrtSession.Result result =
            session.run(
                Map.of("input_ids", input, "attention_mask", attention, "token_type_ids", types))) {
      float[][][] rows = (float[][][]) result.get(0).getValue();
      float[] mean = new float[rows[0][0].length];
      for (float[] row : rows[0]) {
        for (int k = 0; k < mean.length; k++) {
          mean[k] += row[k];
        }
      }
      double sum = 0;
      for (float value : mean) {
        sum += (double) value * value;
      }
      for (int k = 0; k < mean.length; k++) {
        mean[k] /= (float) Math.sqrt(sum);
      }
      return mean;
    }
  }

  private static void compare(String what, List<Way> ways, int rounds, int calls) throws Exception {
    float[] first = ways.get(0).call.run();
    for (Way way : ways) {
      float[] vector = way.call.run();
      for (int k = 0; k < first.length; k++) {
        if (Math.abs(vector[k] - first[k]) > 1e-4) {
          throw new IllegalStateException(way.name + " differs: " + vector[k] + ", " + first[k]);
        }
      }
    }
    for (int round = -2; round < rounds; round++) {
      for (Way way : ways) {
        way.sample(calls, round >= 0);
      }
    }
    for (Way way : ways) {
      System.out.printf(
          Locale.ROOT,
          "%s,%s,%d,%.2f,%.2f%n",
          what,
          way.name,
          Runtime.getRuntime().availableProcessors(),
          median(way.cpu),
          median(way.wall));
    }
  }

  public static void main(String[] args) throws Exception {
    String model = args[0];
    int rounds = Integer.parseInt(args[1]);
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    Path folder = Hub.resolve("minilm", note -> {});
    int batch = 64;
    List<String> many = java.util.Collections.nCopies(batch, TEXT);
    try (Embedder embedder = Embedder.open("minilm", o -> o.device(dev.attune.Device.CPU));
        Embedder single = Embedder.open("minilm", o -> o.threads(1));
        TextTokenizer tokenizer = TextTokenizer.open(folder);
        OrtSession usual = session(environment, model, 0, true);
        OrtSession quiet = session(environment, model, 0, false);
        OrtSession alone = session(environment, model, 1, false)) {
      compare(
          "one text",
          List.of(
              new Way("attune", () -> embedder.embed(TEXT)),
              new Way("attune (1 thread)", () -> single.embed(TEXT)),
              new Way("onnxruntime", () -> onnx(environment, usual, tokenizer, 1)),
              new Way("onnxruntime (no spinning)", () -> onnx(environment, quiet, tokenizer, 1)),
              new Way("onnxruntime (1 thread)", () -> onnx(environment, alone, tokenizer, 1))),
          rounds,
          50);
      compare(
          "64 texts",
          List.of(
              new Way("attune", () -> embedder.embed(many).get(0)),
              new Way("onnxruntime", () -> onnx(environment, usual, tokenizer, batch)),
              new Way("onnxruntime (no spinning)", () -> onnx(environment, quiet, tokenizer, batch))),
          rounds,
          2);
    }
  }
}
