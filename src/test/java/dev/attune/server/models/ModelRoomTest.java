package dev.attune.server.models;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.server.access.Limits;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a tenant's models may take. */
class ModelRoomTest {
  private static final String TENANT = "a";
  private static final Limits FEW =
      new Limits(
          Limits.NONE.fileBytes(),
          Limits.NONE.jobs(),
          Limits.NONE.requestsPerMinute(),
          Limits.NONE.sessions(),
          Limits.NONE.models(),
          100);

  @TempDir Path scratch;

  @Test
  void aQuotaCountsWhatIsThereAndNotWhatGoes() throws Exception {
    try (DataFolder data = DataFolder.open(scratch.resolve("data"))) {
      ModelCatalog models = new ModelCatalog(data.journal(), Map.of(), data.models());
      ModelRoom room = new ModelRoom(models, data.models(), tenant -> FEW);
      Path one = Files.createDirectories(scratch.resolve("one/inner"));
      Path two = Files.createDirectories(scratch.resolve("two"));
      Files.write(one.resolve("weights"), new byte[60]);
      Files.write(two.resolve("weights"), new byte[20]);
      room.include(tenant -> List.of(one.getParent(), two, scratch.resolve("gone")));
      assertDoesNotThrow(() -> room.checkQuota(TENANT, 20, List.of()));
      ApiException refusal =
          assertThrows(ApiException.class, () -> room.checkQuota(TENANT, 21, List.of()));
      assertEquals(429, refusal.status());
      assertDoesNotThrow(() -> room.checkQuota(TENANT, 40, List.of(two)));
      assertThrows(ApiException.class, () -> room.checkQuota(TENANT, 41, List.of(two)));
      assertDoesNotThrow(() -> room.checkBeside(TENANT, 40, List.of(two)));
      Files.write(two.resolve("more"), new byte[50]); // too much by now
      assertDoesNotThrow(() -> room.checkQuota(TENANT, 70, List.of(two)));
      assertThrows(ApiException.class, () -> room.checkQuota(TENANT, 71, List.of(two)));
      assertThrows(ApiException.class, () -> room.checkBeside(TENANT, 70, List.of(two)));
      assertThrows(ApiException.class, () -> room.checkDisk(Long.MAX_VALUE));
      assertDoesNotThrow(() -> room.checkDisk(1));
    }
  }

  private Path folder(String name, int bytes) throws Exception {
    Path made = Files.createDirectories(scratch.resolve(name));
    Files.write(made.resolve("weights"), new byte[bytes]);
    return made;
  }

  /** Within a change, for which others wait, no folder is read whose bytes are known. */
  @Test
  void whatWasMadeIsMeasuredBeforeTheChangeThatTellsOfIt() throws Exception {
    try (DataFolder data = DataFolder.open(scratch.resolve("data"))) {
      ModelCatalog models = new ModelCatalog(data.journal(), Map.of(), data.models());
      ModelRoom room = new ModelRoom(models, data.models(), tenant -> FEW);
      Path old = folder("old", 60);
      List<Path> counted = new CopyOnWriteArrayList<>(List.of(old));
      room.include(tenant -> counted);
      ModelRoom.Made first = room.measure(TENANT, folder("first", 30));
      ModelRoom.Made second = room.measure(TENANT, folder("second", 30));
      assertEquals(30, first.bytes());
      Files.delete(old.resolve("weights"));
      Files.write(second.folder().resolve("weights"), new byte[999]);
      assertDoesNotThrow(() -> room.checkMade(first, List.of()));
      counted.add(first.folder()); // was not there when all were measured last
      assertThrows(ApiException.class, () -> room.checkMade(second, List.of()));
      assertDoesNotThrow(() -> room.checkMade(second, List.of(first.folder())));
      counted.add(second.folder());
      assertEquals(999, room.measure(TENANT, second.folder()).bytes());
    }
  }

  /** A checkpoint whose step is trained again after a kill has the room that it had. */
  @Test
  void whatIsWrittenOverTakesNoMoreThanItDid() throws Exception {
    try (DataFolder data = DataFolder.open(scratch.resolve("data"))) {
      ModelCatalog models = new ModelCatalog(data.journal(), Map.of(), data.models());
      ModelRoom room = new ModelRoom(models, data.models(), tenant -> FEW);
      Path again = folder("again", 50);
      room.include(tenant -> List.of(again, scratch.resolve("other")));
      folder("other", 90);
      ModelRoom.Made made = room.measure(TENANT, again);
      assertDoesNotThrow(() -> room.checkMade(made, List.of(again)));
      assertThrows(ApiException.class, () -> room.checkMade(made, List.of()));
    }
  }
}
