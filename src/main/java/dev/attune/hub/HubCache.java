package dev.attune.hub;

import dev.attune.core.FileOps;
import dev.attune.storage.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * The cache of one repository, in the layout of Python's {@code huggingface_hub}:
 *
 * <pre>
 * models--ORG--NAME/
 *   blobs/ETAG                    contents, named by SHA-256 (large files) or git's SHA-1
 *   snapshots/COMMIT/FILE         relative links to them; copies where links cannot be made
 *   refs/REVISION                 the commit that a branch or tag was when last looked up
 *   trees/COMMIT.json             all files of a commit, fetched or not
 *   .no_exist/COMMIT/FILE         files that a commit was found not to have
 * .locks/models--ORG--NAME/ETAG.lock
 * </pre>
 *
 * <p>Every file comes into its place whole, by a rename; so a reader, here or in Python, sees no
 * part of one.
 */
final class HubCache {
  /** How names of what is not whole yet end. */
  static final String INCOMPLETE = ".incomplete";

  /** Another user of a shared cache must be able to wait for a lock. */
  private static final Set<PosixFilePermission> LOCK_PERMISSIONS =
      EnumSet.of(
          PosixFilePermission.OWNER_READ,
          PosixFilePermission.OWNER_WRITE,
          PosixFilePermission.GROUP_READ,
          PosixFilePermission.GROUP_WRITE,
          PosixFilePermission.OTHERS_READ);

  /** In place of an etag: the lock of the whole repository. */
  private static final String ALL = "attune";

  private static final String TAG =
      """
      Signature: 8a477f597d28d172789f06886806bc55
      # This file is a cache directory tag created by huggingface_hub.
      # For information about cache directory tags, see:
      #	https://bford.info/cachedir/
      """;

  private final Path root;
  private final HubName repository;
  private final boolean links;
  private final FileOps files;

  /**
   * @param root of all repositories
   * @param links whether links may be made
   */
  HubCache(Path root, HubName repository, boolean links, FileOps files) {
    this.root = root;
    this.repository = repository;
    this.links = links;
    this.files = files;
  }

  /** The repository's own folder. */
  Path folder() {
    return root.resolve(repository.folderName());
  }

  /** Where the files of a commit are. */
  Path snapshot(String commit) {
    return folder().resolve("snapshots").resolve(commit);
  }

  /** Where a content is. */
  Path blob(String etag) {
    return folder().resolve("blobs").resolve(etag);
  }

  /**
   * What has come of a content so far. Python has other names for its own: its locks and Java's do
   * not see each other, so that nothing but whole files may be shared.
   */
  Path partial(String etag) {
    return folder().resolve("blobs").resolve(etag + ".attune" + INCOMPLETE);
  }

  /**
   * The lock of all that changes the repository's folder: a fetch, whose commit no branch names
   * until it is whole, and the removal of commits that no branch names.
   */
  Path lockFile() throws IOException {
    return lockFileOf(root, repository.folderName());
  }

  /** The lock of a content that is being fetched. */
  Path lockFile(String etag) throws IOException {
    return lockFile(root, repository.folderName(), etag);
  }

  /** The lock of a repository whose folder is named so. */
  static Path lockFileOf(Path root, String folderName) throws IOException {
    return lockFile(root, folderName, ALL);
  }

  private static Path lockFile(Path root, String folderName, String of) throws IOException {
    Path folder = root.resolve(".locks").resolve(folderName);
    FileOps.SYSTEM.createFolder(folder);
    Path file = folder.resolve(of + ".lock");
    if (!Files.exists(file)
        && folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      try {
        FileOps.SYSTEM.create(file).close();
        Files.setPosixFilePermissions(file, LOCK_PERMISSIONS);
      } catch (FileAlreadyExistsException e) {
        // Made by another process just now.
      }
    }
    return file;
  }

  /** The commit that the repository's revision was last found to be. */
  Optional<String> commit() throws IOException {
    if (repository.isPinned()) {
      return Optional.of(repository.revision());
    }
    Path ref = RepositoryPath.below(folder().resolve("refs"), repository.revision());
    try {
      String commit = Files.readString(ref).strip();
      return HubName.isCommit(commit) ? Optional.of(commit) : Optional.empty();
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      if (Files.isDirectory(ref)) {
        return Optional.empty(); // "refs/pr" beside "refs/pr/1"
      }
      throw e;
    }
  }

  /** Notes the commit that the repository's revision is now. */
  void setCommit(String commit) throws IOException {
    if (!repository.isPinned() && !commit().equals(Optional.of(commit))) {
      Path ref = RepositoryPath.below(folder().resolve("refs"), repository.revision());
      write(ref, commit.getBytes(StandardCharsets.US_ASCII));
    }
  }

  /** All files of a commit, where that was looked up before. */
  Optional<RepositoryFiles> listing(String commit) throws IOException {
    try {
      return RepositoryFiles.ofJson(Files.readAllBytes(listingFile(commit)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  /** Keeps all files of a commit. */
  void setListing(String commit, RepositoryFiles listing) throws IOException {
    if (listing.isWhole() && !Files.exists(listingFile(commit))) {
      write(listingFile(commit), listing.toJson());
    }
  }

  private Path listingFile(String commit) {
    return folder().resolve("trees").resolve(commit + ".json");
  }

  /** Keeps that a commit has no such file. */
  void setAbsent(String commit, String name) throws IOException {
    Path mark = RepositoryPath.below(folder().resolve(".no_exist").resolve(commit), name);
    if (!Files.exists(mark)) {
      makeFolder(mark.getParent());
      try {
        FileOps.SYSTEM.create(mark).close();
      } catch (FileAlreadyExistsException e) {
        // Another process found the same.
      }
    }
  }

  /**
   * Whether a file of a commit is here.
   *
   * @param sizeBytes that it must have; negative: not known
   */
  boolean has(String commit, String name, long sizeBytes) throws IOException {
    Path file = RepositoryPath.below(snapshot(commit), name);
    try {
      return Files.isRegularFile(file) && (sizeBytes < 0 || Files.size(file) == sizeBytes);
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** Tells programs that save files for keeping to leave these out. */
  void tag() throws IOException {
    makeFolder(root);
    Path tag = root.resolve("CACHEDIR.TAG");
    if (!Files.exists(tag)) {
      AtomicFile.write(tag, TAG);
    }
  }

  /**
   * Puts a content that is in the cache into a commit's snapshot.
   *
   * @param fresh whether nothing else can refer to it yet: where links cannot be made, it is moved
   */
  void link(String etag, String commit, String name, boolean fresh) throws IOException {
    Path file = RepositoryPath.below(snapshot(commit), name);
    Path blob = blob(etag);
    makeFolder(file.getParent());
    if (links && linked(blob, file)) {
      return;
    }
    if (fresh) {
      files.replace(blob, file);
    } else {
      Path temporary = temporary();
      files.copyPart(blob, temporary);
      try (FileChannel channel = files.open(temporary)) {
        files.sync(channel);
      }
      files.replace(temporary, file);
    }
    files.syncFolder(file.getParent());
  }

  /** False where the system makes no links. */
  private boolean linked(Path blob, Path file) throws IOException {
    Path target = file.getParent().relativize(blob);
    if (Files.isSymbolicLink(file) && Files.readSymbolicLink(file).equals(target)) {
      return true;
    }
    boolean isNew = !Files.exists(file, LinkOption.NOFOLLOW_LINKS);
    Path made = isNew ? file : temporary();
    try {
      Files.createSymbolicLink(made, target);
    } catch (FileAlreadyExistsException e) {
      return linked(blob, file); // made by another process just now
    } catch (UnsupportedOperationException e) {
      return false;
    } catch (IOException e) {
      if (isFull(e)) {
        throw e;
      }
      return false;
    }
    if (!isNew) {
      files.replace(made, file);
    }
    files.syncFolder(file.getParent());
    return true;
  }

  private static boolean isFull(IOException e) {
    return e.getMessage() != null && e.getMessage().contains("No space left");
  }

  /** Writes a small file whole or not at all. */
  private void write(Path file, byte[] content) throws IOException {
    makeFolder(file.getParent());
    Path temporary = temporary();
    try {
      try (FileChannel channel = files.create(temporary)) {
        files.write(channel, ByteBuffer.wrap(content));
        files.sync(channel);
      }
      files.replace(temporary, file);
    } catch (IOException e) {
      files.delete(temporary);
      throw e;
    }
    files.syncFolder(file.getParent());
  }

  /** Where files are until they are whole: removed with what was not fetched to its end. */
  private Path temporary() throws IOException {
    Path blobs = folder().resolve("blobs");
    makeFolder(blobs);
    return blobs.resolve("attune-" + UUID.randomUUID() + INCOMPLETE);
  }

  /** Not for this user alone: a cache may be a group's, and the user's umask says so. */
  void makeFolder(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      files.createFolder(folder);
    }
  }
}
