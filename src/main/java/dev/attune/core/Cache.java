package dev.attune.core;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;

/**
 * Where files are kept that can be made again: native libraries, converted models, choices that
 * were measured. One rule for all of them; the first that is set wins:
 *
 * <ol>
 *   <li>the system property {@code attune.cache},
 *   <li>the environment variable {@code ATTUNE_HOME},
 *   <li>{@code attune} in {@code XDG_CACHE_HOME}, which must be absolute,
 *   <li>{@code .cache/attune} in the user's home.
 * </ol>
 *
 * <p>Folders that are made are for this user alone (0700). Where the user's home cannot be written
 * or there is none (it is {@code ?} or {@code /} in many containers), a private temporary folder
 * takes its place until the process ends, and a warning says so once. A folder that the first two
 * name is never replaced in silence: if it cannot be written, that is an error.
 *
 * <p>Instances hold no state but the rule's answer, so they can be made at any time.
 */
public final class Cache {
  public static final String PROPERTY = "attune.cache";
  public static final String VARIABLE = "ATTUNE_HOME";

  /** How to choose another folder: the end of many messages. */
  public static final String ADVICE =
      "the environment variable "
          + VARIABLE
          + " or the Java property "
          + PROPERTY
          + " names another folder";

  private static final System.Logger LOG = System.getLogger("dev.attune.cache");
  private static final Set<String> SAID = ConcurrentHashMap.newKeySet();
  private static final Path MOUNTS = Path.of("/proc/self/mountinfo");

  // The temporary folder is that of the process: class loaders share it through this property.
  private static final String TEMPORARY = "dev.attune.cache.temporary";

  /** Something to do under a lock. */
  @FunctionalInterface
  public interface Work<T> {
    T run() throws IOException;
  }

  private final Path folder; // null: the user has no home
  private final String chosenBy; // null: nobody named the folder
  private final String home;

  private Cache(Path folder, String chosenBy, String home) {
    this.folder = folder;
    this.chosenBy = chosenBy;
    this.home = home;
  }

  /**
   * The cache of this process.
   *
   * @throws InputException if the folder that the user named is no path
   */
  public static Cache user() {
    return of(System::getProperty, System::getenv);
  }

  /** A cache in a folder of the caller's. */
  public static Cache at(Path folder) {
    return new Cache(folder.toAbsolutePath().normalize(), "the caller", null);
  }

  /** CRC-32 of a file: tells a truncated or damaged one at the speed of reading it. */
  public static long crc32(Path file) throws IOException {
    return Content.crc32(file);
  }

  static Cache of(UnaryOperator<String> properties, UnaryOperator<String> environment) {
    String home = properties.apply("user.home");
    for (Named named :
        new Named[] {
          new Named("-D" + PROPERTY, properties.apply(PROPERTY)),
          new Named(VARIABLE, environment.apply(VARIABLE))
        }) {
      if (named.isGiven()) {
        return new Cache(named.path(), named.by(), home);
      }
    }
    Named xdg = new Named("XDG_CACHE_HOME", environment.apply("XDG_CACHE_HOME"));
    // Its specification: a relative path is invalid and is to be ignored.
    if (xdg.isGiven() && Path.of(xdg.value()).isAbsolute()) {
      return new Cache(xdg.path().resolve("attune"), null, home);
    }
    return new Cache(homeFolder(home), null, home);
  }

  private record Named(String by, String value) {
    boolean isGiven() {
      return value != null && !value.isBlank();
    }

    Path path() {
      try {
        return Path.of(value).toAbsolutePath().normalize();
      } catch (InvalidPathException e) {
        throw new InputException(by + " is no path: " + e.getMessage(), e);
      }
    }
  }

  /** Null where the home is none: "?" for a user id without an entry, "/" for a service. */
  private static Path homeFolder(String home) {
    if (home == null || home.isBlank() || home.equals("?")) {
      return null;
    }
    Path path = Path.of(home);
    return path.isAbsolute() && path.getNameCount() > 0
        ? path.resolve(".cache").resolve("attune").normalize()
        : null;
  }

  /**
   * The folder to read from: absolute, need not exist, need not be writable (a container image may
   * bring it filled). Where the user has no home, the temporary folder.
   */
  public Path folder() {
    return folder == null ? writable() : folder;
  }

  /**
   * Why files that can be made again cannot be kept, naming the folder; empty where they can. Makes
   * the folder if need be.
   */
  public Optional<String> problem() {
    return folder == null
        ? Optional.of("the user's home is '" + home + "'; " + ADVICE)
        : unwritable(folder)
            .map(
                why ->
                    String.format(
                        "%s cannot be written (%s)%s; %s",
                        folder,
                        why,
                        chosenBy == null ? "" : ", and " + chosenBy + " names it",
                        ADVICE));
  }

  /**
   * The folder to write to, which is made if need be: {@link #folder}, or the temporary one.
   *
   * @throws InputException if the user named a folder that cannot be written
   */
  public Path writable() {
    Optional<String> problem =
        folder == null ? Optional.of("the user's home is '" + home + "'") : unwritable(folder);
    if (problem.isEmpty()) {
      return folder;
    }
    if (chosenBy != null) {
      throw new InputException(
          String.format(
              "the cache folder %s, named by %s, cannot be written (%s); name another folder",
              folder, chosenBy, problem.get()));
    }
    Path temporary = temporary();
    say(
        (folder == null
                ? "There is no folder to keep files in"
                : folder + " cannot be used to keep files in")
            + " ("
            + problem.get()
            + "): native libraries and converted models go to "
            + temporary
            + " until this process ends, and choices by measuring are not kept. "
            + ADVICE
            + ".");
    return temporary;
  }

  /**
   * The folder for native libraries: a subfolder of {@link #folder} that this user and no other can
   * write to and whose file system lets code be loaded; else one of the temporary folder, which a
   * warning names.
   */
  public Path natives() {
    // A folder that was named and cannot be written may hold all that is needed; so no error yet.
    Path natives = (chosenBy == null ? writable() : folder).resolve("native");
    Optional<String> problem = unwritable(natives).or(() -> unloadable(natives));
    if (problem.isEmpty()) {
      return natives;
    }
    Path instead = temporaryNatives();
    sayNativesMoved(natives, problem.get(), instead);
    return instead;
  }

  /** The folder for native libraries where {@link #natives} turns out not to do. */
  static Path temporaryNatives() {
    Path natives = temporary().resolve("native");
    unwritable(natives)
        .ifPresent(
            problem -> {
              throw new InputException(natives + " cannot be made: " + problem + "; " + ADVICE);
            });
    return natives;
  }

  static void sayNativesMoved(Path from, String problem, Path to) {
    say(
        String.format(
            "Native libraries are loaded from %s, because %s does not do for them (%s). %s.",
            to, from, problem, ADVICE));
  }

  /**
   * Does something while nothing else does anything under this lock: no other thread, no other
   * class loader of this process, no other process.
   *
   * @param lockFile is made, and stays
   * @param waiting run first if it is another's turn; may be run for other threads' sake
   */
  public static <T> T locked(Path lockFile, Runnable waiting, Work<T> work) throws IOException {
    // File locks belong to the process, and a second one within it is an exception. The interned
    // name is one object for all class loaders.
    String name = "dev.attune.core.Cache lock " + lockFile.toAbsolutePath().normalize();
    synchronized (name.intern()) {
      try (FileChannel channel =
          FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        lock(channel, lockFile, waiting); // released when the channel closes
        return work.run();
      }
    }
  }

  private static void lock(FileChannel channel, Path lockFile, Runnable waiting)
      throws IOException {
    try {
      if (channel.tryLock() == null) {
        waiting.run();
        channel.lock();
      }
    } catch (ClosedChannelException | FileLockInterruptionException e) {
      throw e; // this thread is interrupted
    } catch (IOException e) {
      say(
          "The file system of "
              + lockFile
              + " has no locks ("
              + e.getMessage()
              + "): two processes that need the same file for the first time may make it twice.");
    }
  }

  /**
   * Makes a folder for this user alone, with those above it, unless there is one or a link to one.
   */
  public static Path makeFolder(Path folder) throws IOException {
    return Files.isDirectory(folder)
        ? folder // which createDirectories refuses where it is a link
        : Files.createDirectories(folder, ownerOnly(folder));
  }

  /** Makes the folder if need be; why it cannot be written to, or empty. */
  private static Optional<String> unwritable(Path folder) {
    try {
      makeFolder(folder);
    } catch (FileAlreadyExistsException e) {
      return Optional.of(e.getFile() + " is no folder");
    } catch (IOException e) {
      return Optional.of(e.toString());
    }
    return Files.isWritable(folder) ? Optional.empty() : Optional.of("no permission");
  }

  private static FileAttribute<?>[] ownerOnly(Path folder) {
    return folder.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))
        }
        : new FileAttribute<?>[0];
  }

  private static Optional<String> unloadable(Path folder) {
    try {
      if (!isTrusted(folder)) {
        return Optional.of("others can write to it");
      }
      return Files.isReadable(MOUNTS)
              && MountOptions.of(folder.toRealPath(), Files.readString(MOUNTS)).contains("noexec")
          ? Optional.of("its file system is mounted noexec")
          : Optional.empty();
    } catch (IOException e) {
      return Optional.of(e.toString());
    }
  }

  /**
   * Whether only this user and root can put code into the folder. One of ours that an older umask
   * left open to a group is closed.
   */
  static boolean isTrusted(Path folder) throws IOException {
    if (!folder.getFileSystem().supportedFileAttributeViews().contains("unix")) {
      return true;
    }
    int owner = (int) Files.getAttribute(folder, "unix:uid");
    Path self = Path.of("/proc/self");
    int own = Files.exists(self) ? (int) Files.getAttribute(self, "unix:uid") : owner;
    if (owner != own && owner != 0) {
      return false;
    }
    Set<PosixFilePermission> others =
        EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);
    others.retainAll(Files.getPosixFilePermissions(folder));
    if (others.isEmpty()) {
      return true;
    }
    if (owner != own) {
      return false;
    }
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
    return true;
  }

  /** The private temporary folder of this process, made when it is first needed. */
  private static Path temporary() {
    synchronized (TEMPORARY.intern()) {
      String known = System.getProperty(TEMPORARY);
      if (known != null && Files.isDirectory(Path.of(known))) {
        return Path.of(known);
      }
      try {
        // Not a fixed name: another user of the machine could have made that first.
        Path made = Files.createTempDirectory("attune-");
        deleteAtExit(made);
        System.setProperty(TEMPORARY, made.toString());
        return made;
      } catch (IOException e) {
        throw new InputException(
            "no temporary folder can be made in "
                + System.getProperty("java.io.tmpdir")
                + ": "
                + e
                + "; -Djava.io.tmpdir names another place, "
                + ADVICE,
            e);
      }
    }
  }

  private static void deleteAtExit(Path folder) {
    FileOps files = FileOps.SYSTEM; // loaded now: at the exit its class loader may be closed
    Thread hook =
        new Thread(
            () -> {
              try {
                files.deleteTree(folder);
              } catch (IOException e) {
                // Still in use where files in use cannot be deleted: the system clears its
                // temporary folder itself.
              }
            },
            "attune-temporary-folder");
    // Kept for the life of the process, so it must not keep the application's class loader.
    hook.setContextClassLoader(null);
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private static void say(String sentence) {
    if (SAID.add(sentence)) {
      LOG.log(System.Logger.Level.WARNING, sentence);
    }
  }
}
