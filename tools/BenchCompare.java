import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Compares two files of kernel timings (benchmarks/results/ops.csv) row by row:
 *
 * <pre>java tools/BenchCompare.java [--loss PERCENT] [--beside-torch] BEFORE.csv AFTER.csv</pre>
 *
 * A row whose median grew by more than the loss (5 %) is flagged, and the exit status is 1. Where a
 * file has several rows of one key, its last counts. With {@code --beside-torch} medians are divided
 * by libtorch's of the same file first, which takes out that the machine was slower on one day.
 */
public final class BenchCompare {
  private static final double DEFAULT_LOSS = 5;
  private static final List<String> KEY =
      List.of("op", "shape", "dtype", "backend", "isa", "threads");

  private record Times(double p20, double p50, double p80, String cpu, String commit) {
    Times over(double divisor) {
      return new Times(p20 / divisor, p50 / divisor, p80 / divisor, cpu, commit);
    }
  }

  private BenchCompare() {}

  public static void main(String[] args) throws IOException {
    double loss = DEFAULT_LOSS;
    boolean besideTorch = false;
    List<Path> files = new ArrayList<>();
    for (int i = 0; i < args.length; i++) {
      if (args[i].equals("--loss") && i + 1 < args.length) {
        loss = Double.parseDouble(args[++i]);
      } else if (args[i].equals("--beside-torch")) {
        besideTorch = true;
      } else if (args[i].startsWith("-")) {
        throw usage("unknown option " + args[i]);
      } else {
        files.add(Path.of(args[i]));
      }
    }
    if (files.size() != 2) {
      throw usage("two files are needed, not " + files.size());
    }
    System.exit(compare(read(files.get(0)), read(files.get(1)), loss, besideTorch));
  }

  private static IllegalArgumentException usage(String problem) {
    System.err.println("BenchCompare: " + problem);
    System.err.println(
        "usage: java tools/BenchCompare.java [--loss PERCENT] [--beside-torch] BEFORE.csv AFTER.csv");
    System.exit(2);
    return new IllegalArgumentException(problem);
  }

  private static int compare(
      Map<List<String>, Times> before,
      Map<List<String>, Times> after,
      double loss,
      boolean besideTorch) {
    int compared = 0;
    int losses = 0;
    int otherMachine = 0;
    for (Map.Entry<List<String>, Times> entry : after.entrySet()) {
      List<String> key = entry.getKey();
      boolean isTorch = key.get(KEY.indexOf("backend")).equals("torch");
      Times then = before.get(key);
      Times now = entry.getValue();
      if (then == null || isTorch) {
        continue;
      }
      if (!then.cpu().equals(now.cpu())) {
        otherMachine++;
        continue;
      }
      if (besideTorch) {
        Times torchThen = before.get(torchKey(key));
        Times torchNow = after.get(torchKey(key));
        if (torchThen == null || torchNow == null) {
          continue;
        }
        then = then.over(torchThen.p50());
        now = now.over(torchNow.p50());
      }
      compared++;
      double change = 100 * (now.p50() / then.p50() - 1);
      boolean lost = change > loss;
      losses += lost ? 1 : 0;
      if (Math.abs(change) > loss) {
        boolean overlap = now.p20() <= then.p80() && then.p20() <= now.p80();
        System.out.printf(
            Locale.ROOT,
            "%-6s %+6.1f %%  %-80s %s -> %s%s%n",
            lost ? "LOSS" : "gain",
            change,
            String.join(" ", key),
            then.commit(),
            now.commit(),
            overlap ? "  (p20-p80 overlap: time it again)" : "");
      }
    }
    System.out.printf("%d rows compared, %d losses over %.0f %%%n", compared, losses, loss);
    if (otherMachine > 0) {
      System.out.println(otherMachine + " rows left out: they come from another processor");
    }
    if (compared == 0) {
      System.out.println("nothing in common");
      return 2;
    }
    return losses == 0 ? 0 : 1;
  }

  private static List<String> torchKey(List<String> key) {
    List<String> torch = new ArrayList<>(key);
    torch.set(KEY.indexOf("backend"), "torch");
    torch.set(KEY.indexOf("isa"), "-");
    return torch;
  }

  /** The columns hold no quotes or commas. */
  private static Map<List<String>, Times> read(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file);
    List<String> names = lines.isEmpty() ? List.of() : List.of(lines.get(0).split(","));
    for (String name : List.of("op", "p20", "p50", "p80", "cpu", "commit")) {
      if (!names.contains(name)) {
        throw usage(file + " has no column '" + name + "'");
      }
    }
    Map<List<String>, Times> rows = new LinkedHashMap<>();
    for (String line : lines.subList(1, lines.size())) {
      String[] cells = line.split(",");
      if (cells.length != names.size()) {
        throw usage(file + ": '" + line + "' has " + cells.length + " cells, not " + names.size());
      }
      List<String> key = KEY.stream().map(name -> cells[names.indexOf(name)]).toList();
      rows.put(
          key,
          new Times(
              Double.parseDouble(cells[names.indexOf("p20")]),
              Double.parseDouble(cells[names.indexOf("p50")]),
              Double.parseDouble(cells[names.indexOf("p80")]),
              cells[names.indexOf("cpu")],
              cells[names.indexOf("commit")]));
    }
    return rows;
  }
}
