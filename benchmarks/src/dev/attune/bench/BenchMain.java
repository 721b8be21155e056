package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.Backends;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Times kernels on several backends in turn and appends the results to a CSV file. */
public final class BenchMain {
  private static final List<Class<? extends OpBench>> BENCHES =
      List.of(
          LinearBench.class,
          AttentionBench.class,
          DisentangledAttentionBench.class,
          LayerNormBench.class,
          RmsNormBench.class,
          RopeBench.class,
          GatedBench.class,
          ArgmaxBench.class,
          KvCacheBench.class,
          AttentionCachedBench.class,
          LoraBench.class,
          DoraBench.class,
          QuantizeBench.class,
          ActivationBench.class,
          DropoutBench.class,
          CastBench.class,
          EmbeddingBench.class,
          PoolingBench.class,
          CrossEntropyBench.class,
          MseBench.class,
          ReductionBench.class,
          AdamWBench.class,
          SgdBench.class);

  private static final String HEADER =
      "op,shape,dtype,backend,isa,threads,p20,p50,p80,rate,unit,share_of_peak,commit,cpu,date";

  private static final int WARMUP_CALLS = 3;
  private static final int MIN_SAMPLES = 7;
  private static final int MAX_SAMPLES = 200;

  /**
   * Calls of one sample on a device, so that waiting for it once does not show. Its caches are warm
   * then.
   */
  private static final int DEVICE_CALLS = 20;

  /** Load average for each core above which a machine counts as busy. */
  private static final double BUSY_SHARE = 0.5;

  /** One benchmark method with one shape and type. */
  private record Case(Class<? extends OpBench> bench, Method method, String shape, DType dtype) {
    String op() {
      return OpBench.opName(bench, method.getName());
    }

    OpBench create() {
      try {
        OpBench created = bench.getDeclaredConstructor().newInstance();
        bench.getField("shape").set(created, shape);
        bench.getField("dtype").set(created, dtype);
        return created;
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A backend with what its rows say about it. */
  private record Target(Backend backend, String isa, CallState state) {
    boolean onDevice() {
      return backend.device() != DeviceKind.CPU;
    }
  }

  /** A benchmark on a target, and its samples. */
  private static final class Run {
    private final Target target;
    private final OpBench bench;
    private final long[] nanos = new long[MAX_SAMPLES];

    Run(Target target, OpBench bench) {
      this.target = target;
      this.bench = bench;
    }
  }

  private final CommandLine line;
  private final int threads;
  private final List<Target> targets = new ArrayList<>();
  private final String commit = Machine.commit();
  private final String cpu = Machine.cpu();
  private final PrintStream table;
  private Peaks peaks;
  private int failures;

  private BenchMain(CommandLine line) {
    this.line = line;
    this.threads = Backends.threads(Integer.parseInt(line.getOptionValue("threads", "0")));
    this.table = line.hasOption("csv") ? System.err : System.out;
  }

  public static void main(String[] args) throws ReflectiveOperationException {
    try {
      CommandLine line = new DefaultParser().parse(options(), args);
      if (line.hasOption("help") || !line.getArgList().isEmpty()) {
        System.out.println("usage: tools/bench.sh [options]");
        for (Option o : options().getOptions()) {
          String argument = o.hasArg() ? " " + o.getArgName() : "";
          System.out.printf("  --%-18s %s%n", o.getLongOpt() + argument, o.getDescription());
        }
        System.exit(line.hasOption("help") ? 0 : 2);
      }
      System.exit(new BenchMain(line).run());
    } catch (ParseException | NumberFormatException | InputException e) {
      System.err.println("bench: " + e.getMessage());
      System.exit(2);
    }
  }

  private static Options options() {
    return new Options()
        .addOption(option("ops", "REGEX", "ops to time, such as linear.* (default: all)"))
        .addOption(option("shapes", "REGEX", "shapes to time, such as C=384 (default: all)"))
        .addOption(
            option("dtype", "LIST", "F32, BF16 or both, separated by commas (default: both)"))
        .addOption(option("backends", "LIST", "of cpu, torch and cuda (default: cpu,torch)"))
        .addOption(option("rows", "N", "rows instead of those of the shapes (default: theirs)"))
        .addOption(
            option(
                "plan",
                "FILE",
                "what to time, in place of --ops, --shapes, --dtype and --rows: lines of REGEX"
                    + " DTYPES SHAPE, each for the ops whose whole name matches; # begins a comment"))
        .addOption(option("threads", "N", "threads of each backend; 0: all cores (default)"))
        .addOption(option("seconds", "X", "sampling time of a row, about (default: 0.5)"))
        .addOption(option("output", "FILE", "CSV file to append to (default: none)"))
        .addOption(
            option("csv", null, "the rows on standard output as well, the table on standard error"))
        .addOption(option("warm", null, "leave the caches as the call before left them"))
        .addOption(option("list", null, "print what would be timed"))
        .addOption(option("help", null, "print this"));
  }

  private static Option option(String name, String argument, String text) {
    Option.Builder builder = Option.builder().longOpt(name).desc(text);
    if (argument != null) {
      builder.hasArg().argName(argument);
    }
    return builder.get();
  }

  private int run() throws ReflectiveOperationException {
    List<Case> cases = cases();
    if (line.hasOption("list")) {
      cases.forEach(c -> System.out.printf("%-32s %-40s %s%n", c.op(), c.shape(), c.dtype()));
      return 0;
    }
    if (cases.isEmpty()) {
      throw new InputException("no op, shape and type matches; see --list");
    }
    double seconds = Double.parseDouble(line.getOptionValue("seconds", "0.5"));
    try {
      openTargets();
      table.printf(
          Locale.ROOT,
          "%s, %d threads, commit %s; peaks: copy %.1f GB/s, products %.0f GFLOP/s f32, %.0f bf16%n",
          cpu,
          threads,
          commit,
          peaks.copy() * 1e-9,
          peaks.productF32() * 1e-9,
          peaks.productBf16() * 1e-9);
      warnIfBusy();
      for (Case c : cases) {
        time(c, seconds);
      }
    } finally {
      for (Target target : targets) {
        target.state().close();
        target.backend().close();
      }
    }
    if (failures > 0) {
      table.println(failures + " of " + cases.size() + " were not timed");
    }
    return failures == 0 ? 0 : 1;
  }

  /** Other programs' work ends up in our percentiles, and in those of libtorch many times over. */
  private void warnIfBusy() {
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    if (load > BUSY_SHARE * Runtime.getRuntime().availableProcessors()) {
      table.printf(
          Locale.ROOT, "WARNING: load average %.1f: these figures are not for the record%n", load);
    }
  }

  private List<Case> cases() throws ReflectiveOperationException {
    return line.hasOption("plan") ? planned(Path.of(line.getOptionValue("plan"))) : declared();
  }

  /** The cases of a plan's lines, in their order. */
  private static List<Case> planned(Path plan) throws ReflectiveOperationException {
    List<Case> cases = new ArrayList<>();
    for (String text : lines(plan)) {
      String[] words = text.replaceFirst("#.*", "").trim().split("\\s+", 3);
      if (words[0].isEmpty()) {
        continue;
      }
      if (words.length != 3) {
        throw new InputException(plan + ": '" + text + "' is not REGEX DTYPES SHAPE");
      }
      Pattern ops = Pattern.compile(words[0]);
      int before = cases.size();
      for (Class<? extends OpBench> bench : BENCHES) {
        for (Method method : methods(bench)) {
          if (ops.matcher(OpBench.opName(bench, method.getName())).matches()) {
            for (String dtype : words[1].split(",")) {
              cases.add(new Case(bench, method, words[2], DType.valueOf(dtype)));
            }
          }
        }
      }
      if (cases.size() == before) {
        throw new InputException(plan + ": no op is called '" + words[0] + "'; see --list");
      }
    }
    return cases;
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new InputException("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  private static List<Method> methods(Class<? extends OpBench> bench) {
    return Stream.of(bench.getMethods())
        .filter(method -> method.isAnnotationPresent(Benchmark.class))
        .sorted(Comparator.comparing(Method::getName))
        .toList();
  }

  /** The cases of the shapes and types that the benchmarks declare, as the options choose. */
  private List<Case> declared() throws ReflectiveOperationException {
    Pattern ops = Pattern.compile(line.getOptionValue("ops", ".*"));
    Pattern shapes = Pattern.compile(line.getOptionValue("shapes", ".*"));
    List<String> dtypes = List.of(line.getOptionValue("dtype", "F32,BF16").split(","));
    String rows = line.getOptionValue("rows");
    List<Case> cases = new ArrayList<>();
    for (Class<? extends OpBench> bench : BENCHES) {
      List<Method> methods = methods(bench);
      for (String declared : values(bench.getField("shape"))) {
        String shape = rows == null ? declared : declared.replaceFirst("^N=\\d+", "N=" + rows);
        for (String dtype : values(bench.getField("dtype"))) {
          for (Method method : methods) {
            Case c = new Case(bench, method, shape, DType.valueOf(dtype));
            if (ops.matcher(c.op()).find()
                && shapes.matcher(shape).find()
                && dtypes.contains(dtype)) {
              cases.add(c);
            }
          }
        }
      }
    }
    return cases;
  }

  private static List<String> values(Field field) {
    return Arrays.asList(field.getAnnotation(Param.class).value());
  }

  private void openTargets() {
    for (String name : line.getOptionValue("backends", "cpu,torch").split(",")) {
      Backend backend = Backends.open(name, threads);
      String isa = backend instanceof CpuBackend ours ? ours.isa().label() : "-";
      targets.add(new Target(backend, isa, new CallState(backend)));
    }
    Backend ours = targets.get(0).backend();
    if (!ours.name().equals("torch")) {
      peaks = Peaks.measure(ours);
    } else {
      try (Backend cpuBackend = Backends.open("cpu", threads)) {
        peaks = Peaks.measure(cpuBackend);
      }
    }
  }

  private void time(Case c, double seconds) throws ReflectiveOperationException {
    List<Run> runs = new ArrayList<>();
    try {
      for (Target target : targets) {
        runs.add(new Run(target, c.create()));
        runs.get(runs.size() - 1).bench.attach(target.backend());
      }
      check(c, runs);
      report(c, runs, sample(c, runs, seconds));
    } catch (AssertionError | UnsupportedOperationException e) {
      failures++;
      table.printf("%-31s %-36s %-4s NOT TIMED: %s%n", c.op(), c.shape(), c.dtype(), e);
    } finally {
      runs.forEach(run -> run.bench.close());
    }
  }

  /**
   * Our result is held against libtorch's, whether that is timed or not; a GPU's against that of
   * our CPU kernels, which are there wherever the program is.
   */
  private void check(Case c, List<Run> runs) throws ReflectiveOperationException {
    Run ours = runs.get(0);
    if (ours.target.backend().name().equals("torch")) {
      return;
    }
    String oracle = ours.target.onDevice() ? "cpu" : "torch";
    for (Run run : runs) {
      if (run.target.backend().name().equals(oracle)) {
        ours.bench.checkAgainst(run.target.backend(), c.method().getName());
        return;
      }
    }
    try (Backend other = Backends.open(oracle, threads)) {
      ours.bench.checkAgainst(other, c.method().getName());
    }
  }

  /** Samples in turn; returns how many of each. */
  private int sample(Case c, List<Run> runs, double seconds) throws ReflectiveOperationException {
    for (Run run : runs) {
      for (int i = 0; i < WARMUP_CALLS; i++) {
        c.method().invoke(run.bench);
      }
    }
    boolean warm = line.hasOption("warm");
    long end = System.nanoTime() + (long) (seconds * runs.size() * 1e9);
    int count = 0;
    while (count < MAX_SAMPLES && (count < MIN_SAMPLES || System.nanoTime() < end)) {
      for (Run run : runs) {
        Target target = run.target;
        if (warm || target.onDevice()) {
          c.method().invoke(run.bench);
        } else {
          target.state().flushCaches();
        }
        target.state().wakeThreads();
        target.backend().synchronize();
        int calls = target.onDevice() ? DEVICE_CALLS : 1;
        long begin = System.nanoTime();
        for (int i = 0; i < calls; i++) {
          c.method().invoke(run.bench);
        }
        target.backend().synchronize();
        run.nanos[count] = (System.nanoTime() - begin) / calls;
      }
      count++;
    }
    return count;
  }

  private void report(Case c, List<Run> runs, int samples) {
    String shape = line.hasOption("warm") ? c.shape() + " warm" : c.shape();
    List<String> rows = new ArrayList<>();
    Map<String, Double> medians = new LinkedHashMap<>();
    StringBuilder text = new StringBuilder();
    text.append(String.format("%-31s %-36s %-4s", c.op(), shape, c.dtype()));
    for (Run run : runs) {
      Percentiles times = Percentiles.ofNanos(run.nanos, samples);
      Work work = run.bench.work(c.method().getName());
      double share = work.shareOfPeak(times.p50(), c.dtype(), peaks);
      String name = run.target.backend().name();
      medians.put(name, times.p50());
      text.append(
          String.format(
              Locale.ROOT,
              "  %s %9.1f us (%.1f-%.1f) %6.1f %s %3.0f %%",
              name,
              times.p50() * 1e6,
              times.p20() * 1e6,
              times.p80() * 1e6,
              work.rate(times.p50()),
              work.unit().label(),
              100 * share));
      rows.add(
          String.format(
              Locale.ROOT,
              "%s,%s,%s,%s,%s,%d,%.2f,%.2f,%.2f,%.2f,%s,%.3f,%s,%s,%s",
              c.op(),
              shape,
              c.dtype(),
              name,
              run.target.isa(),
              threads,
              times.p20() * 1e6,
              times.p50() * 1e6,
              times.p80() * 1e6,
              work.rate(times.p50()),
              work.unit().label(),
              share,
              commit,
              run.target.onDevice() ? run.target.backend().description().replace(",", "") : cpu,
              LocalDate.now()));
    }
    if (medians.containsKey("cpu") && medians.containsKey("torch")) {
      text.append(String.format(Locale.ROOT, "  x%.2f", medians.get("torch") / medians.get("cpu")));
    }
    table.println(text);
    if (line.hasOption("csv")) {
      rows.forEach(System.out::println);
    }
    if (line.hasOption("output")) {
      append(Path.of(line.getOptionValue("output")), rows);
    }
  }

  private static void append(Path file, List<String> rows) {
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      if (!Files.exists(file) || Files.size(file) == 0) {
        Files.writeString(file, HEADER + "\n");
      }
      Files.write(file, rows, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot append to " + file, e);
    }
  }
}
