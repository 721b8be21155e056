package dev.attune.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.hub.PruneResult.Reason;
import dev.attune.hub.PruneResult.Spared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A cache of two repositories, one with a commit that its branch has left. */
@DisabledOnOs(OS.WINDOWS)
class CachePruneTest {
  private static final String OLD = "a".repeat(40);
  private static final String NEW = "b".repeat(40);

  @TempDir Path cache;
  private final List<String> reports = new ArrayList<>();

  @BeforeEach
  void fill() throws IOException {
    Path repository = cache.resolve("models--some-org--name");
    blob(repository, "shared", 1000, OLD, "config.json");
    blob(repository, "shared", 1000, NEW, "config.json");
    blob(repository, "first", 5000, OLD, "model.safetensors");
    blob(repository, "second", 6000, NEW, "sub/model.safetensors");
    write(repository.resolve("blobs/third.1234abcd.incomplete"), 300);
    write(repository.resolve("trees/" + OLD + ".json"), 10);
    write(repository.resolve("trees/" + NEW + ".json"), 10);
    Files.createDirectories(repository.resolve("refs/pr"));
    Files.writeString(repository.resolve("refs/main"), NEW);
    Files.writeString(repository.resolve("refs/pr/1"), NEW + "\n");
    Path data = cache.resolve("datasets--rows");
    blob(data, "only", 50, OLD, "train.csv");
    Files.createDirectories(data.resolve("refs"));
    Files.writeString(data.resolve("refs/main"), OLD);
    Files.createDirectories(cache.resolve(".locks"));
    Files.writeString(cache.resolve("version.txt"), "1");
    FakeHub.age(cache);
  }

  private static void write(Path file, int size) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, new byte[size]);
  }

  private static void blob(Path repository, String etag, int size, String commit, String name)
      throws IOException {
    write(repository.resolve("blobs").resolve(etag), size);
    Path link = repository.resolve("snapshots").resolve(commit).resolve(name);
    Files.createDirectories(link.getParent());
    Files.createSymbolicLink(
        link, link.getParent().relativize(repository.resolve("blobs").resolve(etag)));
  }

  private PruneResult prune(boolean dryRun, String... ids) {
    return CachePrune.run(cache, List.of(ids), dryRun, reports::add);
  }

  @Test
  void theScanCountsWhatIsSharedOnce() {
    List<CachedRepository> all = CacheScan.of(cache);
    assertEquals(List.of("some-org/name", "rows"), all.stream().map(r -> r.id()).toList());
    CachedRepository model = all.get(0);
    assertEquals("model", model.kind());
    assertEquals(12_300, model.sizeBytes());
    assertEquals(300, model.incompleteBytes());
    assertEquals(
        List.of(
            new CachedRepository.Revision(OLD, List.of(), 2, 6000),
            new CachedRepository.Revision(NEW, List.of("main", "pr/1"), 2, 7000)),
        model.revisions());
    assertEquals("dataset", all.get(1).kind());
    assertEquals(List.of(), CacheScan.of(cache.resolve("none")));
  }

  @Test
  void whatNoBranchLeadsToIsRemoved() {
    PruneResult told = prune(true);
    assertEquals(3, CacheScan.of(cache).stream().mapToInt(r -> r.revisions().size()).sum());
    PruneResult removed = prune(false);
    assertEquals(told, removed);
    assertEquals(List.of("some-org/name@" + OLD), removed.revisions());
    assertEquals(5000 + 300 + 10, removed.bytes());
    Path repository = cache.resolve("models--some-org--name");
    assertFalse(Files.exists(repository.resolve("snapshots/" + OLD)));
    assertTrue(Files.exists(repository.resolve("snapshots/" + NEW + "/config.json")));
    assertTrue(Files.exists(repository.resolve("snapshots/" + NEW + "/sub/model.safetensors")));
    assertTrue(Files.exists(cache.resolve("datasets--rows/snapshots/" + OLD + "/train.csv")));
    assertEquals(new PruneResult(List.of(), 0, 0, List.of()), prune(false));
    assertEquals(List.of(), reports);
  }

  /** Cut off by a crash, say: which commit it led to cannot be known. */
  @Test
  void aBranchThatCannotBeReadKeepsAll() throws Exception {
    Path repository = cache.resolve("models--some-org--name");
    Files.writeString(repository.resolve("refs/main"), "../../x");
    assertEquals(
        new PruneResult(
            List.of(), 0, 0, List.of(new Spared("some-org/name", Reason.BROKEN_BRANCH, 12_300))),
        prune(false, "some-org/name"));
    assertTrue(Files.exists(repository.resolve("snapshots/" + OLD)));
    assertTrue(reports.get(0).contains("names no commit"), reports::toString);
  }

  @Test
  void whatPythonHasInWorkIsSpared() throws Exception {
    Path repository = cache.resolve("models--some-org--name");
    Path blobs = repository.resolve("blobs");
    write(blobs.resolve("fourth.5678abcd.incomplete"), 2000); // grows
    write(blobs.resolve("fourth"), 3000); // whole, its link is not made yet
    for (boolean dryRun : new boolean[] {true, false}) {
      reports.clear();
      PruneResult result = prune(dryRun);
      assertEquals(5000 + 300 + 10, result.bytes());
      Reason recent = Reason.CHANGED_WITHIN_AN_HOUR;
      assertEquals(
          List.of(
              new Spared("some-org/name/blobs/fourth", recent, 3000),
              new Spared("some-org/name/blobs/fourth.5678abcd.incomplete", recent, 2000)),
          result.spared());
      assertEquals(1, reports.size(), reports::toString);
      assertTrue(
          reports.get(0).contains("2 files (5 KiB)") && reports.get(0).contains("last hour"),
          reports::toString);
    }
    assertTrue(Files.exists(blobs.resolve("fourth.5678abcd.incomplete")));
    assertTrue(Files.exists(blobs.resolve("fourth")));
    FakeHub.age(cache);
    assertEquals(new PruneResult(List.of(), 2, 5000, List.of()), prune(false));
  }

  /**
   * Fetched by its commit: no branch leads there, and a link, or a folder alone, is all there is.
   */
  @Test
  void aCommitThatPythonIsFetchingIsSpared() throws Exception {
    Path repository = cache.resolve("models--some-org--name");
    Path link = repository.resolve("snapshots").resolve(OLD).resolve("model.safetensors");
    Path target = Files.readSymbolicLink(link);
    Files.delete(link);
    FakeHub.age(cache);
    Files.createSymbolicLink(link, target);
    Files.createDirectories(repository.resolve("snapshots/" + "c".repeat(40)));
    PruneResult result = prune(false);
    assertEquals(List.of(1, 300L), List.of(result.files(), result.bytes()));
    assertEquals(
        List.of("some-org/name@" + OLD, "some-org/name@" + "c".repeat(40)),
        result.spared().stream().map(Spared::name).toList());
    assertTrue(Files.exists(link), "with its content");
    assertTrue(Files.exists(repository.resolve("trees/" + OLD + ".json")));
    assertTrue(Files.exists(repository.resolve("snapshots/" + "c".repeat(40))));
    assertTrue(reports.get(0).contains("2 commits"), reports::toString);
    FakeHub.age(cache);
    assertEquals(2, prune(false).revisions().size());
  }

  @Test
  void aRepositoryThatIsNewIsNotRemoved() throws Exception {
    Path growing = cache.resolve("models--other/blobs/first.12.incomplete");
    write(growing, 100);
    prune(false);
    assertTrue(Files.exists(growing));
    FakeHub.age(cache);
    prune(false);
    assertFalse(Files.exists(cache.resolve("models--other")));
  }

  @Test
  void othersThanThoseNamedAreLeft() {
    assertEquals(List.of(), prune(false, "rows").revisions());
    String message =
        assertThrows(InputException.class, () -> prune(false, "some-org/other")).getMessage();
    assertTrue(
        message.contains("has no repository some-org/other; it has some-org/name, rows"), message);
    assertEquals(1, prune(false, "some-org/name").revisions().size());
  }

  @Test
  void aRepositoryOfWhichNothingIsLeftGoes() throws Exception {
    Path data = cache.resolve("datasets--rows");
    Files.delete(data.resolve("refs/main"));
    prune(false);
    assertFalse(Files.exists(data));
  }
}
