package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pushing to a hub on this machine, in health and with all that goes wrong on networks. */
class HubPushTest extends HubTrial {
  private static final String OURS = "my-org/pushed";
  private static final String MARK = "(ours)";

  private final Map<String, byte[]> model = new TreeMap<>();
  private final List<PushFile> more = new ArrayList<>();
  private boolean isPrivate;
  private boolean proposes;
  private String branch;

  @BeforeEach
  void prepare() {
    environment.put("HF_TOKEN", "hf_right");
    model.put("config.json", "{\"model_type\":\"bert\"}".getBytes(UTF_8));
    model.put("model.safetensors", bytes(300_000, 1));
    model.put("vocab.txt", bytes(5000, 2));
    model.put("empty.txt", new byte[0]);
  }

  private PushRequest request(String id) throws IOException {
    Path folder = Files.createDirectories(home.resolve("model"));
    List<PushFile> files = new ArrayList<>(more);
    for (Map.Entry<String, byte[]> file : model.entrySet()) {
      files.add(
          PushFile.of(file.getKey(), Files.write(folder.resolve(file.getKey()), file.getValue())));
    }
    return new PushRequest(
        id,
        branch,
        files,
        name -> name.endsWith(".json") || name.endsWith(".safetensors"),
        isPrivate,
        "A message",
        proposes);
  }

  private PushResult push(String id, Progress progress) throws IOException {
    return new HubPush(settings(), pauses::add, progress, request(id)).run();
  }

  private PushResult push() throws IOException {
    return push(OURS, reports::add);
  }

  private String refused(String id) {
    return assertThrows(InputException.class, () -> push(id, reports::add)).getMessage();
  }

  private String failed() {
    return assertThrows(UncheckedIOException.class, this::push).getMessage();
  }

  private Map<String, byte[]> there(String revision) {
    FakeHub.Repository repository = server.model(OURS);
    return repository.commits.get(repository.branches.get(revision));
  }

  private void assertThere(String revision) {
    Map<String, byte[]> there = new HashMap<>(there(revision));
    there.remove(".gitattributes");
    assertEquals(model.keySet(), new TreeMap<>(there).keySet());
    model.forEach((name, content) -> assertArrayEquals(content, there.get(name), name));
  }

  /** Nobody who looks at the repository sees anything of a push. */
  private void assertNothingVisible() {
    assertEquals(List.of(), server.uploads.commits);
  }

  private List<FakeHub.Request> puts() {
    return server.requests.stream().filter(request -> request.method().equals("PUT")).toList();
  }

  private void answer(String part, int times, int status) {
    fault(
        part,
        times,
        exchange -> {
          exchange.getRequestBody().readAllBytes();
          FakeHub.send(exchange, status, "{\"error\":\"on purpose\"}".getBytes(UTF_8));
          return true;
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 70_000})
  void oneCommitMakesAllVisible(int partBytes) throws Exception {
    server.uploads.partBytes = partBytes;
    PushResult result = push();
    assertTrue(result.isNew());
    assertEquals(server.address() + "/" + OURS, result.url());
    assertEquals(server.model(OURS).branches.get("main"), result.commit());
    assertEquals(List.copyOf(model.keySet()), result.pushed());
    assertEquals(305_000, result.uploadedBytes());
    assertThere("main");
    assertEquals(1, server.uploads.commits.size());
    JsonNode header = server.uploads.commits.get(0).get(0).path("value");
    assertEquals("A message", header.path("summary").asText());
    assertTrue(HubName.isCommit(header.path("parentCommit").asText()), header::toString);
    assertEquals(partBytes == 0 ? 2 : 6, puts().size(), "300000 in parts of 70000 are five");
    for (FakeHub.Request request : server.requests) {
      boolean ofStore = "signed=yes".equals(request.query());
      assertEquals(ofStore ? null : "Bearer hf_right", request.token(), request::toString);
    }
    assertFalse(reports.toString().contains("hf_right"));
  }

  @Test
  void whatWasPushedIsFetchedWithTheSameBytes() throws Exception {
    model.put("tokenizer.json", bytes(2000, 5));
    push();
    Path folder = model(OURS);
    for (String name : List.of("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")) {
      assertArrayEquals(model.get(name), Files.readAllBytes(folder.resolve(name)), name);
    }
  }

  @Test
  void whatTheHubHasIsNotPushedAgain() throws Exception {
    String commit = push().commit();
    server.requests.clear();
    PushResult again = push();
    assertFalse(again.isNew());
    assertEquals(commit, again.commit());
    assertEquals(List.of(), again.pushed());
    assertEquals(4, again.unchanged().size());
    assertEquals(1, server.uploads.commits.size());
    assertEquals(List.of(), puts());
  }

  @Test
  void aLargeFileThatCameBeforeThePushWasCutOffIsNotSentAgain() throws Exception {
    answer("/commit/", 100, 500);
    assertTrue(failed().contains("Nothing of it is visible there"));
    assertNothingVisible();
    assertEquals(2, puts().size());
    server.faults.clear();
    server.requests.clear();
    PushResult result = push();
    assertEquals(List.of(), puts());
    assertEquals(0, result.uploadedBytes());
    assertTrue(reports.toString().contains("has the content of model.safetensors already"));
    assertThere("main");
  }

  @Test
  void filesOfAnEarlierModelGo() throws Exception {
    model.put("adapter_config.json", "{}".getBytes(UTF_8));
    push();
    model.remove("adapter_config.json");
    model.remove("empty.txt");
    PushResult result = push();
    assertEquals(List.of("adapter_config.json"), result.removed());
    assertFalse(there("main").containsKey("adapter_config.json"));
    assertTrue(there("main").containsKey("empty.txt"), "no model's file: somebody put it there");
  }

  @ParameterizedTest
  @CsvSource({"500, 0", "500, 70000", "403, 0", "403, 70000"})
  void aStoreThatRefusesIsAskedAgain(int status, int partBytes) throws Exception {
    server.uploads.partBytes = partBytes;
    answer("signed=yes", 2, status);
    push();
    assertThere("main");
    boolean isExpired = status == 403;
    int batches = server.requests("objects/batch").size();
    assertEquals(isExpired, batches > 1, "an address that is no longer good is asked for anew");
    assertFalse(pauses.isEmpty());
  }

  @Test
  void aStoreThatNeverTakesAFileIsGivenUp() {
    answer("signed=yes", 10_000, 403);
    String message = failed();
    assertTrue(message.contains("localhost, where the hub keeps files"), message);
    assertTrue(message.contains("status 403"), message);
    assertFalse(message.contains("signed"), message);
    assertNothingVisible();
    assertTrue(puts().size() <= 12, "it is asked " + puts().size() + " times");
  }

  @Test
  void aConnectionThatBreaksInTheMiddleIsTriedAgain() throws Exception {
    model.put("model.safetensors", bytes(3_000_000, 1));
    String content = FakeHub.etag(model.get("model.safetensors"));
    fault(content, 2, HubPushTest::breaks);
    push();
    assertThere("main");
    assertEquals(2, pauses.size(), pauses::toString);
  }

  private static boolean breaks(HttpExchange exchange) throws IOException {
    exchange.getRequestBody().readNBytes(50_000);
    throw new IOException("broken on purpose");
  }

  @Test
  void aStoreThatFallsSilentIsGivenUpAndTriedAgain() throws Exception {
    environment.put("HF_HUB_DOWNLOAD_TIMEOUT", "1");
    model.put("model.safetensors", bytes(30_000_000, 1));
    fault(
        FakeHub.etag(model.get("model.safetensors")),
        1,
        exchange -> {
          exchange.getRequestBody().readNBytes(50_000);
          FakeHub.pause(15_000);
          return true;
        });
    long begin = System.nanoTime();
    push();
    assertTrue(System.nanoTime() - begin < 12e9, "it does not wait for the silent one");
    assertThere("main");
  }

  @Test
  void aLostAnswerNeverMakesTwoCommits() throws Exception {
    server.uploads.lostAnswers.set(1);
    PushResult result = push();
    assertEquals(1, server.uploads.commits.size());
    assertEquals(server.model(OURS).branches.get("main"), result.commit());
    assertThere("main");
  }

  @Test
  void aServerThatFailsBeforeTheCommitIsAskedAgain() throws Exception {
    answer("/commit/", 2, 503);
    push();
    assertEquals(1, server.uploads.commits.size());
    assertEquals(2, pauses.size());
  }

  @Test
  void anothersCommitMeanwhileIsNotOverwritten() throws Exception {
    push();
    model.put("model.safetensors", bytes(300_000, 9));
    fault(
        "objects/batch",
        1,
        exchange -> {
          server.model(OURS).commit("main", Map.of("theirs.txt", new byte[] {1}));
          return false;
        });
    String message = failed();
    assertTrue(message.contains("has changed while this was being pushed"), message);
    assertEquals(1, server.uploads.commits.size());
    assertEquals(Set.of("theirs.txt"), there("main").keySet());
  }

  @Test
  void withoutTokenNothingIsAsked() {
    environment.remove("HF_TOKEN");
    String message = refused(OURS);
    assertTrue(message.contains("needs a token that may write"), message);
    assertTrue(message.contains(server.address() + "/settings/tokens"), message);
    assertEquals(List.of(), server.requests);
  }

  @Test
  void offlineNothingIsAsked() {
    environment.put("HF_HUB_OFFLINE", "1");
    assertTrue(refused(OURS).contains("switched off by HF_HUB_OFFLINE"));
    assertEquals(List.of(), server.requests);
  }

  @Test
  void whoMayNotWriteIsTold() {
    environment.put("HF_TOKEN", "wrong");
    String wrong = refused(OURS);
    assertTrue(wrong.contains("the token in HF_TOKEN may not write to " + OURS), wrong);
    assertTrue(wrong.contains("must be valid"), wrong);
    environment.put("HF_TOKEN", "hf_right");
    String foreign = refused("foreign-org/model");
    assertTrue(foreign.contains("under the namespace"), foreign);
    assertTrue(foreign.contains("owner must be foreign-org or a member"), foreign);
    server.model("foreign-org/there").commit("main", files());
    server.model("foreign-org/there").writers = "another";
    String there = refused("foreign-org/there");
    assertTrue(there.contains("rights to create a commit"), there);
    assertNothingVisible();
  }

  @Test
  void aTokenThatMayMakeNoRepositoriesWritesToThoseThatAreThere() throws Exception {
    server.model("foreign-org/there").commit("main", Map.of());
    answer("/api/repos/create", 1, 403);
    assertEquals(4, push("foreign-org/there", reports::add).pushed().size());
  }

  @Test
  void tooMuchIsSaidToBeTooMuch() {
    answer("objects/batch", 1, 413);
    String message = refused(OURS);
    assertTrue(message.contains("does not take so much at a time"), message);
    assertTrue(message.contains("on purpose"), message);
    assertTrue(message.contains("was made, and it is empty"), message);
  }

  @Test
  void aHubThatHasTooManyAskersIsAskedAsItWishes() throws Exception {
    fault(
        "/preupload/",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "9");
          FakeHub.send(exchange, 429, new byte[0]);
          return true;
        });
    push();
    assertTrue(pauses.size() == 1 && pauses.get(0) >= 9500, pauses::toString);
  }

  @Test
  void aHubThatIsNotThereIsNoMatterOfThisModel() {
    server.close();
    String message = refused(OURS);
    assertTrue(message.contains("no connection to 127.0.0.1"), message);
  }

  @Test
  void privateIsPrivateOrRefused() throws Exception {
    isPrivate = true;
    push();
    assertTrue(server.model(OURS).isPrivate);
    push();
    server.model(OURS).isPrivate = false;
    server.model(OURS).readers = null;
    String message = refused(OURS);
    assertTrue(message.contains("is there, and it is public: nothing was pushed"), message);
  }

  @Test
  void branchesAreMadeAndPullRequestsProposed() throws Exception {
    push();
    branch = "dev/one";
    model.put("config.json", "{}".getBytes(UTF_8));
    push();
    assertThere("dev/one");
    assertEquals("{\"model_type\":\"bert\"}", new String(there("main").get("config.json"), UTF_8));
    branch = "refs/pr/77";
    assertTrue(refused(OURS).contains("no branch 'refs/pr/77'"));
    branch = null;
    proposes = true;
    PushResult proposed = push();
    assertTrue(proposed.pullRequest().endsWith("/" + OURS + "/discussions/3"), proposed::toString);
    assertThere("refs/pr/3");
    assertEquals("{\"model_type\":\"bert\"}", new String(there("main").get("config.json"), UTF_8));
  }

  @Test
  void aCardOfSomebodyElsesIsKeptAndOursIsRenewed() throws Exception {
    more.add(PushFile.ours("README.md", ("first " + MARK).getBytes(UTF_8), MARK));
    push();
    more.set(0, PushFile.ours("README.md", ("second " + MARK).getBytes(UTF_8), MARK));
    assertEquals(List.of("README.md"), push().pushed());
    Map<String, byte[]> files = new HashMap<>(there("main"));
    files.put("README.md", "by hand".getBytes(UTF_8));
    server.model(OURS).commit("main", files);
    PushResult result = push();
    assertEquals(List.of("README.md"), result.kept());
    assertEquals("by hand", new String(there("main").get("README.md"), UTF_8));
  }

  @Test
  void aCardThatTheHubDoesNotTakeIsRefusedBeforeAnythingIsSent() {
    more.add(PushFile.of("README.md", "---\nlicense: none-such\n---\n".getBytes(UTF_8)));
    String message = refused(OURS);
    assertTrue(message.contains("license must be one of [apache-2.0, mit]"), message);
    assertEquals(List.of(), puts());
  }

  @Test
  void whatTheRepositoryIgnoresIsSaid() throws Exception {
    server.uploads.ignored.add("vocab.txt");
    PushResult result = push();
    assertEquals(List.of("vocab.txt"), result.ignored());
    assertFalse(there("main").containsKey("vocab.txt"));
  }

  @Test
  void aFileThatIsBeingWrittenIsNotPushed() {
    fault(
        "objects/batch",
        1,
        exchange -> {
          Files.write(home.resolve("model/vocab.txt"), bytes(6000, 3));
          return false;
        });
    String message = refused(OURS);
    assertTrue(message.contains("vocab.txt was written to while it was being pushed"), message);
    assertNothingVisible();
  }

  @Test
  void anInterruptLeavesNothingVisible() throws Exception {
    model.put("model.safetensors", bytes(3_000_000, 1));
    Thread caller = Thread.currentThread();
    fault(
        "signed=yes",
        1,
        exchange -> {
          caller.interrupt();
          FakeHub.pause(3000);
          return true;
        });
    assertThrows(InterruptedCallException.class, this::push);
    assertTrue(Thread.interrupted(), "the flag is set again");
    assertNothingVisible();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"name", "a/b/c", "../x", "a/b@main", "a--b/c", "https://huggingface.co/a/b"})
  void aRepositoryHasTwoNames(String id) {
    String message = assertThrows(InputException.class, () -> push(id, reports::add)).getMessage();
    assertTrue(message.contains("'" + id + "' is no name of a repository"), message);
  }

  @Test
  void aStoreThatSaysNothingSensibleIsNoHub() {
    fault(
        "objects/batch",
        1,
        exchange -> {
          FakeHub.send(exchange, 200, "{\"objects\":[]}".getBytes(UTF_8));
          return true;
        });
    assertTrue(failed().contains("says nothing of model.safetensors"));
    AtomicInteger asked = new AtomicInteger();
    server.faults.clear();
    server.faults.add(
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("objects/batch")) {
            return false;
          }
          asked.incrementAndGet();
          String oid = FakeHub.etag(model.get("model.safetensors"));
          String small = FakeHub.etag(model.get("vocab.txt"));
          String object =
              "{\"oid\":\"%s\",\"size\":1,\"actions\":{\"upload\":{\"href\":\"file:///etc/x\"}}}";
          FakeHub.send(
              exchange,
              200,
              ("{\"objects\":[" + object.formatted(oid) + "," + object.formatted(small) + "]}")
                  .getBytes(UTF_8));
          return true;
        });
    assertTrue(failed().contains("names no address of the web"));
    assertEquals(1, asked.get());
  }
}
