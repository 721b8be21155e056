package dev.attune.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFiles;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.PublishedModel;
import dev.attune.hub.Hub;
import dev.attune.hub.Progress;
import dev.attune.hub.PushFile;
import dev.attune.hub.PushRequest;
import dev.attune.hub.PushResult;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Puts a finished model or adapter on the hub: its own files, with a card. What its files say of
 * the model that it was made from must mean something to others: a folder of this machine becomes
 * the hub's name of what is in it, or is left out.
 */
public final class PushRun {
  /**
   * What was pushed, or would be.
   *
   * @param files to their sizes in bytes
   * @param leftOut files that stay here, and why
   * @param notes sentences about what is not in the repository as it is here
   * @param card README.md as it was written; null: the folder has its own
   * @param result null: nothing was pushed
   */
  public record Outcome(
      Map<String, Long> files,
      Map<String, String> leftOut,
      List<String> notes,
      String card,
      PushResult result) {}

  /** Where files say what the model was made from. */
  private static final Map<String, String> BASE_KEYS =
      Map.of(
          ModelFiles.ADAPTER_CONFIG,
          "base_model_name_or_path",
          ModelFiles.ATTUNE,
          "base_model",
          ModelFiles.CONFIG,
          "_name_or_path",
          "tokenizer_config.json",
          "name_or_path");

  private final RunConfig config;
  private final Path folder;
  private final PublishedModel model;
  private final List<String> notes = new ArrayList<>();

  private PushRun(Path folder, RunConfig config) {
    this.config = config;
    this.folder = folder;
    this.model = PublishedModel.of(folder);
  }

  /**
   * Pushes.
   *
   * @param folder of the model
   * @throws InputException if it is none, or not finished, or the hub does not take it
   */
  public static Outcome run(Path folder, RunConfig config, Progress progress) {
    String repository = config.required(RunOption.REPO);
    String branch = config.text(RunOption.REVISION);
    Hub.checkPush(repository, branch);
    if (config.flag(RunOption.CREATE_PR) && branch != null && !branch.equals("main")) {
      throw new InputException(
          RunOption.CREATE_PR
              + " proposes a commit of main, and "
              + RunOption.REVISION.with(branch)
              + " is another branch; give one of the two");
    }
    if (!Files.isDirectory(folder)) {
      throw new InputException(
          folder + " is no folder; give the one that a training or a merge has written");
    }
    checkFinished(folder);
    return new PushRun(folder, config).push(repository, branch, progress);
  }

  private static void checkFinished(Path folder) {
    try {
      boolean holdsModel = ModelFolder.holdsModel(folder);
      if (hasUnfinishedRun(folder, holdsModel)) {
        throw new InputException(
            folder
                + " holds checkpoints of a run that has not ended: what it would leave is not there"
                + " yet. Let it end, with "
                + RunOption.RESUME
                + " where it was interrupted");
      }
      if (!holdsModel) {
        throw new InputException(folder + " holds no model: " + holdings(folder));
      }
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read: " + OutputFolder.describe(e), e);
    }
  }

  /** Whether there are checkpoints, but for that of its end which a finished run may have kept. */
  private static boolean hasUnfinishedRun(Path folder, boolean holdsModel) {
    Path checkpoints = OutputFolder.checkpoints(folder);
    if (!Files.exists(checkpoints)) {
      return false;
    }
    long finishedAt =
        holdsModel
            ? PublishedModel.of(folder).json(ModelFiles.ATTUNE).path("steps").asLong(-1)
            : -1;
    return CheckpointStore.peek(checkpoints)
        .map(state -> state.path("step").asLong() != finishedAt)
        .orElse(true);
  }

  private static String holdings(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      List<String> names = all.map(f -> f.getFileName().toString()).sorted().limit(20).toList();
      return names.isEmpty() ? "it is empty" : "it has " + String.join(", ", names);
    }
  }

  private Outcome push(String repository, String branch, Progress progress) {
    String base = base();
    List<PushFile> files = new ArrayList<>();
    for (Map.Entry<String, Path> file : model.files().entrySet()) {
      files.add(published(file.getKey(), file.getValue(), base));
    }
    String card = null;
    if (!model.files().containsKey(PublishedModel.CARD)) {
      card = new ModelCard(repository, folder, model, base).text(license(), languages());
      byte[] bytes = card.getBytes(StandardCharsets.UTF_8);
      files.add(PushFile.ours(PublishedModel.CARD, bytes, ModelCard.MARK));
    } else if (license() != null || !languages().isEmpty()) {
      throw new InputException(
          folder
              + " has a "
              + PublishedModel.CARD
              + " of its own, which is pushed as it is: what "
              + RunOption.LICENSE
              + " and "
              + RunOption.LANGUAGE
              + " say belongs there");
    }
    String message = message();
    model.checkFinite();
    PushResult result = null;
    if (!config.flag(RunOption.DRY_RUN)) {
      result =
          Hub.push(
              new PushRequest(
                  repository,
                  branch,
                  List.copyOf(files),
                  PublishedModel::isPart,
                  config.flag(RunOption.PRIVATE),
                  message,
                  config.flag(RunOption.CREATE_PR)),
              progress);
    }
    Map<String, Long> sizes = new LinkedHashMap<>();
    files.stream()
        .sorted((a, b) -> a.name().compareTo(b.name()))
        .forEach(file -> sizes.put(file.name(), file.sizeBytes()));
    return new Outcome(sizes, model.leftOut(), List.copyOf(notes), card, result);
  }

  private String message() {
    String given = config.text(RunOption.COMMIT_MESSAGE);
    return given != null ? given : "Upload " + (model.isAdapter() ? "adapter" : "model");
  }

  private String license() {
    String given = config.text(RunOption.LICENSE);
    if (given != null && !given.matches("[a-z0-9][a-z0-9.+-]*")) {
      throw new InputException(
          RunOption.LICENSE
              + " is '"
              + given
              + "'; the hub knows licenses by names such as apache-2.0, mit, cc-by-4.0, llama3.2 or"
              + " other");
    }
    return given;
  }

  private List<String> languages() {
    String given = config.text(RunOption.LANGUAGE);
    if (given == null) {
      return List.of();
    }
    List<String> codes = List.of(given.split(","));
    for (String code : codes) {
      if (!code.matches("[a-z]{2,3}|multilingual|code")) {
        throw new InputException(
            RunOption.LANGUAGE
                + " is '"
                + given
                + "'; languages have codes of two or three letters, separated by commas: en,de");
      }
    }
    return codes;
  }

  /** The hub's name of the model that this was made from; null: none is known. */
  private String base() {
    String recorded =
        model.isAdapter()
            ? model.json(ModelFiles.ADAPTER_CONFIG).path("base_model_name_or_path").asText("")
            : model.json(ModelFiles.ATTUNE).path("base_model").asText("");
    String given = config.text(RunOption.BASE_MODEL);
    if (given != null) {
      return Hub.nameOnHub(given)
          .orElseThrow(
              () ->
                  new InputException(
                      RunOption.BASE_MODEL.with(given)
                          + " is no name of the hub, which has the form ORG/NAME"));
    }
    Optional<String> name = recorded.isEmpty() ? Optional.empty() : Hub.nameOnHub(recorded);
    if (name.isPresent()) {
      return name.get();
    }
    if (model.isAdapter()) {
      throw new InputException(
          "this is an adapter of "
              + (recorded.isEmpty() ? "a model that it does not name" : recorded)
              + ", which nobody else has: push the base, or say which model of the hub it is by "
              + RunOption.BASE_MODEL.with("ORG/NAME"));
    }
    if (!recorded.isEmpty()) {
      notes.add(
          "the card names no base model: it was "
              + recorded
              + ", a folder of this machine; "
              + RunOption.BASE_MODEL.with("ORG/NAME")
              + " names one of the hub");
    }
    return null;
  }

  /** A file as others are to have it. */
  private PushFile published(String name, Path file, String base) {
    String key = BASE_KEYS.get(name);
    ObjectNode json = key == null ? null : model.json(name);
    String recorded = key == null ? "" : json.path(key).asText("");
    boolean isWork = name.equals(ModelFiles.ADAPTER_CONFIG) || name.equals(ModelFiles.ATTUNE);
    // Elsewhere the key is a remark of Transformers', and wrong only where it is a path.
    boolean isRight =
        isWork
            ? Hub.withoutRevision(recorded).equals(base)
            : recorded.isEmpty() || Hub.nameOnHub(recorded).isPresent();
    if (recorded.isEmpty() || isRight) {
      return PushFile.of(name, file);
    }
    if (base == null) {
      json.remove(key);
      notes.add(name + " is pushed without its " + key + ", a folder of this machine");
    } else {
      json.put(key, base);
      notes.add(name + " is pushed with " + base + " as its " + key + ", in place of " + recorded);
    }
    try {
      String text = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(json);
      return PushFile.of(name, (text + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
