package dev.attune.cli;

import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.OptionNames;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.logging.Level;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.MissingArgumentException;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;
import org.apache.commons.cli.UnrecognizedOptionException;

/** The parsed arguments of one command. */
final class Arguments {
  /** Behind it all words are what they are: no options, and no files whose option was forgotten. */
  private static final String PLAIN = "--";

  private static final String ASIDE =
      ". A text that begins with a hyphen stands last, behind " + PLAIN;

  private final String command;
  private final List<RunOption> options;
  private final CommandLine line;
  private final int plainWords;

  /**
   * @param plainWords how many of the last words stand behind {@link #PLAIN}
   */
  private Arguments(String command, List<RunOption> options, CommandLine line, int plainWords) {
    this.command = command;
    this.options = options;
    this.line = line;
    this.plainWords = plainWords;
  }

  /**
   * Parses what follows a command's name.
   *
   * @param options that the command takes, beside those of every command
   * @param takesWords whether it takes words that are no options
   */
  static Arguments parse(
      String command, List<RunOption> options, boolean takesWords, List<String> words) {
    Options parsed = parsed(options, RunOption::help);
    int plain = words.contains(PLAIN) ? words.indexOf(PLAIN) : words.size();
    List<String> named = new ArrayList<>();
    words.subList(0, plain).forEach(word -> named.add(named(word, options)));
    named.addAll(words.subList(plain, words.size()));
    try {
      CommandLine line =
          DefaultParser.builder()
              .setAllowPartialMatching(false)
              .get()
              .parse(parsed, named.toArray(String[]::new));
      if (!line.getArgList().isEmpty() && !takesWords) {
        String first = line.getArgList().get(0);
        throw isFile(first)
            ? fileWithoutOption(command, first, "")
            : usage(command, "unexpected argument '" + first + "'");
      }
      return new Arguments(command, options, line, Math.max(0, words.size() - plain - 1));
    } catch (UnrecognizedOptionException e) {
      String word = e.getOption();
      if (!word.startsWith("--")) {
        throw usage(command, e.getMessage() + (takesWords ? ASIDE : ""));
      }
      String name = nameIn(named(word, options));
      if (parsed.hasLongOption(name)) {
        throw usage(
            command,
            "--" + name + " takes no value; leave " + word.substring(word.indexOf('=')) + " out");
      }
      throw OptionNames.unknown("--" + name, options, "attune " + command + ": ");
    } catch (MissingArgumentException e) {
      Option option = e.getOption();
      throw usage(
          command,
          "--"
              + option.getLongOpt()
              + " needs a value, "
              + option.getArgName()
              + ": "
              + option.getDescription());
    } catch (ParseException e) {
      throw usage(command, e.getMessage());
    }
  }

  /** The word with the option's own name, where it has another name of an option. */
  private static String named(String word, List<RunOption> options) {
    if (!word.startsWith("--")) {
      return word;
    }
    String name = nameIn(word);
    return OptionNames.find(name, options)
        .map(option -> "--" + option.option() + word.substring(2 + name.length()))
        .orElse(word);
  }

  private static String nameIn(String word) {
    int equals = word.indexOf('=');
    return word.substring(2, equals < 0 ? word.length() : equals);
  }

  private static InputException usage(String command, String problem) {
    return new InputException(problem + "; see: attune " + command + " --help");
  }

  /**
   * A command's options and those of every command, for the parser.
   *
   * @param describe what each does
   */
  static Options parsed(List<RunOption> taken, Function<RunOption, String> describe) {
    Options options = new Options();
    for (RunOption option : taken) {
      Option.Builder builder =
          Option.builder().longOpt(option.option()).desc(describe.apply(option));
      if (!option.isFlag()) {
        builder.hasArg().argName(option.argument());
      }
      options.addOption(builder.get());
    }
    options.addOption(
        Option.builder()
            .longOpt("config")
            .hasArg()
            .argName("FILE")
            .desc("YAML file with any of these options; of attune train several: a run each")
            .get());
    options.addOption(
        Option.builder()
            .longOpt("set")
            .hasArg()
            .argName("KEY=VALUE")
            .desc("overrides an option of --config; may be repeated")
            .get());
    options.addOption(
        Option.builder()
            .longOpt("json")
            .desc("the last line of the output is one JSON object")
            .get());
    options.addOption(Option.builder().longOpt("quiet").desc("no progress").get());
    options.addOption(
        Option.builder()
            .longOpt("log-level")
            .hasArg()
            .argName("LEVEL")
            .desc("what is logged: error, warning, info (the default), debug or trace")
            .get());
    options.addOption(Option.builder("h").longOpt("help").desc("this text").get());
    return options;
  }

  /** The words beside options. */
  List<String> words() {
    return line.getArgList();
  }

  /**
   * The words beside options, as texts: none is a file whose option was forgotten, unless it stands
   * behind {@code --}.
   *
   * @param option that a file has
   * @throws InputException if a file has the name of one of them
   */
  List<String> texts(RunOption option) {
    for (String word : words().subList(0, words().size() - plainWords)) {
      if (isFile(word)) {
        String asText = "; where it is a text, put it last: " + PLAIN + " " + quoted(word);
        throw line.hasOption(option.option())
            ? fileWithoutOption(command, word, asText)
            : usage(
                command,
                "'"
                    + word
                    + "' is "
                    + (Files.isDirectory(Path.of(word)) ? "a folder" : "a file")
                    + " here; give "
                    + option
                    + " "
                    + word
                    + asText);
      }
    }
    return words();
  }

  private static String quoted(String word) {
    return '"' + word + '"';
  }

  private static boolean isFile(String word) {
    try {
      return !word.isEmpty() && Files.exists(Path.of(word)); // no name is the folder itself
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /** A pattern that a shell has replaced by the files. */
  private static InputException fileWithoutOption(String command, String file, String more) {
    return usage(
        command,
        "unexpected argument '"
            + file
            + "', a file: give the option again before each file, or a pattern in quotes"
            + more);
  }

  boolean json() {
    return line.hasOption("json");
  }

  boolean quiet() {
    return line.hasOption("quiet");
  }

  /** What is to be logged. */
  Level logLevel() {
    List<String> given = values("log-level");
    checkOnce("--log-level", given, "");
    return given.isEmpty() ? Level.INFO : LogView.level(given.get(0));
  }

  /** An option says one thing: of two values, neither is passed over. */
  private void checkOnce(String option, List<String> values, String advice) {
    if (values.size() > 1) {
      throw usage(
          command,
          option
              + " is given "
              + (values.size() == 2 ? "twice" : values.size() + " times")
              + ": '"
              + String.join("', '", values.subList(0, values.size() - 1))
              + "' and '"
              + values.get(values.size() - 1)
              + "'; give it once"
              + advice);
    }
  }

  private List<String> values(String option) {
    String[] values = line.getOptionValues(option);
    return values == null ? List.of() : List.of(values);
  }

  private void put(RunConfig.Builder builder, RunOption option, List<String> values, String how) {
    if (CommandOptions.isList(option, options)) {
      builder.set(option, values);
      return;
    }
    checkOnce(
        how + option,
        values,
        option == RunOption.PROMPT ? ", or many in a file: " + RunOption.PROMPTS : "");
    builder.set(option, values.get(0));
  }

  /** Options from --config, then --set, then the command line. */
  RunConfig config() {
    List<String> files = values("config");
    checkOnce("--config", files, "");
    return config(files);
  }

  /** The same of each --config, for commands that do several things at a time. */
  List<RunConfig> configs() {
    List<String> files = values("config");
    return files.size() < 2
        ? List.of(config())
        : files.stream().map(file -> config(List.of(file))).toList();
  }

  private RunConfig config(List<String> files) {
    RunConfig.Builder builder = RunConfig.builder(options);
    for (String file : files) {
      builder.setAll(Path.of(file));
    }
    Map<RunOption, List<String>> overrides = new LinkedHashMap<>();
    for (String override : values("set")) {
      int equals = override.indexOf('=');
      if (equals < 1) {
        throw usage(command, "--set takes KEY=VALUE, not '" + override + "'");
      }
      RunOption option = builder.option(override.substring(0, equals), "--set");
      overrides.computeIfAbsent(option, o -> new ArrayList<>()).add(override.substring(equals + 1));
    }
    overrides.forEach((option, values) -> put(builder, option, values, "--set of "));
    for (RunOption option : options) {
      if (line.hasOption(option.option())) {
        put(builder, option, option.isFlag() ? List.of("true") : values(option.option()), "");
      }
    }
    return builder.build();
  }
}
