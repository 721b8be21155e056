package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.TerminalText;
import dev.attune.run.CommandOptions;
import dev.attune.run.OutputFile;
import dev.attune.run.Reporting;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.storage.AtomicFile;
import dev.attune.track.Curve;
import dev.attune.track.Point;
import dev.attune.track.Replay;
import dev.attune.track.RunSink;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import dev.attune.track.TextPlot;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** {@code attune runs}: what was trained, and how it went. */
final class RunsCommand implements Command {
  private static final String STORE_VARIABLE = "ATTUNE_RUN_STORE";
  private static final int PLOT_ROWS = 14;
  private static final String ALL = "all";

  /** Where runs are recorded that nobody says it of. */
  static Path usualStore() {
    String chosen = System.getenv(STORE_VARIABLE);
    return Path.of(chosen == null || chosen.isBlank() ? "runs" : chosen);
  }

  /** The folder of the store that options name, or of the usual one. */
  static Path store(RunConfig config) {
    return config.isGiven(RunOption.RUN_STORE) ? config.path(RunOption.RUN_STORE) : usualStore();
  }

  /**
   * The file that a command writes.
   *
   * @return null: the option is not given
   * @throws InputException if it is a folder, or one of the store's own
   */
  static Path output(RunConfig config, RunStore store) {
    Path file = config.path(RunOption.OUTPUT);
    if (file != null && Files.isDirectory(file)) {
      throw new InputException(
          RunOption.OUTPUT + " is " + file + ", which is a folder: give the name of a file");
    }
    if (file != null && store.owns(file)) {
      throw new InputException(
          RunOption.OUTPUT
              + " is "
              + file
              + ", which belongs to the run store itself and would take all runs with it: give"
              + " another file");
    }
    return file;
  }

  /** The store that options name, or the usual one. */
  static RunStore open(RunConfig config) {
    return RunStore.open(store(config));
  }

  @Override
  public String name() {
    return "runs";
  }

  @Override
  public String summary() {
    return "list, compare and plot training runs";
  }

  @Override
  public String words() {
    return "list | show RUN | compare RUN RUN... | plot RUN... | delete RUN... | export RUN... | send RUN...";
  }

  @Override
  public String details() {
    return """
        list      the newest first
        show      all that is known of one
        compare   options, data and results, where they differ
        plot      curves: train/loss and eval/loss, or those of --metric
        delete    forgets runs; their models stay
        export    every number as CSV: run,name,series,step,time,value
        send      tells --report-to of runs that it has not heard of, or not to the end

        "all" in place of names stands for all runs, or those of --status, --task and --model. A run is named by its id or the beginning of it, by its name, or by its output folder. The store is
        the folder runs where a command is run, unless ATTUNE_RUN_STORE or --run-store names another.

        examples:
          attune runs list --status finished --task classification
          attune runs compare out/a out/b
          attune runs plot out/a out/b --metric eval/accuracy
          attune runs export all --output runs.csv
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.RUNS;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case RUN_STORE -> "folder of the store (default " + usualStore() + ")";
      case TASK -> "only runs of this task";
      case MODEL -> "only runs whose model has this in its name";
      case OUTPUT -> "of export: the file; standard output where not given";
      case METRIC -> "of list and plot: series by name, as train/loss,eval/accuracy";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig config = arguments.config();
    List<String> words = arguments.words();
    String what = words.isEmpty() ? "" : words.get(0);
    List<String> names = words.isEmpty() ? words : words.subList(1, words.size());
    check(what, names, config);
    try (RunStore store = open(config)) {
      switch (what) {
        case "list" -> list(store, config, console, result);
        case "show" -> new RunsView(store, console).show(store.find(names.get(0)), result);
        case "compare" ->
            new RunsView(store, console).compare(several(store, names, config), result);
        case "plot" -> plot(store, found(store, names, config), config, console, result);
        case "delete" -> delete(store, found(store, names, config), config, console, result);
        case "send" -> send(store, found(store, names, config), config, console, result);
        default -> export(store, found(store, names, config), config, arguments, result);
      }
    }
    return ExitStatus.DONE;
  }

  private static void check(String what, List<String> names, RunConfig config) {
    int least =
        switch (what) {
          case "list" -> 0;
          case "show", "plot", "delete", "export", "send" -> 1;
          case "compare" -> 2;
          default ->
              throw new InputException(
                  (what.isEmpty() ? "say what to do" : "there is no attune runs " + what)
                      + "; it is one of list, show, compare, plot, delete, export and send:"
                      + " attune runs --help");
        };
    int most = what.equals("list") ? 0 : what.equals("show") ? 1 : Integer.MAX_VALUE;
    boolean isAll = names.equals(List.of(ALL));
    if (names.size() > most || names.size() < least && !(isAll && least == 2)) {
      throw new InputException(
          "attune runs "
              + what
              + " takes "
              + (most == 0
                  ? "no run"
                  : most == 1 ? "one run" : "at least " + Count.many(least, "run"))
              + ", not "
              + names.size());
    }
    refuse(config, RunOption.DRY_RUN, what, "delete");
    refuse(config, RunOption.OUTPUT, what, "export");
    refuse(config, RunOption.METRIC, what, "list", "plot");
    refuse(config, RunOption.REPORT_TO, what, "send");
    for (RunOption filter : List.of(RunOption.STATUS, RunOption.TASK, RunOption.MODEL)) {
      if (config.isGiven(filter) && !what.equals("list") && !isAll) {
        throw new InputException(
            filter
                + " chooses among all runs: attune runs list, or "
                + ALL
                + " in place of names, as attune runs "
                + what
                + " "
                + ALL);
      }
    }
    if (what.equals("send")) {
      config.required(RunOption.REPORT_TO);
    }
    if (config.isGiven(RunOption.STATUS)) {
      status(config);
    }
  }

  private static void refuse(RunConfig config, RunOption option, String what, String... of) {
    if (config.isGiven(option) && !List.of(of).contains(what)) {
      throw new InputException(option + " is for attune runs " + String.join(" and ", of));
    }
  }

  private static RunStatus status(RunConfig config) {
    String wanted = config.text(RunOption.STATUS).toLowerCase(Locale.ROOT);
    return Stream.of(RunStatus.values())
        .filter(status -> status.toString().equals(wanted))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    RunOption.STATUS
                        + " is '"
                        + wanted
                        + "'; it is running, finished, failed, interrupted or unknown"));
  }

  private static List<StoredRun> filtered(RunStore store, RunConfig config) {
    return store.runs().stream()
        .filter(run -> !config.isGiven(RunOption.STATUS) || run.status() == status(config))
        .filter(
            run ->
                !config.isGiven(RunOption.TASK) || run.task().equals(config.text(RunOption.TASK)))
        .filter(
            run ->
                !config.isGiven(RunOption.MODEL)
                    || run.model().contains(config.text(RunOption.MODEL)))
        .toList();
  }

  /** The runs of these names; all that the filters leave where that is the name. */
  private static List<StoredRun> found(RunStore store, List<String> names, RunConfig config) {
    return names.equals(List.of(ALL))
        ? filtered(store, config)
        : names.stream().map(store::find).distinct().toList();
  }

  /** The same, more than one. */
  private static List<StoredRun> several(RunStore store, List<String> names, RunConfig config) {
    List<StoredRun> runs = found(store, names, config);
    if (runs.size() < 2) {
      throw new InputException(
          "attune runs compare takes at least 2 runs, and "
              + String.join(" and ", names)
              + (runs.isEmpty() ? " is none" : " is one: " + runs.get(0).id()));
    }
    return runs;
  }

  private static List<String> metrics(RunConfig config) {
    return config.isGiven(RunOption.METRIC)
        ? Stream.of(config.text(RunOption.METRIC).split(",")).map(String::strip).toList()
        : List.of();
  }

  private static void list(RunStore store, RunConfig config, Console console, ObjectNode result) {
    List<StoredRun> runs = filtered(store, config);
    new RunsView(store, console).list(runs, metrics(config), result);
    int all = store.runs().size();
    if (runs.size() < all) {
      console.line("%s of %s", runs.size(), Count.many(all, "run"));
    } else {
      console.line("%s", Count.many(all, "run"));
    }
  }

  private static void plot(
      RunStore store, List<StoredRun> runs, RunConfig config, Console console, ObjectNode result) {
    List<String> wanted = metrics(config);
    ArrayNode json = result.putArray("runs");
    for (StoredRun run : runs) {
      ObjectNode one = json.addObject().put("id", run.id()).put("name", run.name());
      ObjectNode series = one.putObject("series");
      for (String name : wanted.isEmpty() ? List.of("train/loss", "eval/loss") : wanted) {
        ArrayNode values = series.putArray(name);
        for (Point point : store.points(run, name, Long.MIN_VALUE)) {
          values.addArray().add(point.x()).add(point.value());
        }
      }
    }
    int columns = Math.min(console.columns(), 110);
    for (String name : wanted) {
      checkKnown(store, runs, name);
      draw(
          console,
          TextPlot.draw(
              name,
              runs.stream().map(run -> curve(store, run, name, label(run))).toList(),
              columns,
              PLOT_ROWS));
    }
    if (wanted.isEmpty()) {
      for (StoredRun run : runs) {
        List<Curve> curves = new ArrayList<>();
        curves.add(curve(store, run, "train/loss", "train/loss"));
        Curve eval = curve(store, run, "eval/loss", "eval/loss");
        if (!eval.points().isEmpty()) {
          curves.add(eval);
        }
        draw(console, TextPlot.draw(label(run), curves, columns, PLOT_ROWS));
      }
    }
  }

  private static void checkKnown(RunStore store, List<StoredRun> runs, String name) {
    List<String> known =
        runs.stream().flatMap(run -> store.series(run).stream()).distinct().sorted().toList();
    if (!known.contains(name)) {
      throw new InputException(
          RunOption.METRIC
              + " is '"
              + name
              + "'; there are "
              + (known.isEmpty() ? "no numbers yet" : String.join(", ", known)));
    }
  }

  private static Curve curve(RunStore store, StoredRun run, String series, String name) {
    return new Curve(name, store.points(run, series, Long.MIN_VALUE));
  }

  private static String label(StoredRun run) {
    return run.id() + "  " + RunsView.name(run);
  }

  private static void draw(Console console, List<String> lines) {
    lines.forEach(console::laidOut);
    console.line("");
  }

  private static void delete(
      RunStore store, List<StoredRun> runs, RunConfig config, Console console, ObjectNode result) {
    boolean dryRun = config.flag(RunOption.DRY_RUN);
    ArrayNode json = result.putArray("deleted");
    List<String> refused = new ArrayList<>();
    for (StoredRun run : runs) {
      try {
        RunStore.checkDeletable(run);
      } catch (InputException e) {
        refused.add(e.getMessage()); // the others need not stay for that
        continue;
      }
      if (!dryRun) {
        store.delete(run);
      }
      json.add(run.id());
      console.line(
          "%s %s (%s); its folder stays: %s",
          dryRun ? "would delete" : "deleted",
          run.id(),
          RunsView.name(run),
          TerminalText.oneLine(run.folder().toString()));
    }
    result.put("dry_run", dryRun);
    if (!refused.isEmpty()) {
      throw new InputException(
          Count.many(refused.size(), "run is", "runs are")
              + " not deleted: "
              + String.join("; ", refused));
    }
  }

  private static void send(
      RunStore store, List<StoredRun> runs, RunConfig config, Console console, ObjectNode result) {
    ArrayNode json = result.putArray("sent");
    Reporting reporting = Reporting.of(config);
    for (StoredRun run : runs) {
      for (RunSink sink : reporting.sinks(run.folder())) {
        try (sink) {
          Replay.send(store, run, sink);
        } catch (IOException e) {
          throw new UncheckedIOException(
              sink.name() + " cannot be told of run " + run.id() + ": " + e.getMessage(), e);
        }
        json.addObject().put("run", run.id()).put("to", sink.name());
        console.line("%s (%s): %s", run.id(), RunsView.name(run), sink.name());
      }
    }
  }

  private static void export(
      RunStore store,
      List<StoredRun> runs,
      RunConfig config,
      Arguments arguments,
      ObjectNode result) {
    Path file = output(config, store);
    if (file == null && arguments.json()) {
      throw new InputException(
          RunOption.OUTPUT + " is needed, as the object of --json takes the standard output");
    }
    result.put("runs", runs.size());
    try {
      if (file == null) {
        Writer out = new OutputStreamWriter(System.out, StandardCharsets.UTF_8);
        write(store, runs, out);
        out.flush();
      } else {
        try (AtomicFile out = AtomicFile.create(file)) {
          write(store, runs, out.writer());
          out.commit();
        }
        result.put("output", file.toString());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          (file == null ? "standard output" : file)
              + " cannot be written: "
              + OutputFile.problem(e),
          e);
    }
  }

  private static void write(RunStore store, List<StoredRun> runs, Writer out) throws IOException {
    out.write("run,name,series,step,time,value\n");
    for (StoredRun run : runs) {
      String before = run.id() + "," + quoted(run.name()) + ",";
      StringBuilder lines = new StringBuilder();
      store.forEach(
          run,
          point ->
              lines
                  .append(before)
                  .append(quoted(point.series()))
                  .append(',')
                  .append(point.x())
                  .append(',')
                  .append(point.timeMillis() / 1000.0)
                  .append(',')
                  .append(Double.isNaN(point.value()) ? "" : Double.toString(point.value()))
                  .append('\n'));
      out.append(lines);
    }
  }

  private static String quoted(String text) {
    return text.matches("[^,\"\\r\\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
  }
}
