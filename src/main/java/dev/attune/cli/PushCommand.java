package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.hub.PushResult;
import dev.attune.run.CommandOptions;
import dev.attune.run.PushRun;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** {@code attune push}. */
final class PushCommand implements Command {
  @Override
  public String name() {
    return "push";
  }

  @Override
  public String summary() {
    return "put a model or an adapter on the Hugging Face Hub";
  }

  @Override
  public String words() {
    return "FOLDER";
  }

  @Override
  public String details() {
    return """
        Pushes the files that others need to use the model, and a README.md (a model card) where the
        folder has none. All of it becomes visible in one commit, or nothing. Files of the training,
        and all that is not known to be the model's, stay here; the command names them.

        The token is that of attune hub, and must have the permission to write.

        examples:
          attune push out --repo my-org/my-model --dry-run
          attune push out --repo my-org/my-model --private --license apache-2.0
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.PUSH;
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    List<String> words = arguments.words();
    if (words.size() != 1) {
      throw new InputException(
          "there are "
              + words.size()
              + " folders; the usage is: attune push FOLDER --repo ORG/NAME");
    }
    RunConfig config = arguments.config();
    PushRun.Outcome outcome = PushRun.run(Path.of(words.get(0)), config, new FetchView(console));
    fill(result, outcome, config);
    print(console, outcome, config.text(RunOption.REPO));
    return ExitStatus.DONE;
  }

  private static void fill(ObjectNode json, PushRun.Outcome outcome, RunConfig config) {
    json.put("repo", config.text(RunOption.REPO));
    json.put("dry_run", outcome.result() == null);
    outcome.files().forEach(json.putObject("files")::put);
    outcome.leftOut().forEach(json.putObject("left_out")::put);
    outcome.notes().stream().map(RunOption::worded).forEach(json.putArray("notes")::add);
    json.put("card", outcome.card());
    PushResult pushed = outcome.result();
    if (pushed == null) {
      return;
    }
    json.put("url", pushed.url());
    json.put("commit", pushed.commit());
    json.put("pull_request", pushed.pullRequest());
    json.put("created", pushed.isNew());
    pushed.pushed().forEach(json.putArray("pushed")::add);
    pushed.unchanged().forEach(json.putArray("unchanged")::add);
    pushed.kept().forEach(json.putArray("kept")::add);
    pushed.ignored().forEach(json.putArray("ignored")::add);
    pushed.removed().forEach(json.putArray("removed")::add);
    json.put("uploaded_bytes", pushed.uploadedBytes());
  }

  private static void print(Console console, PushRun.Outcome outcome, String repository) {
    PushResult pushed = outcome.result();
    outcome
        .files()
        .forEach(
            (name, bytes) ->
                console.line("  %-34s %12s%s", name, bytesOf(bytes), state(pushed, name)));
    outcome
        .leftOut()
        .forEach((name, reason) -> console.line("  %-34s stays here: %s", name, reason));
    outcome.notes().forEach(note -> console.line("· %s", RunOption.worded(note)));
    if (pushed == null) {
      if (outcome.card() != null) {
        console.line("");
        console.line("%s", outcome.card());
      }
      console.line("would push %s to %s", Count.many(outcome.files().size(), "file"), repository);
      return;
    }
    if (!pushed.removed().isEmpty()) {
      console.line(
          "removed, since the model that is there now does not have them: %s",
          String.join(", ", pushed.removed()));
    }
    if (pushed.pullRequest() != null) {
      console.line(
          "proposed %s: %s", Count.many(pushed.pushed().size(), "file"), pushed.pullRequest());
    } else if (pushed.pushed().isEmpty() && pushed.removed().isEmpty()) {
      console.line("nothing to push: %s has all of it", pushed.url());
    } else {
      console.line(
          "pushed %s to %s, commit %s",
          Count.many(pushed.pushed().size(), "file"), pushed.url(), pushed.commit());
    }
  }

  private static String state(PushResult pushed, String name) {
    if (pushed == null || pushed.pushed().contains(name)) {
      return "";
    }
    if (pushed.kept().contains(name)) {
      return "  not pushed: the hub has one that somebody wrote";
    }
    return pushed.ignored().contains(name)
        ? "  not pushed: the repository's .gitignore excludes it"
        : "  as it was";
  }

  private static String bytesOf(long bytes) {
    return bytes < 1 << 20 ? String.format(Locale.ROOT, "%,d B", bytes) : Console.size(bytes);
  }
}
