package dev.attune.core;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Loads native libraries that lie on the class path, in a folder or in a JAR (also in a JAR within
 * a JAR). One inside a JAR is unpacked into the cache once, under a name that tells its content,
 * and compared with the JAR before every load.
 *
 * <p>Java lets a file be loaded by one class loader only. Where a second one comes, of another
 * application in the same server or of this one redeployed, it loads a copy of its own. The copy is
 * deleted as soon as it is loaded: the system keeps what is mapped until it is unloaded.
 */
public final class NativeLoader {
  private static final Duration ABANDONED = Duration.ofHours(1);
  private static final String COPY = ".copy";

  private NativeLoader() {}

  /** What goes on around an attempt to load, for a library that loads others as it starts. */
  @FunctionalInterface
  public interface Around {
    /** Nothing. */
    Around NOTHING = (natives, attempt) -> attempt.run();

    /**
     * Runs the attempt once and lets its errors through.
     *
     * @param natives the folder for native libraries
     */
    void load(Path natives, Runnable attempt) throws IOException;
  }

  /**
   * Loads a library for the class loader of this class.
   *
   * @param library on the class path
   * @param around runs the attempts to load it
   * @return the file, which other class loaders may use too
   * @throws IOException if it cannot be unpacked
   * @throws UnsatisfiedLinkError if the system refuses it; the message says what to do
   */
  public static Path load(URL library, Around around) throws IOException {
    return load(Cache.user(), library, around, file -> System.load(file.toString()));
  }

  /** Loads a file: given by the user, so nothing else is tried but a copy of it. */
  public static Path load(Path file, Around around) throws IOException {
    Cache cache = Cache.user();
    List<UnsatisfiedLinkError> refusals = new ArrayList<>();
    if (loadOrCopy(file, cache.natives(), around, f -> System.load(f.toString()), refusals)) {
      return file;
    }
    throw refused(file, refusals);
  }

  /**
   * Unpacks a library that another loader loads, as {@link #load} does: once, whatever becomes of
   * the processes that use it.
   *
   * @return the file, in a folder that holds nothing else of use to that loader
   * @throws IOException if it cannot be unpacked
   */
  public static Path unpacked(URL library) throws IOException {
    Cache cache = Cache.user();
    Content content = Content.of(library);
    Optional<Path> brought = brought(cache, content, fileName(library));
    return brought.isPresent()
        ? brought.get()
        : unpacked(cache.natives(), content, fileName(library));
  }

  static Path load(Cache cache, URL library, Around around, Consumer<Path> system)
      throws IOException {
    List<UnsatisfiedLinkError> refusals = new ArrayList<>();
    if (library.getProtocol().equals("file")) {
      Path file = Path.of(URI.create(library.toString()));
      if (loadOrCopy(file, cache.natives(), around, system, refusals)) {
        return file;
      }
      throw refused(file, refusals);
    }
    Content content = Content.of(library);
    Optional<Path> brought = brought(cache, content, fileName(library));
    if (brought.isPresent()
        && loadOrCopy(brought.get(), cache.natives(), around, system, refusals)) {
      return brought.get();
    }
    Path natives = cache.natives();
    Path file = unpacked(natives, content, fileName(library));
    if (loadOrCopy(file, natives, around, system, refusals)) {
      return file;
    }
    // A file system may refuse code for reasons that its options do not show.
    Path instead = Cache.temporaryNatives();
    if (!instead.equals(natives)) {
      Path second = unpacked(instead, content, fileName(library));
      if (loadOrCopy(second, instead, around, system, refusals)) {
        Cache.sayNativesMoved(natives, refusals.get(0).getMessage(), instead);
        return second;
      }
    }
    throw refused(file, refusals);
  }

  /** A file in a cache that came filled, as in the image of a container, and is not written to. */
  private static Optional<Path> brought(Cache cache, Content content, String name)
      throws IOException {
    Path natives = cache.folder().resolve("native");
    Path file = natives.resolve(content.key()).resolve(name);
    return Files.isDirectory(natives)
            && !Files.isWritable(natives)
            && Cache.isTrusted(natives)
            && content.isIn(file)
        ? Optional.of(file)
        : Optional.empty();
  }

  /** The file in the cache, made or made again unless it holds what it must. */
  static Path unpacked(Path natives, Content content, String name) throws IOException {
    Path folder = Cache.makeFolder(natives.resolve(content.key()));
    Path file = folder.resolve(name);
    if (content.isIn(file)) {
      return file;
    }
    return Cache.locked(
        folder.resolve("lock"),
        () -> {},
        () -> {
          if (!content.isIn(file)) { // another made it while this one waited
            content.copyTo(file);
          }
          return file;
        });
  }

  /**
   * Deletes the copies that another loader keeps of a library, under its name or its name with a
   * number, where they do not hold what the class path has: such a loader makes them again.
   *
   * @param tree the folder that they lie in or below
   */
  public static void deleteUnlike(Path tree, URL library) throws IOException {
    String name = fileName(library);
    int dot = name.lastIndexOf('.');
    Pattern copies =
        Pattern.compile(
            Pattern.quote(name.substring(0, dot)) + "\\d*" + Pattern.quote(name.substring(dot)));
    List<Path> found;
    try (Stream<Path> files = Files.walk(tree)) {
      found = files.filter(f -> copies.matcher(f.getFileName().toString()).matches()).toList();
    }
    if (found.isEmpty()) {
      return;
    }
    Content content = Content.of(library);
    for (Path copy : found) {
      if (!content.isIn(copy)) {
        Files.deleteIfExists(copy);
      }
    }
  }

  private static boolean loadOrCopy(
      Path file,
      Path natives,
      Around around,
      Consumer<Path> system,
      List<UnsatisfiedLinkError> refusals)
      throws IOException {
    try {
      around.load(natives, () -> system.accept(file));
      return true;
    } catch (UnsatisfiedLinkError e) {
      refusals.add(e);
    }
    // The usual reason is another class loader, and a copy cures it. For any other reason the copy
    // is refused too.
    Path folder = Cache.makeFolder(natives.resolve("copies"));
    deleteAbandoned(folder);
    Path copy = Files.createTempFile(folder, file.getFileName() + ".", COPY);
    try {
      try (OutputStream out = Files.newOutputStream(copy)) {
        Files.copy(file, out);
      }
      around.load(natives, () -> system.accept(copy));
      return true;
    } catch (UnsatisfiedLinkError e) {
      refusals.add(e);
      return false;
    } finally {
      delete(copy);
    }
  }

  /** Copies of processes that were killed before they deleted them. */
  private static void deleteAbandoned(Path folder) throws IOException {
    Instant limit = Instant.now().minus(ABANDONED);
    List<Path> copies;
    try (Stream<Path> files = Files.list(folder)) {
      copies = files.filter(f -> f.toString().endsWith(COPY)).toList();
    }
    for (Path copy : copies) {
      if (Files.exists(copy) && Files.getLastModifiedTime(copy).toInstant().isBefore(limit)) {
        delete(copy);
      }
    }
  }

  private static void delete(Path copy) {
    try {
      Files.deleteIfExists(copy);
    } catch (IOException e) {
      // A system that does not delete what is in use: a later process does it.
    }
  }

  private static UnsatisfiedLinkError refused(Path file, List<UnsatisfiedLinkError> refusals) {
    // The first attempt names the file; the copies only repeat its reason, unless that was another
    // class loader.
    UnsatisfiedLinkError last = refusals.get(refusals.size() - 1);
    UnsatisfiedLinkError out =
        new UnsatisfiedLinkError(
            file + " cannot be loaded: " + last.getMessage() + Platform.advice(last.getMessage()));
    refusals.forEach(out::addSuppressed);
    return out;
  }

  private static String fileName(URL library) {
    return library.getPath().substring(library.getPath().lastIndexOf('/') + 1);
  }
}
