package dev.attune.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Looks through the hub's cache, whoever filled it. */
final class CacheScan {
  private static final Pattern FOLDER = Pattern.compile("(model|dataset|space|kernel)s--(.+)");

  private CacheScan() {}

  /** Every repository, the largest first. */
  static List<CachedRepository> of(Path cache) {
    List<CachedRepository> out = new ArrayList<>();
    try {
      for (Path folder : list(cache)) {
        Matcher form = FOLDER.matcher(folder.getFileName().toString());
        if (form.matches() && Files.isDirectory(folder)) {
          out.add(repository(folder, form.group(1), form.group(2).replace(HubName.SLASH, "/")));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("the cache " + cache + " cannot be read: " + e, e);
    }
    out.sort(Comparator.comparingLong(CachedRepository::sizeBytes).reversed());
    return out;
  }

  /** The model, {@code ORG/NAME}, of whose repository a path is a snapshot; empty: of none. */
  static Optional<String> modelOf(Path path) {
    Path snapshots = path.toAbsolutePath().normalize().getParent();
    Path folder = snapshots == null ? null : snapshots.getParent();
    if (folder == null || folder.getFileName() == null || !snapshots.endsWith("snapshots")) {
      return Optional.empty();
    }
    Matcher form = FOLDER.matcher(folder.getFileName().toString());
    return form.matches() && form.group(1).equals("model")
        ? Optional.of(form.group(2).replace(HubName.SLASH, "/"))
        : Optional.empty();
  }

  private static CachedRepository repository(Path folder, String kind, String id)
      throws IOException {
    long size = 0;
    long incomplete = 0;
    Instant used = Instant.EPOCH;
    for (Path blob : list(folder.resolve("blobs"))) {
      BasicFileAttributes attributes = attributes(blob);
      if (attributes != null && attributes.isRegularFile()) {
        size += attributes.size();
        used = later(used, attributes);
        if (blob.getFileName().toString().endsWith(HubCache.INCOMPLETE)) {
          incomplete += attributes.size();
        }
      }
    }
    Map<String, List<String>> names = names(folder.resolve("refs"));
    List<CachedRepository.Revision> revisions = new ArrayList<>();
    for (Path snapshot : list(folder.resolve("snapshots"))) {
      String commit = snapshot.getFileName().toString();
      int files = 0;
      long bytes = 0;
      for (Path file : files(snapshot)) {
        BasicFileAttributes attributes = attributes(file);
        if (attributes != null && attributes.isRegularFile()) {
          files++;
          bytes += attributes.size();
          if (!Files.isSymbolicLink(file)) {
            size += attributes.size(); // a copy: links could not be made
            used = later(used, attributes);
          }
        }
      }
      revisions.add(
          new CachedRepository.Revision(
              commit, List.copyOf(names.getOrDefault(commit, List.of())), files, bytes));
    }
    return new CachedRepository(kind, id, folder, size, incomplete, used, List.copyOf(revisions));
  }

  private static Instant later(Instant known, BasicFileAttributes attributes) {
    Instant read = attributes.lastAccessTime().toInstant();
    return read.isAfter(known) ? read : known;
  }

  /** Null where the file has gone meanwhile, or its link leads nowhere. */
  private static BasicFileAttributes attributes(Path file) throws IOException {
    try {
      return Files.readAttributes(file, BasicFileAttributes.class);
    } catch (NoSuchFileException e) {
      return null;
    }
  }

  /** From a commit to the branches and tags that were it. */
  static Map<String, List<String>> names(Path refs) throws IOException {
    Map<String, List<String>> names = new HashMap<>();
    for (Path ref : files(refs)) {
      if (!ref.getFileName().toString().endsWith(".tmp")) {
        String name = refs.relativize(ref).toString().replace('\\', '/');
        names.computeIfAbsent(Files.readString(ref).strip(), commit -> new ArrayList<>()).add(name);
      }
    }
    names.values().forEach(all -> all.sort(null));
    return names;
  }

  /** What is in a folder; nothing where there is none. */
  static List<Path> list(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.sorted().toList();
    }
  }

  /** All files below a folder, links among them. */
  static List<Path> files(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.walk(folder)) {
      return entries
          .filter(f -> !Files.isDirectory(f, LinkOption.NOFOLLOW_LINKS))
          .sorted()
          .toList();
    }
  }
}
