package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What is fetched once, and what the cache is then. */
class HubCacheTest extends HubTrial {
  @Test
  @DisabledOnOs(OS.WINDOWS)
  void theCacheHasHuggingFacesLayout() throws Exception {
    String commit = server.model(NAME).commit("main", files());
    Path folder = model(NAME);
    assertEquals(repository().resolve("snapshots").resolve(commit), folder);
    assertWhole(folder, files());
    assertEquals(commit, Files.readString(repository().resolve("refs/main")));
    for (String name : WANTED) {
      Path link = Files.readSymbolicLink(folder.resolve(name));
      assertFalse(link.isAbsolute());
      assertEquals(
          repository().resolve("blobs").resolve(FakeHub.etag(files().get(name))),
          folder.resolve(name).getParent().resolve(link).normalize());
    }
    assertEquals(
        Path.of("../../../blobs", FakeHub.etag(files().get("1_Pooling/config.json"))),
        Files.readSymbolicLink(folder.resolve("1_Pooling/config.json")),
        "three steps up from a folder of the snapshot's");
    assertTrue(Files.readString(home.resolve("hub/CACHEDIR.TAG")).startsWith("Signature: 8a47"));
    RepositoryFiles listing =
        RepositoryFiles.ofJson(
                Files.readAllBytes(repository().resolve("trees/" + commit + ".json")))
            .orElseThrow();
    assertEquals(files().keySet(), Set.copyOf(listing.names()));
    assertTrue(reports.get(0).contains("Fetching the model " + NAME), reports::toString);
  }

  @Test
  void asecondUseAsksOnceAndAPinnedOneAsksNothing() throws Exception {
    String commit = server.model(NAME).commit("main", files());
    Path folder = model(NAME);
    server.requests.clear();
    reports.clear();
    assertEquals(folder, model(NAME));
    assertEquals(1, server.requests.size(), server.requests::toString);
    assertEquals(List.of(), reports);
    server.requests.clear();
    assertEquals(folder, model(NAME + "@" + commit));
    assertEquals(List.of(), server.requests);
  }

  @Test
  void aNewCommitIsFetchedAndSharesWhatIsEqual() throws Exception {
    server.model(NAME).commit("main", files());
    Path before = model(NAME);
    Map<String, byte[]> files = files();
    files.put("config.json", "{\"model_type\":\"bert\",\"more\":1}".getBytes(UTF_8));
    String commit = server.model(NAME).commit("main", files);
    server.requests.clear();
    Path after = model(NAME);
    assertFalse(before.equals(after));
    assertWhole(after, files);
    assertWhole(before, files());
    assertEquals(commit, Files.readString(repository().resolve("refs/main")));
    assertEquals(List.of(), server.requests("safetensors"));
    assertEquals(
        server.requests("config.json").size(), server.requests("/resolve/").size(), "one file");
  }

  @Test
  void branchesAndTagsAreRevisionsWithSlashesToo() throws Exception {
    server.model(NAME).commit("main", files());
    Map<String, byte[]> files = files();
    files.put("vocab.txt", "other\n".getBytes(UTF_8));
    String commit = server.model(NAME).commit("refs/pr/7", files);
    assertWhole(model(NAME + "@refs/pr/7"), files);
    assertEquals(commit, Files.readString(repository().resolve("refs/refs/pr/7")));
    assertFalse(Files.exists(repository().resolve("refs/main")));
  }

  @Test
  void whatWasFetchedNeedsNoNetwork() throws Exception {
    server.model(NAME).commit("main", files());
    Path folder = model(NAME);
    environment.put("HF_HUB_OFFLINE", "1");
    server.requests.clear();
    reports.clear();
    assertEquals(folder, model(NAME));
    assertEquals(List.of(), server.requests);
    assertEquals(List.of(), reports);
    environment.remove("HF_HUB_OFFLINE");
    server.close();
    assertEquals(folder, model(NAME));
    assertTrue(reports.get(0).contains("was not asked whether " + NAME), reports::toString);
    assertEquals(List.of(), pauses, "no patience where the cache will do");
  }

  @Test
  void withoutNetworkAndCacheTheMessageSaysWhatHelps() {
    server.close();
    String message = refusal(NAME);
    for (String part :
        List.of(
            "no connection to 127.0.0.1",
            "it is not in the cache " + home.resolve("hub"),
            "A folder on this machine",
            "HF_HUB_OFFLINE=1",
            "HTTPS_PROXY")) {
      assertTrue(message.contains(part), message);
    }
    environment.put("TRANSFORMERS_OFFLINE", "true");
    assertTrue(refusal(NAME).contains("switched off by HF_HUB_OFFLINE"));
  }

  @Test
  void aCacheThatLacksFilesIsNoModelOffline() throws Exception {
    String commit = server.model(NAME).commit("main", files());
    Path folder = model(NAME);
    Files.delete(folder.resolve("model.safetensors"));
    environment.put("HF_HUB_OFFLINE", "1");
    String message = refusal(NAME);
    assertTrue(message.contains("commit " + commit.substring(0, 12)), message);
    assertTrue(message.contains("lacks model.safetensors"), message);
    environment.remove("HF_HUB_OFFLINE");
    assertWhole(model(NAME), files());
  }

  @Test
  void whatPythonFetchedWithoutAListIsUsed() throws Exception {
    String commit = server.model(NAME).commit("main", files());
    model(NAME);
    Files.delete(repository().resolve("trees/" + commit + ".json"));
    environment.put("HF_HUB_OFFLINE", "1");
    assertWhole(model(NAME), files());
    Files.delete(repository().resolve("snapshots").resolve(commit).resolve("tokenizer.json"));
    Files.delete(repository().resolve("snapshots").resolve(commit).resolve("vocab.txt"));
    assertTrue(refusal(NAME).contains("lacks the tokenizer's files"));
  }

  @Test
  void anOlderWholeCommitIsNamedWhereTheNewOneIsNot() throws Exception {
    String old = server.model(NAME).commit("main", files());
    model(NAME);
    Map<String, byte[]> files = files();
    files.put("vocab.txt", "other\n".getBytes(UTF_8));
    Files.writeString(repository().resolve("refs/main"), server.model(NAME).commit("main", files));
    environment.put("HF_HUB_OFFLINE", "1");
    String message = refusal(NAME);
    assertTrue(message.contains("whole in the cache is " + NAME + "@" + old), message);
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void withoutLinksFilesAreMovedAndCopied() throws Exception {
    environment.put("HF_HUB_DISABLE_SYMLINKS", "1");
    server.model(NAME).commit("main", files());
    Path folder = model(NAME);
    assertWhole(folder, files());
    for (String name : WANTED) {
      assertFalse(Files.isSymbolicLink(folder.resolve(name)));
    }
    server.requests.clear();
    model(NAME);
    assertEquals(1, server.requests.size());
  }
}
