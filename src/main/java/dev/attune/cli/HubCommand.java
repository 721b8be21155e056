package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.hub.CachedRepository;
import dev.attune.hub.Hub;
import dev.attune.hub.PruneResult;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.Locale;

/** {@code attune hub}: what is here of the Hugging Face Hub. */
final class HubCommand implements Command {
  private static final int SHORT_COMMIT = 12;

  @Override
  public String name() {
    return "hub";
  }

  @Override
  public String summary() {
    return "list, fetch and remove models of the Hugging Face Hub";
  }

  @Override
  public String words() {
    return "list | fetch NAME | prune [NAME...]";
  }

  @Override
  public String details() {
    return """
        list     what the cache has: models and datasets, their commits, what they take
        fetch    fetches a model or an adapter, ORG/NAME or ORG/NAME@REVISION, and prints its folder;
                 or a file, hf://datasets/ORG/NAME/path/file.csv
        prune    removes commits that no branch or tag leads to any more, and unfinished downloads;
                 of all repositories, or of those named

        The cache is that of Python's huggingface_hub (HF_HOME, HF_HUB_CACHE); each finds what the other
        has fetched. A token is read from HF_TOKEN or from the file that hf auth login writes.

        examples:
          attune hub fetch google-bert/bert-base-uncased
          attune hub prune --dry-run
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.HUB;
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    List<String> words = arguments.words();
    boolean dryRun = arguments.config().flag(RunOption.DRY_RUN);
    String what = words.isEmpty() ? "" : words.get(0);
    List<String> names = words.isEmpty() ? words : words.subList(1, words.size());
    if (dryRun && !what.equals("prune")) {
      throw new InputException(RunOption.DRY_RUN + " is for attune hub prune");
    }
    switch (what) {
      case "list" -> {
        checkCount(names, 0, "attune hub list");
        list(console, result);
      }
      case "fetch" -> {
        checkCount(names, 1, "attune hub fetch NAME");
        fetch(names.get(0), arguments, result);
      }
      case "prune" -> prune(names, dryRun, console, result);
      default ->
          throw new InputException(
              (what.isEmpty() ? "say what to do" : "there is no attune hub " + what)
                  + "; it is one of list, fetch and prune: attune hub --help");
    }
    return ExitStatus.DONE;
  }

  private static void checkCount(List<String> names, int count, String usage) {
    if (names.size() != count) {
      throw new InputException("there are " + names.size() + " names; the usage is: " + usage);
    }
  }

  private static void list(Console console, ObjectNode result) {
    List<CachedRepository> repositories = Hub.cached();
    result.put("cache", Hub.cacheFolder().toString());
    ArrayNode json = result.putArray("repositories");
    long bytes = 0;
    for (CachedRepository repository : repositories) {
      bytes += repository.sizeBytes();
      put(json.addObject(), repository);
      console.line(
          "%-8s %-48s %10s  used %s",
          repository.kind(),
          repository.id(),
          Console.size(repository.sizeBytes()),
          LocalDate.ofInstant(repository.lastUsed(), ZoneId.systemDefault()));
      for (CachedRepository.Revision revision : repository.revisions()) {
        console.line(
            "           %s  %-20s %3d files",
            revision.commit().substring(0, Math.min(SHORT_COMMIT, revision.commit().length())),
            revision.names().isEmpty() ? "(no branch)" : String.join(", ", revision.names()),
            revision.files());
      }
      if (repository.incompleteBytes() > 0) {
        console.line(
            "           %s of unfinished downloads", Console.size(repository.incompleteBytes()));
      }
    }
    result.put("size_bytes", bytes);
    console.line(
        "%d repositories, %s in %s", repositories.size(), Console.size(bytes), Hub.cacheFolder());
  }

  private static void put(ObjectNode json, CachedRepository repository) {
    json.put("kind", repository.kind());
    json.put("id", repository.id());
    json.put("folder", repository.folder().toString());
    json.put("size_bytes", repository.sizeBytes());
    json.put("incomplete_bytes", repository.incompleteBytes());
    json.put("last_used", repository.lastUsed().toString());
    ArrayNode revisions = json.putArray("revisions");
    for (CachedRepository.Revision revision : repository.revisions()) {
      ObjectNode one = revisions.addObject();
      one.put("commit", revision.commit());
      revision.names().forEach(one.putArray("refs")::add);
      one.put("files", revision.files());
      one.put("size_bytes", revision.sizeBytes());
    }
  }

  /** The folder alone goes to standard output, for scripts. */
  private static void fetch(String name, Arguments arguments, ObjectNode result) {
    FetchView view = new FetchView(new Console(true, arguments.quiet()));
    Path path = Hub.isData(name) ? Hub.data(name, view) : Hub.resolve(name, view);
    result.put("name", name);
    result.put("path", path.toString());
    if (!arguments.json()) {
      System.out.println(path);
    }
  }

  private static void prune(
      List<String> names, boolean dryRun, Console console, ObjectNode result) {
    PruneResult pruned = Hub.prune(names, dryRun, new FetchView(console));
    pruned.revisions().forEach(revision -> console.line("%s", revision));
    pruned.revisions().forEach(result.putArray("revisions")::add);
    result.put("files", pruned.files());
    result.put("bytes", pruned.bytes());
    ArrayNode spared = result.putArray("spared");
    for (PruneResult.Spared one : pruned.spared()) {
      ObjectNode json = spared.addObject().put("name", one.name());
      json.put("reason", one.reason().name().toLowerCase(Locale.ROOT)).put("bytes", one.bytes());
    }
    result.put("dry_run", dryRun);
    console.line(
        "%s %s, %s, %s",
        dryRun ? "would remove" : "removed",
        Count.many(pruned.revisions().size(), "commit"),
        Count.many(pruned.files(), "file"),
        Console.size(pruned.bytes()));
  }
}
