package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.track.RunStore;
import dev.attune.track.board.BoardServer;
import java.nio.file.Path;
import java.util.List;

/** {@code attune board}: runs in a browser. */
final class BoardCommand implements Command {

  @Override
  public String name() {
    return "board";
  }

  @Override
  public String summary() {
    return "show training runs in a browser, live";
  }

  @Override
  public String details() {
    return """
        Curves of many runs over one another, what differs between them, what the process uses, the data,
        the confusion matrix. It answers on this machine alone, until Ctrl-C; through ssh:
        ssh -L 7007:localhost:7007 HOST

        examples:
          attune board
          attune board --run-store /data/runs --port 8080
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.BOARD;
  }

  @Override
  public String describe(RunOption option) {
    return option == RunOption.RUN_STORE
        ? "folder of the store (default " + RunsCommand.usualStore() + ")"
        : Command.super.describe(option);
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig config = arguments.config();
    if (!BoardServer.isAvailable()) {
      throw new InputException(
          "the board needs org.eclipse.jetty:jetty-server, which is not on the class path");
    }
    int port = config.smallInteger(RunOption.PORT);
    if (port < 0 || port > 65535) {
      throw new InputException(
          RunOption.PORT + " is " + port + "; it must be from 1 to 65535, or 0 for a free one");
    }
    Path store = RunsCommand.store(config);
    RunStore.open(store).close(); // says what is wrong with it before anybody looks
    try (BoardServer board = BoardServer.start(store, port)) {
      console.line("The board of %s is at %s (Ctrl-C ends it)", store, board.address());
      Thread.sleep(Long.MAX_VALUE); // nothing is to be saved when the process ends
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return ExitStatus.DONE;
  }
}
