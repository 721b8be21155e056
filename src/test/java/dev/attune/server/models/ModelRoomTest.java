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
      assertThrows(ApiException.class, () -> room.checkDisk(Long.MAX_VALUE));
      assertDoesNotThrow(() -> room.checkDisk(1));
    }
  }
}
