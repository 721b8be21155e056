package dev.attune.server.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.server.data.DataFolder;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names of models that last, and what others need of them. */
class ModelCatalogTest {
  private static final String TENANT = "a";

  @TempDir Path scratch;
  private DataFolder data;
  private ModelCatalog models;

  @BeforeEach
  void open() {
    data = DataFolder.open(scratch.resolve("data"));
    Map<String, Path> bases = Map.of("reviews", scratch.resolve("reviews"));
    models = new ModelCatalog(data.journal(), bases, data.models());
  }

  @AfterEach
  void close() {
    data.close();
  }

  private ModelLine line() {
    return models.line(TENANT, "reviews");
  }

  /** Makes a version, which is live. */
  private ModelVersion version() {
    int number =
        data.journal()
            .change(
                session -> {
                  models.versions().begin(session, line());
                  int live = models.versions().live(line()).map(ModelVersion::number).orElse(1);
                  return models.versions().add(session, line(), live, 0, null);
                });
    ModelVersion made = models.versions().find(line(), number).orElseThrow();
    data.journal()
        .change(
            session -> {
              models.versions().become(session, made, ModelVersion.State.READY, null, null);
              models.versions().makeLive(session, made, 0);
              return null;
            });
    return made;
  }

  private ServedModel tuned(String name, String base, boolean isAdapter) throws IOException {
    Path folder = Files.createDirectories(data.models().resolve("folder-" + name.hashCode()));
    if (isAdapter) {
      Files.writeString(folder.resolve("adapter_config.json"), "{}");
    }
    ServedModel model = new ServedModel(name, TENANT, Instant.now(), base, folder, null);
    data.journal()
        .change(
            session -> {
              models.add(session, model);
              return null;
            });
    return model;
  }

  @Test
  void aPinnedNameIsTheSameModelWhateverBecomesLive() {
    assertEquals("reviews", models.pin(TENANT, "reviews"));
    ModelVersion second = version();
    assertEquals("reviews@v2", models.pin(TENANT, "reviews"));
    assertEquals("reviews@v2", models.pin(TENANT, "reviews@v2"));
    ModelVersion third = version();
    assertEquals(second.folder(), models.findPinned(TENANT, "reviews@v2").folder());
    assertEquals(scratch.resolve("reviews"), models.findPinned(TENANT, "reviews").folder());
    assertEquals(third.folder(), models.find(TENANT, "reviews").folder());
    assertThrows(ApiException.class, () -> models.pin(TENANT, "reviews@v9"));
    assertThrows(ApiException.class, () -> models.findPinned("b", "reviews@v2"));
  }

  /** A whole model, or a version, that an adapter was trained on is opened with it. */
  @Test
  void whatAnAdapterIsOpenedWithStays() throws Exception {
    ModelVersion second = version();
    version();
    ServedModel ofVersion = models.findPinned(TENANT, "reviews@v2");
    ServedModel whole = tuned("ft:reviews:a::00000001", "reviews", false);
    Path folder = Files.createDirectories(scratch.resolve("adapter"));
    Files.writeString(folder.resolve("adapter_config.json"), "{}");
    assertEquals("reviews@v2", ofVersion.baseOf(folder));
    assertEquals("ft:reviews:a:mine:1", ofVersion.tunedName("a", "mine", "1"));
    assertEquals("reviews", ofVersion.baseOf(scratch));
    assertEquals(whole.id(), whole.baseOf(folder));
    assertEquals("reviews", whole.baseOf(scratch));
    ServedModel one = tuned("ft:reviews:a::00000002", ofVersion.baseOf(folder), true);
    ServedModel two = tuned("ft:reviews:a::00000003", whole.baseOf(folder), true);
    assertEquals("ft:reviews:a::1", two.tunedName("a", "", "1"));
    assertEquals(whole.id(), two.baseOf(folder));
    assertEquals(second.folder(), models.baseOf(one));
    assertEquals(whole.folder(), models.baseOf(two));
    assertNull(models.baseOf(whole));
    assertNull(models.baseOf(tuned("ft:reviews:a::00000004", "reviews@v9", true)));
    assertTrue(models.held(TENANT, "reviews@v2").isPresent());
    assertFalse(models.held(TENANT, "reviews@v3").isPresent());
    ApiException refusal =
        assertThrows(ApiException.class, () -> models.remove(TENANT, whole.id()));
    assertEquals(409, refusal.status());
    assertTrue(refusal.getMessage().contains(two.id()), refusal.getMessage());
    models.remove(TENANT, two.id());
    models.remove(TENANT, whole.id());
  }
}
