package dev.attune.hub;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Names of files that others chose: what a server says never leads out of a folder of ours. */
final class RepositoryPath {
  private static final int MOST_CHARACTERS = 1024;

  private RepositoryPath() {}

  /**
   * Whether a name is a relative path downwards, under the rules of every system: a cache that is
   * filled on one may be read on another.
   */
  static boolean isSafe(String name) {
    if (name.isEmpty() || name.length() > MOST_CHARACTERS) {
      return false;
    }
    for (String part : name.split("/", -1)) {
      boolean onlyDots = part.chars().allMatch(c -> c == '.');
      boolean strange = part.chars().anyMatch(c -> c < ' ' || c == '\\' || c == ':' || c == 127);
      if (part.isEmpty() || onlyDots || strange) {
        return false;
      }
    }
    return true;
  }

  /**
   * The file of that name below a folder.
   *
   * @throws HubFailure if the name leads anywhere else
   */
  static Path below(Path folder, String name) throws HubFailure {
    if (!isSafe(name)) {
      throw unsafe(name);
    }
    try {
      Path file = folder.resolve(name).normalize();
      if (!file.startsWith(folder.normalize()) || file.equals(folder.normalize())) {
        throw unsafe(name);
      }
      return file;
    } catch (InvalidPathException e) {
      throw unsafe(name);
    }
  }

  private static HubFailure unsafe(String name) {
    return new HubFailure(
        HubFailure.Kind.BROKEN,
        "the hub names a file '"
            + name.replaceAll("[\\p{Cntrl}]", "?")
            + "', which leads out of the repository's folder; nothing was written");
  }
}
