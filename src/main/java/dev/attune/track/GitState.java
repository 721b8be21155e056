package dev.attune.track;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The commit and branch that a folder is at, read from its repository's files. */
public final class GitState {
  private static final String REF = "ref: ";
  private static final String HEADS = "refs/heads/";

  private GitState() {}

  /**
   * Of the repository that a folder lies in: {@code commit} and, unless it is detached, {@code
   * branch}; empty where there is none or its commit cannot be told. Whether files were changed
   * since is not looked at: that would take reading them all.
   */
  public static Optional<ObjectNode> of(Path folder) {
    for (Path at = folder.toAbsolutePath().normalize(); at != null; at = at.getParent()) {
      Path git = at.resolve(".git");
      if (Files.exists(git)) {
        try {
          return read(git);
        } catch (IOException | RuntimeException e) {
          return Optional.empty(); // a repository of a kind that is not known
        }
      }
    }
    return Optional.empty();
  }

  private static Optional<ObjectNode> read(Path git) throws IOException {
    Path own = git;
    if (Files.isRegularFile(git)) { // of a worktree or a submodule
      String line = Files.readString(git).strip();
      own = git.getParent().resolve(line.substring("gitdir: ".length())).normalize();
    }
    Path common = own;
    Path shared = own.resolve("commondir");
    if (Files.exists(shared)) {
      common = own.resolve(Files.readString(shared).strip()).normalize();
    }
    String head = Files.readString(own.resolve("HEAD")).strip();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    if (!head.startsWith(REF)) {
      return Optional.of(json.put("commit", head));
    }
    String ref = head.substring(REF.length());
    Optional<String> commit = commit(own, common, ref);
    if (commit.isEmpty()) {
      return Optional.empty(); // nothing was committed yet
    }
    json.put("commit", commit.get());
    json.put("branch", ref.startsWith(HEADS) ? ref.substring(HEADS.length()) : ref);
    return Optional.of(json);
  }

  private static Optional<String> commit(Path own, Path common, String ref) throws IOException {
    for (Path folder : new Path[] {own, common}) {
      if (Files.exists(folder.resolve(ref))) {
        return Optional.of(Files.readString(folder.resolve(ref)).strip());
      }
    }
    Path packed = common.resolve("packed-refs");
    if (!Files.exists(packed)) {
      return Optional.empty();
    }
    return Files.readAllLines(packed).stream()
        .filter(line -> line.endsWith(" " + ref))
        .map(line -> line.substring(0, line.indexOf(' ')))
        .findFirst();
  }
}
