import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.NoopTranslator;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import com.sun.management.OperatingSystemMXBean;
import dev.attune.Embedder;
import dev.attune.Precision;
import dev.attune.hub.Hub;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.lang.management.ManagementFactory;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Vectors of texts by MiniLM in fp32, bf16 and int8, here and in ONNX Runtime and DJL's PyTorch engine in the same JVM, in turn,
 * tokenizing included: what a call of one text and one of texts of many lengths take on the clock and in CPU time of the process,
 * and how far rounding turns the vectors. Prints CSV rows. Started by inference.sh, which has the
 * peers and the model in their forms.
 */
public final class Inference {
  private static final int BATCH = 32; // of the peers; padded to its longest text
  private static final int LENGTH = 256;

  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private interface Call {
    List<float[]> run(List<String> texts) throws Exception;
  }

  private record Way(String name, Call call) {}

  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final TextTokenizer tokenizer;
  private final int rounds;
  private final List<Way> ways = new ArrayList<>();

  private Inference(TextTokenizer tokenizer, int rounds) {
    this.tokenizer = tokenizer;
    this.rounds = rounds;
  }

  /** The last hidden rows (count, length, width) of padded ids and their mask. */
  private interface Rows {
    float[][][] of(long[] ids, long[] mask, int count, int length) throws Exception;
  }

  /** A peer's: texts of like length together, in batches; the mean of a text's rows, to length 1. */
  private List<float[]> batches(Rows peer, List<String> texts) throws Exception {
    List<int[]> ids = new ArrayList<>();
    for (String text : texts) {
      TokenIds tokens = tokenizer.encodeIds(text, null, LENGTH);
      ids.add(tokens.ids());
    }
    Integer[] order = IntStream.range(0, texts.size()).boxed().toArray(Integer[]::new);
    Arrays.sort(order, Comparator.comparing(i -> ids.get(i).length));
    float[][] out = new float[texts.size()][];
    for (int first = 0; first < order.length; first += BATCH) {
      int count = Math.min(BATCH, order.length - first);
      int length = ids.get(order[first + count - 1]).length;
      long[] input = new long[count * length];
      long[] mask = new long[count * length];
      for (int i = 0; i < count; i++) {
        int[] of = ids.get(order[first + i]);
        for (int t = 0; t < of.length; t++) {
          input[i * length + t] = of[t];
          mask[i * length + t] = 1;
        }
      }
      float[][][] rows = peer.of(input, mask, count, length);
      for (int i = 0; i < count; i++) {
        out[order[first + i]] = mean(rows[i], ids.get(order[first + i]).length);
      }
    }
    return List.of(out);
  }

  private Rows onnx(OrtSession session) {
    return (input, mask, count, length) -> {
      long[] shape = {count, length};
      try (OnnxTensor a = OnnxTensor.createTensor(environment, LongBuffer.wrap(input), shape);
          OnnxTensor b = OnnxTensor.createTensor(environment, LongBuffer.wrap(mask), shape);
          OnnxTensor c =
              OnnxTensor.createTensor(environment, LongBuffer.wrap(new long[count * length]), shape);
          OrtSession.Result result =
              session.run(Map.of("input_ids", a, "attention_mask", b, "token_type_ids", c))) {
        return (float[][][]) result.get(0).getValue();
      }
    };
  }

  private static Rows djl(NDManager manager, Predictor<NDList, NDList> predictor) {
    return (input, mask, count, length) -> {
      Shape shape = new Shape(count, length);
      try (NDList given = new NDList(manager.create(input, shape), manager.create(mask, shape));
          NDList found = predictor.predict(given)) {
        float[] values = found.get(0).toFloatArray();
        int width = values.length / count / length;
        float[][][] rows = new float[count][length][];
        for (int i = 0; i < count * length; i++) {
          rows[i / length][i % length] = Arrays.copyOfRange(values, i * width, (i + 1) * width);
        }
        return rows;
      }
    };
  }

  private static float[] mean(float[][] rows, int count) {
    float[] mean = new float[rows[0].length];
    for (int t = 0; t < count; t++) {
      for (int k = 0; k < mean.length; k++) {
        mean[k] += rows[t][k];
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

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(v -> v).sorted().toArray();
    return sorted[sorted.length / 2];
  }

  /** Times a call of each way, in rounds in which every way has its turn; prints medians. */
  private void time(String what, List<String> texts, int calls) throws Exception {
    Map<String, List<Double>> wall = new LinkedHashMap<>();
    Map<String, List<Double>> cpu = new LinkedHashMap<>();
    for (int round = -1; round < rounds; round++) {
      for (Way way : ways) {
        long cpuBegin = SYSTEM.getProcessCpuTime();
        long begin = System.nanoTime();
        for (int i = 0; i < calls; i++) {
          way.call.run(texts);
        }
        if (round >= 0) {
          add(wall, way, (System.nanoTime() - begin) * 1e-6 / calls);
          add(cpu, way, (SYSTEM.getProcessCpuTime() - cpuBegin) * 1e-6 / calls);
        }
      }
    }
    int tokens = tokens(texts);
    for (Way way : ways) {
      double wallMillis = median(wall.get(way.name));
      System.out.printf(
          Locale.ROOT,
          "%s,%s,%d,%d,%.3f,%.3f,%.0f,%n",
          what,
          way.name,
          Runtime.getRuntime().availableProcessors(),
          tokens,
          median(cpu.get(way.name)),
          wallMillis,
          tokens / wallMillis * 1e3);
    }
  }

  private static void add(Map<String, List<Double>> samples, Way way, double millis) {
    samples.computeIfAbsent(way.name, name -> new ArrayList<>()).add(millis);
  }

  private int tokens(List<String> texts) {
    return texts.stream().mapToInt(t -> tokenizer.encodeIds(t, null, LENGTH).ids().length).sum();
  }

  private void compare(List<String> texts) throws Exception {
    String[] words = String.join(" ", texts).split(" ");
    for (int length : new int[] {12, 100}) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; tokens(List.of(text.toString())) < length; i++) {
        text.append(words[i]).append(' ');
      }
      time("one text", List.of(text.toString()), 10);
    }
    time(texts.size() + " texts", texts, 1);
    Map<String, List<float[]>> vectors = new LinkedHashMap<>();
    for (Way way : ways) {
      vectors.put(way.name, way.call.run(texts));
    }
    List<float[]> exact = vectors.get(ways.get(0).name);
    for (Way way : ways) {
      double sum = 0;
      for (int i = 0; i < exact.size(); i++) {
        for (int k = 0; k < exact.get(i).length; k++) {
          sum += (double) vectors.get(way.name).get(i)[k] * exact.get(i)[k];
        }
      }
      System.out.printf(
          Locale.ROOT, "cosine to fp32,%s,,,,,,%.5f%n", way.name, sum / exact.size());
    }
  }

  private static OrtSession session(String model) throws Exception {
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
    options.addConfigEntry("session.intra_op.allow_spinning", "0"); // CPU time is to be work
    return OrtEnvironment.getEnvironment().createSession(model, options);
  }

  public static void main(String[] args) throws Exception {
    List<String> texts = Files.readAllLines(Path.of(args[2])).stream().map(l -> l.split("\t")[0]).toList();
    try (Embedder fp32 = Embedder.open("minilm", o -> o.precision(Precision.FP32));
        Embedder bf16 = Embedder.open("minilm", o -> o.precision(Precision.BF16));
        Embedder int8 = Embedder.open("minilm", o -> o.precision(Precision.INT8));
        TextTokenizer tokenizer = TextTokenizer.open(Hub.resolve("minilm", note -> {}));
        OrtSession whole = session(args[0]);
        OrtSession rounded = session(args[1]);
        ZooModel<NDList, NDList> script =
            Criteria.builder()
                .setTypes(NDList.class, NDList.class)
                .optModelPath(Path.of(args[4]))
                .optEngine("PyTorch")
                .optTranslator(new NoopTranslator(null))
                .build()
                .loadModel();
        Predictor<NDList, NDList> predictor = script.newPredictor();
        NDManager manager = NDManager.newBaseManager("PyTorch")) {
      Inference inference = new Inference(tokenizer, Integer.parseInt(args[3]));
      inference.ways.add(new Way("attune fp32", fp32::embed));
      inference.ways.add(new Way("attune bf16", bf16::embed));
      inference.ways.add(new Way("attune int8", int8::embed));
      inference.ways.add(new Way("onnxruntime fp32", t -> inference.batches(inference.onnx(whole), t)));
      inference.ways.add(new Way("onnxruntime int8", t -> inference.batches(inference.onnx(rounded), t)));
      Rows torch = djl(manager, predictor);
      inference.ways.add(new Way("djl pytorch fp32", t -> inference.batches(torch, t)));
      inference.compare(texts);
    }
  }
}
