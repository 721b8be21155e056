package dev.attune.cli;

import dev.attune.core.InputException;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;

/** The parsed arguments of one command. */
final class Arguments {
  private static final int HELP_WIDTH = 100;

  private final Command command;
  private final CommandLine line;

  private Arguments(Command command, CommandLine line) {
    this.command = command;
    this.line = line;
  }

  /** Parses what follows the command's name. */
  static Arguments parse(Command command, List<String> words) {
    try {
      CommandLine line =
          DefaultParser.builder()
              .setAllowPartialMatching(false)
              .get()
              .parse(options(command), words.toArray(String[]::new));
      if (!line.getArgList().isEmpty()) {
        throw usage(command, "unexpected argument '" + line.getArgList().get(0) + "'");
      }
      return new Arguments(command, line);
    } catch (ParseException e) {
      throw usage(command, e.getMessage());
    }
  }

  private static InputException usage(Command command, String problem) {
    return new InputException(problem + "; see: attune " + command.name() + " --help");
  }

  private static Options options(Command command) {
    Options options = new Options();
    for (RunOption option : command.options()) {
      Option.Builder builder = Option.builder().longOpt(option.option()).desc(description(option));
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
            .desc("YAML file with any of these options")
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
    options.addOption(Option.builder("h").longOpt("help").desc("this text").get());
    return options;
  }

  private static String description(RunOption option) {
    return option.defaultValue() == null || option.isFlag()
        ? option.help()
        : option.help() + " (default " + option.defaultValue() + ")";
  }

  /** Prints a command's options. */
  static String help(Command command) {
    StringWriter out = new StringWriter();
    out.write("usage: attune " + command.name() + " [options]\n\n" + command.summary() + "\n\n");
    PrintWriter writer = new PrintWriter(out);
    printOptions(writer, options(command));
    writer.flush();
    if (!command.details().isEmpty()) {
      out.write("\n" + command.details().stripTrailing() + "\n");
    }
    return out.toString();
  }

  private static void printOptions(PrintWriter writer, Options options) {
    int widest = 0;
    for (Option option : options.getOptions()) {
      widest = Math.max(widest, label(option).length());
    }
    for (Option option : options.getOptions()) {
      String text = option.getDescription();
      String indent = " ".repeat(widest + 4);
      StringBuilder row = new StringBuilder(String.format("  %-" + widest + "s  ", label(option)));
      int column = row.length();
      for (String word : text.split(" ")) {
        if (column + word.length() + 1 > HELP_WIDTH) {
          row.append('\n').append(indent);
          column = indent.length();
        }
        row.append(word).append(' ');
        column += word.length() + 1;
      }
      writer.println(row.toString().stripTrailing());
    }
  }

  private static String label(Option option) {
    return "--" + option.getLongOpt() + (option.hasArg() ? " " + option.getArgName() : "");
  }

  boolean wantsHelp() {
    return line.hasOption("help");
  }

  boolean json() {
    return line.hasOption("json");
  }

  boolean quiet() {
    return line.hasOption("quiet");
  }

  /** Options from --config, then --set, then the command line. */
  RunConfig config() {
    RunConfig.Builder builder = RunConfig.builder(command.options());
    if (line.hasOption("config")) {
      builder.setAll(Path.of(line.getOptionValue("config")));
    }
    String[] overrides = line.getOptionValues("set");
    if (overrides != null) {
      for (String override : overrides) {
        int equals = override.indexOf('=');
        if (equals < 1) {
          throw usage(command, "--set takes KEY=VALUE, not '" + override + "'");
        }
        builder.set(override.substring(0, equals), override.substring(equals + 1), "--set");
      }
    }
    for (RunOption option : command.options()) {
      if (line.hasOption(option.option())) {
        builder.set(option, option.isFlag() ? "true" : line.getOptionValue(option.option()));
      }
    }
    return builder.build();
  }
}
