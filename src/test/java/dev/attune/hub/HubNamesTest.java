package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Names of models and of files of data. */
class HubNamesTest extends HubTrial {
  @Test
  void aDatasetsFileIsFetchedAlone() throws Exception {
    FakeHub.Repository data = server.dataset("some-org/reviews");
    byte[] content = "text,label\na,b\n".getBytes(UTF_8);
    String commit =
        data.commit("main", Map.of("a b/train.csv", content, "huge.bin", bytes(90_000, 1)));
    HubFile file = HubFile.of("hf://datasets/some-org/reviews/a b/train.csv");
    Path path = fetch(FileOps.SYSTEM).file(file);
    assertEquals(
        home.resolve("hub/datasets--some-org--reviews/snapshots/" + commit + "/a b/train.csv"),
        path);
    assertArrayEquals(content, Files.readAllBytes(path));
    assertEquals(List.of(), server.requests("huge"));
    server.requests.clear();
    assertEquals(
        path,
        fetch(FileOps.SYSTEM)
            .file(HubFile.of("hf://datasets/some-org/reviews@" + commit + "/a b/train.csv")));
    assertEquals(List.of(), server.requests);
    environment.put("HF_HUB_OFFLINE", "1");
    assertEquals(path, fetch(FileOps.SYSTEM).file(file));
    environment.remove("HF_HUB_OFFLINE");
    String gone =
        assertThrows(
                InputException.class,
                () ->
                    fetch(FileOps.SYSTEM)
                        .file(HubFile.of("hf://datasets/some-org/reviews/none.csv")))
            .getMessage();
    assertTrue(gone.contains("the dataset some-org/reviews has no file 'none.csv'"), gone);
    assertTrue(
        Files.exists(
            home.resolve("hub/datasets--some-org--reviews/.no_exist/" + commit + "/none.csv")));
  }

  @Test
  void namesOfDataHaveOneForm() {
    HubFile file = HubFile.of("hf://datasets/a/b@refs/convert/parquet/c/d.csv");
    assertEquals("refs/convert/parquet", file.repository().revision());
    assertEquals("c/d.csv", file.path());
    assertEquals("x/y", HubFile.of("hf://datasets/a/b@x%2Fy/d").repository().revision());
    for (String wrong :
        List.of(
            "hf://a/b/c.csv",
            "hf://datasets/b/c.csv",
            "hf://datasets/a/b",
            "hf://datasets/a/b/../c",
            "hf://datasets/a--b/c/d.csv",
            "hf://models/a/b/c")) {
      String message =
          assertThrows(InputException.class, () -> HubFile.of(wrong), wrong).getMessage();
      assertTrue(message.contains("hf://datasets/ORG/NAME/path/file.csv"), message);
    }
  }

  @Test
  void namesOfModelsAreThoseOfTheHub() {
    for (String name : List.of("gpt2", "a/b", "Org-1/x_y.z", "a/b@v1.0", "a/b@refs/pr/1")) {
      assertTrue(HubName.ofModel(name).isPresent(), name);
    }
    for (String path :
        List.of(
            "",
            "/a/b",
            "./a",
            "../a",
            "a/b/c",
            "a/",
            "a--b",
            "a..b",
            "a/b.git",
            "-a/b",
            "a\\b",
            "a b",
            "a/b@",
            "a/b@../x",
            "a/b@x y",
            "out_reviews",
            "x".repeat(97))) {
      assertTrue(HubName.ofModel(path).isEmpty(), path);
    }
  }
}
