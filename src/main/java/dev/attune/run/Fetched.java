package dev.attune.run;

import dev.attune.folder.ModelFolder;
import dev.attune.hub.Hub;
import dev.attune.hub.Progress;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;

/**
 * Options that name models and data of a hub, with what they name fetched: commands read files of
 * this machine.
 */
public final class Fetched {
  private static final List<RunOption> DATA =
      List.of(
          RunOption.TRAIN_FILE,
          RunOption.VALIDATION_FILE,
          RunOption.TEST_FILE,
          RunOption.FILE,
          RunOption.PROMPTS);

  private Fetched() {}

  /**
   * A fine-tuned model with the base that an adapter needs, and the files of data.
   *
   * @param required options that must be given, which is found before anything is fetched
   */
  public static RunConfig all(RunConfig config, Progress progress, RunOption... required) {
    String model = config.required(RunOption.MODEL);
    for (RunOption option : required) {
      config.required(option);
    }
    Path folder = model(model, progress);
    String named = config.isGiven(RunOption.BASE_MODEL) ? config.text(RunOption.BASE_MODEL) : null;
    Path base = ModelFolder.fetchBase(folder, named, progress);
    RunConfig local = config.with(RunOption.MODEL, folder.toString());
    if (base != null) {
      local = local.with(RunOption.BASE_MODEL, base.toString());
    }
    return data(local, progress);
  }

  /**
   * The folder of a fine-tuned model or an adapter.
   *
   * @param model a folder, which is looked into later, or a name that {@link Hub} knows
   */
  public static Path model(String model, Progress progress) {
    try {
      if (Files.isDirectory(Path.of(model))) {
        return Path.of(model);
      }
    } catch (InvalidPathException e) {
      // The hub's complaint is better.
    }
    return Hub.resolve(model, progress);
  }

  /** The files of data alone. */
  public static RunConfig data(RunConfig config, Progress progress) {
    RunConfig local = config;
    for (RunOption option : DATA) {
      if (config.isGiven(option)) {
        List<String> files =
            config.texts(option).stream()
                .map(file -> Hub.isData(file) ? Hub.data(file, progress).toString() : file)
                .toList();
        local = local.with(option, files);
      }
    }
    return local;
  }

  /** What a run's listener hears of fetching. */
  static Progress heardBy(RunListener listener) {
    return new Progress() {
      @Override
      public void report(String message) {
        listener.onNote(message);
      }

      @Override
      public void transferred(long doneBytes, long totalBytes, double bytesPerSecond) {
        listener.onTransfer(doneBytes, totalBytes, bytesPerSecond);
      }
    };
  }
}
