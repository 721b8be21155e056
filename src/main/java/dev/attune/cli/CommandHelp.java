package dev.attune.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;

/** What {@code --help} prints of a command: its options, one a line, and its own words. */
final class CommandHelp {
  private static final int WIDTH = 100;

  private CommandHelp() {}

  static String of(Command command) {
    StringWriter out = new StringWriter();
    out.write(
        "usage: attune "
            + command.name()
            + spaced(command.words())
            + " [options]\n\n"
            + command.summary()
            + "\n\n");
    PrintWriter writer = new PrintWriter(out);
    printOptions(writer, Arguments.parsed(command.options(), command::describe));
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
        if (column + word.length() + 1 > WIDTH) {
          row.append('\n').append(indent);
          column = indent.length();
        }
        row.append(word).append(' ');
        column += word.length() + 1;
      }
      writer.println(row.toString().stripTrailing());
    }
  }

  private static String spaced(String words) {
    return words.isEmpty() ? "" : " " + words;
  }

  private static String label(Option option) {
    return "--" + option.getLongOpt() + (option.hasArg() ? " " + option.getArgName() : "");
  }
}
