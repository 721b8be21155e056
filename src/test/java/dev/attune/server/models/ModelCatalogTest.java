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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
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

  private boolean isHeld(String id) {
    return data.journal().read(session -> models.held(session, TENANT, id)).isPresent();
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
    assertTrue(isHeld("reviews@v2"));
    assertFalse(isHeld("reviews@v3"));
    ApiException refusal =
        assertThrows(ApiException.class, () -> models.remove(TENANT, whole.id()));
    assertEquals(409, refusal.status());
    assertTrue(refusal.getMessage().contains(two.id()), refusal.getMessage());
    models.remove(TENANT, two.id());
    models.remove(TENANT, whole.id());
  }

  /** Whoever comes to need a model while it is taken out is refused, or is asked first. */
  @Test
  void nobodyComesToNeedAModelWhileItIsTakenOut() throws Exception {
    ServedModel model = tuned("ft:reviews:a::00000005", "reviews", true);
    data.journal().change(session -> session.update("CREATE TABLE needs(id TEXT)"));
    CompletableFuture<Boolean> other = new CompletableFuture<>();
    models.heldBy(
        (session, tenant, id) -> {
          if (other.isDone() || id.contains("@")) {
            return Optional.empty();
          }
          new Thread(() -> other.complete(isNoted(model.id()))).start();
          try {
            other.get(500, TimeUnit.MILLISECONDS); // it waits for this change to be made
          } catch (Exception e) {
            // it does
          }
          return Optional.empty();
        });
    models.remove(TENANT, model.id());
    assertFalse(other.get(), "it is needed, and was taken out");
  }

  private boolean isNoted(String id) {
    try {
      return data.journal()
          .change(
              session -> {
                models.checkThere(session, TENANT, id);
                return session.update("INSERT INTO needs VALUES(?)", id) > 0;
              });
    } catch (ApiException e) {
      return false;
    }
  }

  @Test
  void whatIsToBeNeededIsThereWithItsFiles() throws Exception {
    ModelVersion second = version();
    ServedModel model = tuned("ft:reviews:a::00000006", "reviews", true);
    for (String id : List.of("reviews", "reviews@v1", "reviews@v2", model.id())) {
      assertTrue(isThere(TENANT, id), id);
    }
    for (String id : List.of("none", "reviews@v3", "none@v1", model.id() + "@v1")) {
      assertFalse(isThere(TENANT, id), id);
    }
    assertFalse(isThere("b", model.id()));
    assertFalse(isThere("b", "reviews@v2"));
    data.journal()
        .change(
            session -> {
              models.versions().become(session, second, ModelVersion.State.REMOVED, null, null);
              return null;
            });
    assertFalse(isThere(TENANT, "reviews@v2"));
    ModelVersion first = models.versions().find(line(), 1).orElseThrow();
    assertFalse(models.switchTo(line(), second, second, session -> 0), "it has no files");
    assertTrue(models.switchTo(line(), second, first, session -> 0));
  }

  private boolean isThere(String tenant, String id) {
    try {
      return data.journal()
          .read(
              session -> {
                models.checkThere(session, tenant, id);
                return true;
              });
    } catch (ApiException e) {
      return false;
    }
  }
}
