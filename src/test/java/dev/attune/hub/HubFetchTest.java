package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Fetching from a hub on this machine, in health and with all that goes wrong on networks. */
class HubFetchTest {
  private static final String NAME = "some-org/tiny.model";

  @TempDir Path home;
  private FakeHub server;
  private final List<String> reports = new ArrayList<>();
  private final List<Long> pauses = new ArrayList<>();
  private final Map<String, String> environment = new HashMap<>();

  @BeforeEach
  void start() throws IOException {
    server = new FakeHub();
    environment.put("HF_HOME", home.toString());
    environment.put("HF_ENDPOINT", server.address());
    environment.put("HF_HUB_DOWNLOAD_TIMEOUT", "2");
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private static byte[] bytes(int size, int seed) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** A repository as they are: the same weights in many forms, and what nobody reads. */
  private static Map<String, byte[]> files() {
    Map<String, byte[]> files = new HashMap<>();
    files.put("config.json", "{\"model_type\":\"bert\"}".getBytes(UTF_8));
    files.put("tokenizer.json", bytes(5000, 1));
    files.put("tokenizer_config.json", "{}".getBytes(UTF_8));
    files.put("vocab.txt", "a\nb\n".getBytes(UTF_8));
    files.put("model.safetensors", bytes(3_000_000, 2));
    files.put("1_Pooling/config.json", "{\"pooling\":1}".getBytes(UTF_8));
    for (String other :
        List.of(
            "pytorch_model.bin",
            "tf_model.h5",
            "flax_model.msgpack",
            "onnx/model.onnx",
            "original/model.safetensors",
            "model.gguf",
            "README.md",
            "rust_model.ot",
            ".gitattributes")) {
      files.put(other, bytes(2000, other.hashCode()));
    }
    return files;
  }

  private static final Set<String> WANTED =
      new TreeSet<>(
          Set.of(
              "1_Pooling/config.json",
              "config.json",
              "model.safetensors",
              "tokenizer.json",
              "tokenizer_config.json",
              "vocab.txt"));

  private HubSettings settings() {
    return HubSettings.of(environment, home.toString());
  }

  private HubFetch fetch(FileOps files) {
    return new HubFetch(settings(), files, pauses::add, reports::add);
  }

  private Path model(String name) {
    return fetch(FileOps.SYSTEM).model(HubName.ofModel(name).orElseThrow(), folder -> {});
  }

  private String refusal(String name) {
    return assertThrows(InputException.class, () -> model(name)).getMessage();
  }

  private String failure(String name) {
    return assertThrows(UncheckedIOException.class, () -> model(name)).getMessage();
  }

  private static Set<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      Set<String> out = new TreeSet<>();
      files
          .filter(Files::isRegularFile)
          .forEach(file -> out.add(folder.relativize(file).toString().replace('\\', '/')));
      return out;
    }
  }

  private Path repository() {
    return home.resolve("hub/models--some-org--tiny.model");
  }

  /** Every file that is wanted, with its bytes; and nothing that is not whole. */
  private void assertWhole(Path folder, Map<String, byte[]> files) throws IOException {
    assertEquals(WANTED, names(folder));
    for (String name : WANTED) {
      assertArrayEquals(files.get(name), Files.readAllBytes(folder.resolve(name)), name);
    }
    assertNoRests();
  }

  private void assertNoRests() throws IOException {
    try (Stream<Path> all = Files.walk(home.resolve("hub"))) {
      assertEquals(
          List.of(),
          all.filter(f -> f.toString().endsWith(".incomplete") || f.toString().endsWith(".tmp"))
              .toList());
    }
  }

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
  void shardsAreThoseOfTheIndex() throws Exception {
    Map<String, byte[]> files = files();
    byte[] whole = files.remove("model.safetensors");
    files.put("model-00001-of-00002.safetensors", whole);
    files.put("model-00002-of-00002.safetensors", bytes(4000, 9));
    files.put("model-00009-of-00009.safetensors", bytes(4000, 10));
    files.put(
        "model.safetensors.index.json",
        ("{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
                + "\"b\":\"model-00002-of-00002.safetensors\"}}")
            .getBytes(UTF_8));
    server.model(NAME).commit("main", files);
    Path folder = model(NAME);
    Set<String> names = names(folder);
    assertTrue(names.contains("model-00002-of-00002.safetensors"), names::toString);
    assertFalse(names.contains("model-00009-of-00009.safetensors"), names::toString);
    assertFalse(names.contains("pytorch_model.bin"), names::toString);
    Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
    environment.put("HF_HUB_OFFLINE", "1");
    assertTrue(refusal(NAME).contains("lacks model-00002-of-00002.safetensors"));
  }

  @Test
  void anAdapterHasNoWeightsOfAModel() throws Exception {
    Map<String, byte[]> files = files();
    files.remove("config.json");
    files.put("adapter_config.json", "{}".getBytes(UTF_8));
    files.put("adapter_model.safetensors", bytes(2000, 3));
    server.model(NAME).commit("main", files);
    Set<String> names = names(model(NAME));
    assertTrue(names.contains("adapter_model.safetensors"), names::toString);
    assertFalse(names.contains("model.safetensors"), names::toString);
  }

  @Test
  void whatIsNoModelIsRefusedBeforeItIsFetched() {
    server.model("some-org/data").commit("main", Map.of("data.csv", bytes(2000, 1)));
    assertTrue(refusal("some-org/data").contains("no config.json; it holds data.csv"));
    server
        .model("some-org/tf")
        .commit("main", Map.of("config.json", new byte[] {'{', '}'}, "tf_model.h5", bytes(9, 1)));
    assertTrue(refusal("some-org/tf").contains("it holds config.json, tf_model.h5"));
    server.requests.clear();
    assertEquals(List.of(), server.requests("/resolve/"));
  }

  @Test
  void aModelThatIsRefusedCostsNoWeights() {
    server.model(NAME).commit("main", files());
    HubName name = HubName.ofModel(NAME).orElseThrow();
    assertThrows(
        InputException.class,
        () ->
            fetch(FileOps.SYSTEM)
                .model(
                    name,
                    folder -> {
                      assertTrue(Files.exists(folder.resolve("config.json")));
                      throw new InputException("not this");
                    }));
    assertEquals(List.of(), server.requests("safetensors"));
  }

  @Test
  void namesThatAreNoneAreToldApart() throws Exception {
    String none = refusal("some-org/no-such");
    assertTrue(none.contains("there is no model some-org/no-such on " + server.address()), none);
    assertTrue(none.contains("or it is private and no token is set"), none);
    assertTrue(none.contains("set HF_TOKEN to it, or put it into " + home.resolve("token")), none);
    server.model(NAME).commit("main", files());
    String revision = refusal(NAME + "@v9");
    assertTrue(revision.contains("has no revision 'v9'"), revision);
    assertTrue(revision.contains("/" + NAME + "/tree/main"), revision);
    assertEquals(List.of(), pauses);
  }

  @Test
  void privateAndGatedModelsNeedTheirToken() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).readers = "hf_right";
    assertTrue(refusal(NAME).contains("or it is private and no token is set"));
    environment.put("HF_TOKEN", "hf_other");
    String other = refusal(NAME);
    assertTrue(other.contains("the token in HF_TOKEN does not see it"), other);
    assertFalse(other.contains("hf_other"), other);
    environment.put("HF_TOKEN", "wrong");
    String wrong = refusal(NAME);
    assertTrue(wrong.contains("the token in HF_TOKEN does not do"), wrong);
    environment.remove("HF_TOKEN");
    server.model(NAME).gated = true;
    String gated = refusal(NAME);
    assertTrue(gated.contains("is gated"), gated);
    assertTrue(gated.contains("Accept the terms on " + server.address() + "/" + NAME), gated);
    Files.writeString(home.resolve("token"), "hf_right\n");
    server.requests.clear();
    assertWhole(model(NAME), files());
    for (FakeHub.Request request : server.requests) {
      boolean ofStore = "signed=yes".equals(request.query());
      assertEquals(ofStore ? null : "Bearer hf_right", request.token(), request::toString);
    }
    assertTrue(server.requests.stream().anyMatch(request -> "signed=yes".equals(request.query())));
  }

  @Test
  void aRenamedModelIsFollowedWithTheToken() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).readers = "hf_right";
    environment.put("HF_TOKEN", "hf_right");
    server.faults.add(
        exchange -> {
          String path = exchange.getRequestURI().toString();
          if (!path.contains("old/name")) {
            return false;
          }
          exchange.getResponseHeaders().set("Location", path.replace("old/name", NAME));
          FakeHub.send(exchange, 307, "moved".getBytes(UTF_8));
          return true;
        });
    Path folder = model("old/name");
    assertTrue(folder.toString().contains("models--old--name"), folder::toString);
    assertEquals(WANTED, names(folder));
  }

  /** Takes the next so many requests whose path has this in it. */
  private void fault(String part, int times, FakeHub.Fault fault) {
    AtomicInteger left = new AtomicInteger(times);
    server.faults.add(
        exchange ->
            exchange.getRequestURI().toString().contains(part)
                && left.getAndDecrement() > 0
                && fault.takes(exchange));
  }

  @Test
  void aBusyHubIsAskedAgainAsItWishes() throws Exception {
    server.model(NAME).commit("main", files());
    fault(
        "/api/",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "7");
          FakeHub.send(exchange, 503, new byte[0]);
          return true;
        });
    fault(
        "vocab.txt",
        2,
        exchange -> {
          exchange.getResponseHeaders().set("RateLimit", "\"resolvers\";r=0;t=11");
          FakeHub.send(exchange, 429, new byte[0]);
          return true;
        });
    assertWhole(model(NAME), files());
    assertEquals(3, pauses.size(), pauses::toString);
    assertTrue(pauses.get(0) >= 7500 && pauses.get(0) <= 8000, pauses::toString);
    assertTrue(pauses.get(1) >= 11500 && pauses.get(2) >= 12000, pauses::toString);
  }

  @Test
  void patienceHasAnEnd() {
    server.model(NAME).commit("main", files());
    fault(
        "/api/",
        100,
        exchange -> {
          FakeHub.send(exchange, 500, new byte[0]);
          return true;
        });
    String message = failure(NAME);
    assertTrue(message.contains("answers with status 500"), message);
    assertEquals(5, pauses.size());
    for (int i = 1; i < pauses.size(); i++) {
      assertTrue(pauses.get(i) <= 16000 && pauses.get(i) >= 500L << i, pauses::toString);
    }
    server.faults.clear();
    fault(
        "/api/",
        100,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "4000");
          FakeHub.send(exchange, 429, new byte[0]);
          return true;
        });
    pauses.clear();
    assertTrue(failure(NAME).contains("asks to wait 4000 s"));
    assertEquals(List.of(), pauses);
  }

  /** Sends a part of a file and breaks off. */
  private static boolean half(com.sun.net.httpserver.HttpExchange exchange, byte[] content)
      throws IOException {
    exchange.sendResponseHeaders(200, content.length);
    OutputStream out = exchange.getResponseBody();
    out.write(content, 0, content.length / 2);
    out.flush();
    throw new IOException("broken on purpose");
  }

  @Test
  void aBodyThatBreaksGoesOnWhereItBroke() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(FakeHub.etag(content), 1, exchange -> half(exchange, content));
    assertWhole(model(NAME), files());
    List<FakeHub.Request> store = server.requests(FakeHub.etag(content));
    assertEquals(2, store.size(), store::toString);
    int from = Integer.parseInt(store.get(1).range().replaceAll("bytes=(\\d+)-", "$1"));
    assertTrue(
        from > 1_000_000 && from <= 1_500_000, "what had come is not fetched again: " + from);
    assertEquals(1, pauses.size());
  }

  /**
   * Breaks bodies, and then does not go on with them, in either way that there is of not going on.
   */
  @ParameterizedTest
  @CsvSource({"400000, false", "400000, true", "1500000, false", "1500000, true"})
  void aServerThatNeverGoesOnIsGivenUp(int bytes, boolean otherRange) {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        40,
        exchange -> {
          if (exchange.getRequestHeaders().getFirst("Range") == null) {
            exchange.sendResponseHeaders(200, content.length);
            OutputStream out = exchange.getResponseBody();
            out.write(content, 0, bytes);
            out.flush();
            throw new IOException("broken on purpose");
          }
          exchange.getResponseHeaders().set("Content-Range", "bytes 7-9/10");
          FakeHub.send(exchange, otherRange ? 206 : 416, new byte[3]);
          return true;
        });
    failure(NAME);
    int tries = server.requests(FakeHub.etag(content)).size();
    assertTrue(tries >= 6 && tries <= 7, "it is asked " + tries + " times");
  }

  @Test
  void aServerWithoutRangesThatBreaksEachBodyIsGivenUp() {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    server.withoutRanges = true;
    AtomicInteger bodies = new AtomicInteger();
    fault(
        FakeHub.etag(content),
        40,
        exchange -> {
          exchange.sendResponseHeaders(200, content.length);
          OutputStream out = exchange.getResponseBody();
          out.write(content, 0, bodies.getAndIncrement() % 2 == 0 ? 300_000 : 2_000_000);
          out.flush();
          throw new IOException("broken on purpose");
        });
    failure(NAME);
    assertTrue(bodies.get() < 10, "it is asked " + bodies.get() + " times");
  }

  @Test
  void aServerWithoutRangesBeginsAgain() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(FakeHub.etag(content), 1, exchange -> half(exchange, content));
    server.withoutRanges = true;
    assertWhole(model(NAME), files());
  }

  @Test
  void aSilentBodyIsGivenUpAndTriedAgain() throws Exception {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        1,
        exchange -> {
          exchange.sendResponseHeaders(200, content.length);
          exchange.getResponseBody().write(content, 0, 700_000);
          exchange.getResponseBody().flush();
          FakeHub.pause(8000);
          return true;
        });
    long begin = System.nanoTime();
    assertWhole(model(NAME), files());
    assertTrue(System.nanoTime() - begin < 7e9, "it does not wait for the silent one");
    assertEquals(1, pauses.size());
  }

  @Test
  void otherBytesThanDescribedAreNeverKept() throws Exception {
    Map<String, byte[]> files = files();
    server.model(NAME).commit("main", files);
    byte[] content = files.get("model.safetensors");
    byte[] other = content.clone();
    other[1000] ^= 1;
    FakeHub.Fault lie =
        exchange -> {
          FakeHub.send(exchange, 200, other);
          return true;
        };
    fault(FakeHub.etag(content), 1, lie);
    assertWhole(model(NAME), files);
    Files.delete(repository().resolve("blobs").resolve(FakeHub.etag(content)));
    server.faults.clear();
    fault(FakeHub.etag(content), 9, lie);
    String message = failure(NAME);
    assertTrue(message.contains("brings other bytes than the hub describes, twice"), message);
    assertFalse(Files.exists(repository().resolve("blobs").resolve(FakeHub.etag(content))));
    assertNoRests();
    server.faults.clear();
    byte[] small = files.get("vocab.txt");
    Files.delete(repository().resolve("blobs").resolve(FakeHub.etag(small)));
    server.faults.add(
        exchange -> {
          boolean mine =
              exchange.getRequestURI().getPath().endsWith("vocab.txt")
                  && exchange.getRequestMethod().equals("GET");
          if (mine) {
            FakeHub.send(exchange, 200, "a\nc\n".getBytes(UTF_8));
          }
          return mine;
        });
    assertTrue(failure(NAME).contains("expected " + FakeHub.etag(small)));
  }

  @Test
  void longerBodiesThanDescribedAreCutOff() {
    byte[] content = files().get("model.safetensors");
    server.model(NAME).commit("main", files());
    fault(
        FakeHub.etag(content),
        9,
        exchange -> {
          FakeHub.send(exchange, 200, bytes(content.length + 100_000, 4));
          return true;
        });
    assertTrue(failure(NAME).contains("brings more than its 3000000 bytes"));
  }

  @Test
  void whatAServerNamesNeverLeavesTheCache() throws Exception {
    for (String name :
        List.of("../../../evil/config.json", "/etc/evil", "a/../../b", "C:/x", "a\\b", "a//b")) {
      assertFalse(RepositoryPath.isSafe(name), name);
      assertThrows(HubFailure.class, () -> RepositoryPath.below(home, name));
    }
    Map<String, byte[]> files = files();
    files.remove("model.safetensors");
    files.put("../../escaped.safetensors", bytes(2000, 1));
    files.put(
        "model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"../../escaped.safetensors\"}}".getBytes(UTF_8));
    server.model(NAME).commit("main", files);
    assertTrue(failure(NAME).contains("leads out of the repository's folder"));
    assertFalse(Files.exists(repository().resolve("escaped.safetensors")));

    server.faults.add(
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("/resolve/")) {
            return false;
          }
          exchange.getResponseHeaders().set("X-Repo-Commit", "0".repeat(40));
          exchange.getResponseHeaders().set("ETag", "\"../../../evil\"");
          FakeHub.send(exchange, 200, new byte[] {'{', '}'});
          return true;
        });
    server.model("some-org/evil").commit("main", files());
    assertTrue(failure("some-org/evil").contains("does not answer as a hub does"));
  }

  @ParameterizedTest
  @CsvSource({"vocab.txt, blobId", "model.safetensors, sha256"})
  void whatAServerCallsAContentIsAHashOrRefused(String file, String key) throws Exception {
    Path own = Files.write(home.resolve("own.txt"), files().get(file));
    server.model(NAME).commit("main", files());
    for (String hash : List.of(own.toString(), "../../../own.txt", "..", "", "A".repeat(40))) {
      server.faults.clear();
      fault(
          "/api/",
          9,
          exchange -> {
            ObjectNode info = FakeHub.info(NAME, "c".repeat(40), files(), true);
            for (JsonNode named : info.path("siblings")) {
              if (named.path("rfilename").asText().equals(file)) {
                named.findParents(key).forEach(at -> ((ObjectNode) at).put(key, hash));
              }
            }
            FakeHub.send(exchange, 200, info.toString().getBytes(UTF_8));
            return true;
          });
      String message = failure(NAME);
      assertTrue(message.contains("'" + file + "' has the hash '" + hash + "'"), message);
      assertTrue(message.contains(server.address()), message);
      assertEquals(List.of(), server.requests("/resolve/"));
    }
    assertFalse(Files.exists(home.resolve("own.txt.lock")));
    assertFalse(Files.exists(repository().resolve("snapshots")));
  }

  @Test
  void aKeptListWithWhatIsNoHashIsDamaged() {
    String list =
        "{\"format_version\":1,\"files\":{\"a\":{\"size\":1,\"blob_id\":\"%1$s\"},"
            + "\"b\":{\"size\":1,\"blob_id\":\"%2$s\",\"lfs_sha256\":\"%3$s\"}}}";
    String sha1 = "0a".repeat(20);
    String sha256 = "0a".repeat(32);
    assertEquals(
        sha256,
        RepositoryFiles.ofJson(list.formatted(sha1, sha1, sha256).getBytes(UTF_8))
            .orElseThrow()
            .entry("b")
            .etag());
    for (String wrong : List.of("../x", "/etc/passwd", sha1 + "0")) {
      assertTrue(
          RepositoryFiles.ofJson(list.formatted(wrong, sha1, sha256).getBytes(UTF_8)).isEmpty());
      assertTrue(
          RepositoryFiles.ofJson(list.formatted(sha1, sha1, wrong).getBytes(UTF_8)).isEmpty());
    }
  }

  @Test
  void redirectsLeadToTheWebOnly() throws Exception {
    server.model(NAME).commit("main", files());
    for (String target : List.of("file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x")) {
      server.faults.clear();
      fault(
          "/api/",
          1,
          exchange -> {
            exchange.getResponseHeaders().set("Location", target);
            FakeHub.send(exchange, 302, new byte[0]);
            return true;
          });
      assertTrue(failure(NAME).contains("none of the web's"), target);
    }
    server.faults.clear();
    server.faults.add(
        exchange -> {
          exchange.getResponseHeaders().set("Location", exchange.getRequestURI().toString());
          FakeHub.send(exchange, 302, new byte[0]);
          return true;
        });
    assertTrue(failure(NAME).contains("leads through more than 10 others"));
  }

  @Test
  void whatIsNoHubIsSaidToBeNone() {
    server.faults.add(
        exchange -> {
          FakeHub.send(exchange, 200, "<html>Please log in</html>".getBytes(UTF_8));
          return true;
        });
    String message = failure(NAME);
    assertTrue(message.contains("does not answer as a hub does"), message);
    assertTrue(message.contains("is HF_ENDPOINT right"), message);
  }

  @Test
  void aMirrorThatTellsNoSizesWillDo() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).withoutBlobs = true;
    assertWhole(model(NAME), files());
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

  @Test
  void aFullDiskIsSaidAndLosesNothing() throws Exception {
    server.model(NAME).commit("main", files());
    FileOps full =
        new FileOps() {
          private int left = 1_000_000;

          @Override
          public synchronized void write(FileChannel channel, ByteBuffer bytes) throws IOException {
            left -= bytes.remaining();
            if (left < 0) {
              throw new IOException("No space left on device");
            }
            super.write(channel, bytes);
          }
        };
    String message =
        assertThrows(
                UncheckedIOException.class,
                () -> fetch(full).model(HubName.ofModel(NAME).orElseThrow(), folder -> {}))
            .getMessage();
    assertTrue(message.contains("No space left on device"), message);
    assertTrue(message.contains("HF_HUB_CACHE"), message);
    Path partial =
        repository()
            .resolve("blobs")
            .resolve(FakeHub.etag(files().get("model.safetensors")) + ".attune.incomplete");
    long there = Files.size(partial);
    assertTrue(there > 0);
    server.requests.clear();
    assertWhole(model(NAME), files());
    assertTrue(server.requests.stream().anyMatch(r -> ("bytes=" + there + "-").equals(r.range())));
  }

  @Test
  void everyFailureOfTheDiskLeavesACacheThatIsWholeTheNextTime() throws Exception {
    Map<String, byte[]> files = files();
    files.put("model.safetensors", bytes(9000, 2));
    server.model(NAME).commit("main", files);
    for (int at = 1; at < 200; at += 1 + at / 8) {
      FileOps.SYSTEM.deleteTree(home.resolve("hub"));
      Failing failing = new Failing(at);
      try {
        fetch(failing).model(HubName.ofModel(NAME).orElseThrow(), folder -> {});
        assertTrue(at > 20, "it has more than " + at + " operations");
        return;
      } catch (UncheckedIOException e) {
        assertTrue(e.getMessage().contains("on purpose"), e::getMessage);
      }
      try (Stream<Path> blobs = files(repository().resolve("blobs"))) {
        for (Path blob : blobs.toList()) {
          String name = blob.getFileName().toString();
          if (!name.endsWith(".incomplete")) {
            assertEquals(name, FakeHub.etag(Files.readAllBytes(blob)), "whole or not there");
          }
        }
      }
      model(NAME);
      Path folder = model(NAME);
      for (String name : WANTED) {
        assertArrayEquals(files.get(name), Files.readAllBytes(folder.resolve(name)), name);
      }
    }
    throw new AssertionError("it never came to an end");
  }

  private static Stream<Path> files(Path folder) throws IOException {
    return Files.isDirectory(folder) ? Files.list(folder) : Stream.empty();
  }

  /** A disk whose operations fail from the n-th on. */
  private static final class Failing extends FileOps {
    private final AtomicInteger left;

    Failing(int at) {
      left = new AtomicInteger(at);
    }

    private void count() throws IOException {
      if (left.decrementAndGet() <= 0) {
        throw new IOException("failed on purpose");
      }
    }

    @Override
    public void createFolder(Path folder) throws IOException {
      count();
      super.createFolder(folder);
    }

    @Override
    public FileChannel create(Path file) throws IOException {
      count();
      return super.create(file);
    }

    @Override
    public FileChannel append(Path file) throws IOException {
      count();
      return super.append(file);
    }

    @Override
    public void write(FileChannel channel, ByteBuffer bytes) throws IOException {
      count();
      super.write(channel, bytes);
    }

    @Override
    public void sync(FileChannel channel) throws IOException {
      count();
      super.sync(channel);
    }

    @Override
    public void replace(Path from, Path to) throws IOException {
      count();
      super.replace(from, to);
    }
  }

  @Test
  void anInterruptEndsItAndTheNextTimeGoesOn() throws Exception {
    server.model(NAME).commit("main", files());
    server.bytesPerSecond = 500_000;
    Thread caller = Thread.currentThread();
    Progress progress =
        new Progress() {
          @Override
          public void report(String message) {}

          @Override
          public void transferred(long doneBytes, long totalBytes, double bytesPerSecond) {
            if (doneBytes > 300_000) {
              caller.interrupt();
            }
          }
        };
    HubFetch fetch = new HubFetch(settings(), FileOps.SYSTEM, pauses::add, progress);
    assertThrows(
        InterruptedCallException.class,
        () -> fetch.model(HubName.ofModel(NAME).orElseThrow(), folder -> {}));
    assertTrue(Thread.interrupted(), "the flag is set again");
    server.bytesPerSecond = 0;
    server.requests.clear();
    assertWhole(model(NAME), files());
    assertTrue(
        server.requests.stream().anyMatch(request -> request.range() != null),
        server.requests::toString);
  }

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
