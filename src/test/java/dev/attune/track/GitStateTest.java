package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commit of a folder, as the files of its repository have it. */
class GitStateTest {
  private static final String COMMIT = "1234567890123456789012345678901234567890";

  @TempDir private Path folder;

  private void write(String file, String text) throws IOException {
    Path path = folder.resolve(file);
    Files.createDirectories(path.getParent());
    Files.writeString(path, text);
  }

  private static String state(Path of) {
    return GitState.of(of).map(ObjectNode::toString).orElse("none");
  }

  @Test
  void aBranchIsReadFromItsFile() throws IOException {
    write(".git/HEAD", "ref: refs/heads/topic/one\n");
    write(".git/refs/heads/topic/one", COMMIT + "\n");
    write("a/b/file", "");
    assertEquals(
        "{\"commit\":\"" + COMMIT + "\",\"branch\":\"topic/one\"}", state(folder.resolve("a/b")));
  }

  @Test
  void aBranchIsReadFromThePackedOnes() throws IOException {
    write(".git/HEAD", "ref: refs/heads/main\n");
    write(".git/packed-refs", "# pack-refs\n" + COMMIT + " refs/heads/main\n");
    assertEquals("{\"commit\":\"" + COMMIT + "\",\"branch\":\"main\"}", state(folder));
  }

  @Test
  void aCommitThatIsNoBranchHasNone() throws IOException {
    write(".git/HEAD", COMMIT + "\n");
    assertEquals("{\"commit\":\"" + COMMIT + "\"}", state(folder));
  }

  @Test
  void aWorktreeHasItsOwnHeadAndSharedBranches() throws IOException {
    write("main/.git/worktrees/w/HEAD", "ref: refs/heads/w\n");
    write("main/.git/worktrees/w/commondir", "../..\n");
    write("main/.git/refs/heads/w", COMMIT);
    write("w/.git", "gitdir: " + folder.resolve("main/.git/worktrees/w") + "\n");
    assertEquals("{\"commit\":\"" + COMMIT + "\",\"branch\":\"w\"}", state(folder.resolve("w")));
  }

  @Test
  void whatIsNoRepositoryHasNone() throws IOException {
    write(".git/HEAD", "ref: refs/heads/main\n");
    assertEquals(Optional.empty(), GitState.of(folder), "nothing was committed");
  }
}
