package dev.attune.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.NearestName;
import dev.attune.core.TerminalText;
import dev.attune.hub.Hub;
import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.RunOption;
import dev.attune.train.DivergedException;
import java.io.UncheckedIOException;
import java.nio.file.InvalidPathException;
import java.util.Arrays;
import java.util.List;

/** Entry point of {@code ./attune}. */
public final class Main {
  private static final List<Command> COMMANDS =
      List.of(
          new TrainCommand(),
          new PretrainCommand(),
          new EvaluateCommand(),
          new PredictCommand(),
          new EmbedCommand(),
          new GenerateCommand(),
          new FillCommand(),
          new MergeCommand(),
          new RunsCommand(),
          new ReportCommand(),
          new BoardCommand(),
          new ServeCommand(),
          new KeysCommand(),
          new BenchCommand(),
          new HubCommand(),
          new PushCommand(),
          new DoctorCommand());

  /** Java sends no user and password to a proxy on the way to https unless it is told to. */
  private static final String TUNNEL_SCHEMES = "jdk.http.auth.tunneling.disabledSchemes";

  private Main() {}

  public static void main(String[] args) {
    Hub.allowMaven(); // this process is ours
    LogView.install();
    if (System.getProperty(TUNNEL_SCHEMES) == null) {
      System.setProperty(TUNNEL_SCHEMES, "");
    }
    System.exit(run(args));
  }

  /** Runs a command line; returns the exit status. */
  static int run(String... args) {
    if (args.length == 0 || args[0].equals("--help") || args[0].equals("-h")) {
      System.out.print(overview());
      return args.length == 0 ? ExitStatus.BAD_INPUT : ExitStatus.DONE;
    }
    if (args[0].equals("help")) {
      return args.length == 1 ? run("--help") : run(args[1], "--help");
    }
    if (args[0].equals("--version")) {
      String version = Main.class.getPackage().getImplementationVersion();
      System.out.println("attune " + (version == null ? "(development build)" : version));
      return ExitStatus.DONE;
    }
    Command command =
        COMMANDS.stream().filter(c -> c.name().equals(args[0])).findFirst().orElse(null);
    if (command == null) {
      System.err.println(noCommand(args[0]));
      return ExitStatus.BAD_INPUT;
    }
    List<String> words = Arrays.asList(args).subList(1, args.length);
    if (words.contains("--help") || words.contains("-h")) {
      System.out.print(CommandHelp.of(command));
      return ExitStatus.DONE;
    }
    boolean json = words.contains("--json");
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    try (StopSignal signal = new StopSignal(json)) {
      int status = run(command, words, json, signal, result);
      if (json) {
        System.out.println(result);
      }
      System.out.flush();
      return status;
    }
  }

  private static int run(
      Command command, List<String> words, boolean json, StopSignal signal, ObjectNode result) {
    try {
      Arguments arguments =
          Arguments.parse(command.name(), command.options(), !command.words().isEmpty(), words);
      LogView.show(arguments.logLevel());
      return command.run(arguments, new Console(json, arguments.quiet()), signal, result);
    } catch (InputException e) {
      return fail(ExitStatus.BAD_INPUT, e.getMessage(), json, result);
    } catch (InterruptedCallException e) {
      return fail(ExitStatus.INTERRUPTED, e.getMessage(), json, result);
    } catch (InvalidPathException e) {
      return fail(
          ExitStatus.BAD_INPUT,
          "'"
              + e.getInput()
              + "' is no path here: "
              + e.getReason()
              + "; letters beyond ASCII need a locale that has them, as LC_ALL=C.UTF-8",
          json,
          result);
    } catch (DivergedException | DeviceMemoryException | BackendException e) {
      return fail(ExitStatus.FAILED, e.getMessage(), json, result);
    } catch (UncheckedIOException e) {
      return fail(ExitStatus.FAILED, e.getMessage(), json, result);
    } catch (OutOfMemoryError e) {
      return fail(
          ExitStatus.FAILED,
          "the Java heap is full; give more, e.g. ATTUNE_JAVA_OPTS=-Xmx4g",
          json,
          result);
    } catch (RuntimeException e) {
      e.printStackTrace();
      return fail(ExitStatus.FAILED, "internal error: " + e, json, result);
    }
  }

  private static int fail(int status, String problem, boolean json, ObjectNode result) {
    String message = RunOption.worded(problem);
    Colours colours = json ? Colours.NONE : Colours.of(true);
    System.err.println(colours.error("attune:") + " " + TerminalText.visible(message));
    result.removeAll();
    result.put("error", message);
    return status;
  }

  private static String noCommand(String typed) {
    List<String> known = COMMANDS.stream().map(Command::name).toList();
    return "attune: there is no command '"
        + TerminalText.visible(typed)
        + "'; "
        + NearestName.of(typed, known)
            .map(name -> "did you mean " + name + "?")
            .orElse("attune help lists them");
  }

  private static String overview() {
    StringBuilder out = new StringBuilder();
    out.append("usage: attune COMMAND [options]\n\n");
    out.append("Fine-tunes transformer language models, on the CPU, without Python.\n\n");
    for (Command command : COMMANDS) {
      out.append(String.format("  %-10s %s%n", command.name(), command.summary()));
    }
    out.append("\nOptions of a command, with their defaults: attune help COMMAND\n");
    return out.toString();
  }
}
