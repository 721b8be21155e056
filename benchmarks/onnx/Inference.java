import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import dev.attune.Embedder;
import dev.attune.Precision;
import dev.attune.hub.Hub;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
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
 * Vectors of texts by MiniLM in fp32, bf16 and int8, here and in ONNX Runtime in the same JVM, in turn, tokenizing
 * included: milliseconds for one text, tokens a second over texts of many lengths, and how far rounding turns the
 * vectors. Prints CSV rows. Started by inference.sh, which has ONNX Runtime and the model's ONNX files.
 */
public final class Inference {
  private static final int BATCH = 32; // of ONNX Runtime; padded to its longest text
  private static final int LENGTH = 256;

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

  /** Texts of like length together, in batches; the mean of a text's rows, to length 1. */
  private List<float[]> onnx(OrtSession session, List<String> texts) throws Exception {
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
      long[] shape = {count, length};
      try (OnnxTensor a = OnnxTensor.createTensor(environment, LongBuffer.wrap(input), shape);
          OnnxTensor b = OnnxTensor.createTensor(environment, LongBuffer.wrap(mask), shape);
          OnnxTensor c =
              OnnxTensor.createTensor(environment, LongBuffer.wrap(new long[count * length]), shape);
          OrtSession.Result result =
              session.run(Map.of("input_ids", a, "attention_mask", b, "token_type_ids", c))) {
        float[][][] rows = (float[][][]) result.get(0).getValue();
        for (int i = 0; i < count; i++) {
          out[order[first + i]] = mean(rows[i], ids.get(order[first + i]).length);
        }
      }
    }
    return List.of(out);
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

  private void print(String what, String way, double value, String unit) {
    System.out.printf(
        Locale.ROOT,
        "%s,%s,%d,%.6g,%s%n",
        what,
        way,
        Runtime.getRuntime().availableProcessors(),
        value,
        unit);
  }

  /** Milliseconds of a call, the median over rounds in which every way has its turn. */
  private Map<String, Double> time(List<String> texts, int calls) throws Exception {
    Map<String, List<Double>> millis = new LinkedHashMap<>();
    for (int round = -2; round < rounds; round++) {
      for (Way way : ways) {
        long begin = System.nanoTime();
        for (int i = 0; i < calls; i++) {
          way.call.run(texts);
        }
        if (round >= 0) {
          millis
              .computeIfAbsent(way.name, name -> new ArrayList<>())
              .add((System.nanoTime() - begin) * 1e-6 / calls);
        }
      }
    }
    Map<String, Double> out = new LinkedHashMap<>();
    millis.forEach((name, values) -> out.put(name, median(values)));
    return out;
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
      String what = "one text of " + tokens(List.of(text.toString())) + " tokens";
      time(List.of(text.toString()), 40)
          .forEach((way, millis) -> print(what, way, millis, "ms"));
    }
    int tokens = tokens(texts);
    time(texts, 1)
        .forEach(
            (way, millis) ->
                print(texts.size() + " texts", way, tokens / millis * 1e3, "tokens/s"));
    Map<String, List<float[]>> vectors = new LinkedHashMap<>();
    for (Way way : ways) {
      vectors.put(way.name, way.call.run(texts));
    }
    List<float[]> exact = vectors.get("attune fp32");
    vectors.forEach(
        (way, rows) -> {
          double sum = 0;
          for (int i = 0; i < rows.size(); i++) {
            for (int k = 0; k < rows.get(i).length; k++) {
              sum += (double) rows.get(i)[k] * exact.get(i)[k];
            }
          }
          print("cosine to attune fp32", way, sum / rows.size(), "mean");
        });
  }

  private static OrtSession session(String model) throws Exception {
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
    return OrtEnvironment.getEnvironment().createSession(model, options);
  }

  public static void main(String[] args) throws Exception {
    List<String> texts = Files.readAllLines(Path.of(args[2])).stream().map(l -> l.split("\t")[0]).toList();
    try (Embedder fp32 = Embedder.open("minilm", o -> o.precision(Precision.FP32));
        Embedder bf16 = Embedder.open("minilm", o -> o.precision(Precision.BF16));
        Embedder int8 = Embedder.open("minilm", o -> o.precision(Precision.INT8));
        TextTokenizer tokenizer = TextTokenizer.open(Hub.resolve("minilm", note -> {}));
        OrtSession whole = session(args[0]);
        OrtSession rounded = session(args[1])) {
      Inference inference = new Inference(tokenizer, Integer.parseInt(args[3]));
      inference.ways.add(new Way("attune fp32", fp32::embed));
      inference.ways.add(new Way("attune bf16", bf16::embed));
      inference.ways.add(new Way("attune int8", int8::embed));
      inference.ways.add(new Way("onnxruntime fp32", t -> inference.onnx(whole, t)));
      inference.ways.add(new Way("onnxruntime int8", t -> inference.onnx(rounded, t)));
      inference.compare(texts);
    }
  }
}
