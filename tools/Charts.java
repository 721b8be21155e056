import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Draws the tables of docs/results.md as SVG: real tokens per second of Attune and of its peer, a chart a table, a group
 * of bars a processor and configuration. A later row of the same configuration on the same processor replaces an earlier one.
 *
 * <p>Run: {@code java tools/Charts.java}. Reads {@code benchmarks/results}, writes {@code docs/charts}.
 */
public final class Charts {
  private static final int WIDTH = 960;
  private static final int LEFT = 410;
  private static final int RIGHT = 120;
  private static final int BAR = 16;
  private static final int GAP = 14;
  private static final int TOP = 64;

  /** The processors that figures come from, by family and model. */
  private static final Map<String, String> PROCESSORS =
      Map.of(
          "25/1", "Zen 3 (AVX2)",
          "25/17", "Zen 4 (AVX-512)",
          "26/2", "Zen 5 (AVX-512)",
          "6/167", "Xeon (AMX)", // as its hypervisor numbers it
          "6/207", "Emerald Rapids (AMX)");

  private Charts() {}

  /** What the columns of the results call runs, in words. */
  private static final Map<String, String> WORDS =
      Map.ofEntries(
          Map.entry("minilm", "MiniLM"),
          Map.entry("bert-base", "BERT-base"),
          Map.entry("train", "training"),
          Map.entry("lora", "LoRA, rank 16"),
          Map.entry("generate1", "generation, one text"),
          Map.entry("generate1+bf16", "generation, one text, bf16 weights"),
          Map.entry("generate16", "generation, 16 texts"),
          Map.entry("generate16+bf16", "generation, 16 texts, bf16 weights"),
          Map.entry("bf16+group", "bf16, peer grouped by length"),
          Map.entry("fp32+group", "fp32, peer grouped by length"));

  /** Two bars: ours and the peer's; NaN where there is none yet. */
  private static final class Pair {
    double ours = Double.NaN;
    double peer = Double.NaN;
    double ratio; // median of the rounds' ratios
  }

  public static void main(String[] args) throws IOException {
    Path results = Path.of("benchmarks", "results");
    Path charts = Files.createDirectories(Path.of("docs", "charts"));
    draw(
        charts.resolve("finetune.svg"),
        "Fine-tuning on SST-2, batches of 32, two cores",
        pairs(results.resolve("finetune.csv"), List.of("model", "config")));
    draw(
        charts.resolve("causal.svg"),
        "GPT-2's shape (124 M parameters): training, LoRA, generation, two cores",
        pairs(results.resolve("causal.csv"), List.of("run", "precision")));
  }

  private static Map<String, Pair> pairs(Path csv, List<String> names) throws IOException {
    List<String> lines = Files.readAllLines(csv);
    List<String> header = List.of(lines.get(0).split(",", -1));
    Map<String, Pair> pairs = new LinkedHashMap<>();
    for (String line : lines.subList(1, lines.size())) {
      List<String> cells = List.of(line.split(",", -1));
      Map<String, String> row = new HashMap<>();
      for (int i = 0; i < header.size(); i++) {
        row.put(header.get(i), cells.get(i));
      }
      String label =
          String.join(", ", names.stream().map(row::get).map(cell -> WORDS.getOrDefault(cell, cell)).toList()) + " · " + processor(row.get("cpu"));
      Pair pair = pairs.computeIfAbsent(label, key -> new Pair());
      double rate = Double.parseDouble(row.get("tokens_per_second_p50"));
      if (row.get("system").equals("attune")) {
        pair.ours = rate;
        pair.ratio = Double.parseDouble(row.get("ratio_p50"));
      } else {
        pair.peer = rate;
      }
    }
    pairs.values().removeIf(pair -> Double.isNaN(pair.ours) || Double.isNaN(pair.peer));
    return pairs;
  }

  private static String processor(String cpu) {
    String model = cpu.replaceAll(".*\\((\\d+/\\d+)\\).*", "$1");
    return PROCESSORS.getOrDefault(model, cpu);
  }

  private static void draw(Path file, String title, Map<String, Pair> pairs) throws IOException {
    int group = 2 * BAR + GAP;
    int height = TOP + pairs.size() * group + 12;
    // Each group has a scale of its own: ratios are what is compared, and rates of small and large models differ a lot.
    List<String> out = new ArrayList<>();
    out.add(
        String.format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\">",
            WIDTH, height));
    out.add("<title>" + title + "</title>");
    out.add("<style>.t{fill:#222}.p{fill:#9aa5b1}.a{fill:#1f7a8c}@media(prefers-color-scheme:dark){.t{fill:#ddd}}</style>");
    out.add(text(12, 22, "start", "font-size=\"15\" font-weight=\"bold\"", title));
    out.add("<rect class=\"a\" x=\"12\" y=\"36\" width=\"12\" height=\"12\"/>");
    out.add(text(30, 47, "start", "", "Attune"));
    out.add("<rect class=\"p\" x=\"90\" y=\"36\" width=\"12\" height=\"12\"/>");
    out.add(text(108, 47, "start", "", "Transformers and PyTorch; real tokens per second, longer is faster"));
    int y = TOP;
    for (Map.Entry<String, Pair> entry : pairs.entrySet()) {
      Pair pair = entry.getValue();
      double most = Math.max(pair.ours, pair.peer);
      out.add(text(LEFT - 10, y + BAR + 4, "end", "", entry.getKey()));
      out.add(bar("a", y, pair.ours / most));
      out.add(bar("p", y + BAR, pair.peer / most));
      out.add(text(label(pair.ours / most), y + 13, "start", "", rate(pair.ours)));
      out.add(text(label(pair.peer / most), y + BAR + 13, "start", "", rate(pair.peer)));
      out.add(
          text(WIDTH - 8, y + BAR + 5, "end", "font-weight=\"bold\"", String.format(Locale.ROOT, "%.1fx", pair.ratio)));
      y += group;
    }
    out.add("</svg>");
    Files.write(file, out);
  }

  private static int label(double share) {
    return LEFT + (int) Math.round(share * (WIDTH - LEFT - RIGHT)) + 6;
  }

  private static String bar(String kind, int y, double share) {
    return String.format(
        Locale.ROOT,
        "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
        kind, LEFT, y, share * (WIDTH - LEFT - RIGHT), BAR - 1);
  }

  private static String rate(double value) {
    return String.format(Locale.ROOT, "%,.0f", value);
  }

  private static String text(int x, int y, String anchor, String more, String text) {
    return String.format(
        "<text class=\"t\" x=\"%d\" y=\"%d\" text-anchor=\"%s\" %s>%s</text>", x, y, anchor, more, text);
  }
}
