package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import java.util.List;

/** One of {@code attune}'s commands. */
interface Command {
  /** Of commands that read a trained model. */
  String OF_TEXTS =
      "tokens of a text; longer ones are cut, and counted; as it was trained where not given";

  /** Of commands that write a file, once it is whole. */
  String OUTPUT_STAYS = "interrupted; a file of " + RunOption.OUTPUT + " is as it was, or whole";

  String name();

  /** One line for the list of commands. */
  String summary();

  /** Paragraphs and examples below the options of {@code --help}. */
  default String details() {
    return "";
  }

  /** The words it takes beside options, as usage shows them; empty: none. */
  default String words() {
    return "";
  }

  /** What is told where a signal ends it; null: it sees signals, and stops in good order. */
  default String interrupted() {
    return "interrupted";
  }

  /** The run options it takes. */
  List<RunOption> options();

  /** What an option does here, with its default, for help. */
  default String describe(RunOption option) {
    return option.defaultValue() == null || option.isFlag()
        ? option.help()
        : option.help() + " (default " + option.defaultValue() + ")";
  }

  /**
   * Runs.
   *
   * @param signal tells of Ctrl-C, where it sees it
   * @param result what {@code --json} prints as the last line
   * @return the exit status
   */
  int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result);
}
