package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/** The side of a {@link FakeHub} that takes files. */
final class FakeHubUploads {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final FakeHub hub;
  private final Map<String, Map<Integer, byte[]>> parts = new ConcurrentHashMap<>();

  /** Contents from so many bytes on come in parts of so many; 0: all come in one. */
  volatile int partBytes;

  volatile boolean verifies = true;

  /** Where contents are to be sent; null: to the store. */
  volatile String storeAddress;

  /** Names that every repository's .gitignore excludes. */
  final Set<String> ignored = ConcurrentHashMap.newKeySet();

  /** So many commits are made, and the connection breaks before their answers. */
  final AtomicInteger lostAnswers = new AtomicInteger();

  /** The lines of all commits, as they came. */
  final List<List<JsonNode>> commits = new CopyOnWriteArrayList<>();

  FakeHubUploads(FakeHub hub) {
    this.hub = hub;
  }

  private String store() {
    return storeAddress == null ? hub.storeAddress() : storeAddress;
  }

  /** Answers what belongs to uploads; false: it does not. */
  boolean answers(HttpExchange exchange) throws IOException {
    if (!exchange.getRequestMethod().equals("POST")) {
      return false;
    }
    String raw = exchange.getRequestURI().getRawPath();
    String path = exchange.getRequestURI().getPath();
    byte[] body = exchange.getRequestBody().readAllBytes();
    if (path.equals("/api/validate-yaml")) {
      validate(exchange, JSON.readTree(body));
      return true;
    }
    // Its address is signed: huggingface_hub sends no token there.
    if (path.startsWith("/complete/")) {
      complete(exchange, path.substring("/complete/".length()), JSON.readTree(body));
      return true;
    }
    if (exchange.getRequestHeaders().getFirst("Authorization") == null) {
      FakeHub.send(exchange, 401, "{\"error\":\"Invalid username or password.\"}".getBytes(UTF_8));
      return true;
    }
    if (path.equals("/api/repos/create")) {
      create(exchange, JSON.readTree(body));
      return true;
    }
    if (path.endsWith(".git/info/lfs/objects/batch")) {
      String id = path.substring(1, path.indexOf(".git/"));
      FakeHub.Repository repository = writable(exchange, "models/" + id);
      if (repository != null) {
        batch(exchange, JSON.readTree(body));
      }
      return true;
    }
    if (path.endsWith(".git/info/lfs/verify")) {
      JsonNode content = JSON.readTree(body);
      byte[] stored = hub.stored.get(content.path("oid").asText());
      boolean isThere = stored != null && stored.length == content.path("size").asInt();
      FakeHub.send(exchange, isThere ? 200 : 404, "{}".getBytes(UTF_8));
      return true;
    }
    for (String what : List.of("preupload", "commit", "branch")) {
      int at = raw.indexOf("/" + what + "/");
      if (raw.startsWith("/api/models/") && at > 0) {
        String key = FakeHub.decoded(raw.substring("/api/".length(), at));
        String revision = FakeHub.decoded(raw.substring(at + what.length() + 2));
        FakeHub.Repository repository = writable(exchange, key);
        if (repository != null) {
          answer(exchange, what, repository, revision, body);
        }
        return true;
      }
    }
    return false;
  }

  private FakeHub.Repository writable(HttpExchange exchange, String key) throws IOException {
    FakeHub.Repository repository = hub.visible(exchange, key);
    String token = exchange.getRequestHeaders().getFirst("Authorization");
    if (repository != null
        && repository.writers != null
        && !("Bearer " + repository.writers).equals(token)) {
      String message = "You don't have the rights to create a commit in this repository";
      FakeHub.send(exchange, 403, ("{\"error\":\"" + message + "\"}").getBytes(UTF_8));
      return null;
    }
    return repository;
  }

  private void answer(
      HttpExchange exchange,
      String what,
      FakeHub.Repository repository,
      String revision,
      byte[] body)
      throws IOException {
    String commit = FakeHub.commit(repository, revision);
    if (what.equals("branch")) {
      if (commit == null) {
        repository.branches.put(revision, repository.branches.get("main"));
      }
      FakeHub.send(exchange, commit == null ? 200 : 409, "{}".getBytes(UTF_8));
    } else if (commit == null) {
      FakeHub.refuse(exchange, 404, "RevisionNotFound", "Invalid rev id: " + revision);
    } else if (what.equals("preupload")) {
      preupload(exchange, repository.commits.get(commit), JSON.readTree(body));
    } else {
      commit(exchange, repository, revision, body);
    }
  }

  private static void validate(HttpExchange exchange, JsonNode content) throws IOException {
    boolean isWrong = content.path("content").asText().contains("license: none-such");
    String answer =
        isWrong
            ? "{\"error\":\"license must be one of [apache-2.0, mit]\",\"errors\":[{\"message\":"
                + "\"license must be one of [apache-2.0, mit]\"}],\"warnings\":[]}"
            : "{\"errors\":[],\"warnings\":[]}";
    FakeHub.send(exchange, isWrong ? 400 : 200, answer.getBytes(UTF_8));
  }

  private void create(HttpExchange exchange, JsonNode content) throws IOException {
    String id = content.path("organization").asText() + "/" + content.path("name").asText();
    if (exchange.getRequestHeaders().getFirst("Authorization").equals("Bearer wrong")) {
      FakeHub.send(exchange, 401, "{\"error\":\"Invalid username or password.\"}".getBytes(UTF_8));
      return;
    }
    if (hub.repositories.containsKey("models/" + id)) {
      ObjectNode answer = JSON.createObjectNode().put("url", hub.address() + "/" + id);
      answer.put("error", "You already created this model repo");
      FakeHub.send(exchange, 409, JSON.writeValueAsBytes(answer));
      return;
    }
    if (id.startsWith("foreign-org/")) {
      String message = "You don't have the rights to create a model under the namespace";
      FakeHub.send(exchange, 403, ("{\"error\":\"" + message + "\"}").getBytes(UTF_8));
      return;
    }
    FakeHub.Repository repository = hub.model(id);
    repository.isPrivate = content.path("visibility").asText().equals("private");
    if (repository.isPrivate) {
      repository.readers =
          exchange.getRequestHeaders().getFirst("Authorization").substring("Bearer ".length());
    }
    repository.commit("main", Map.of(".gitattributes", "*.bin filter=lfs\n".getBytes(UTF_8)));
    ObjectNode answer = JSON.createObjectNode().put("url", hub.address() + "/" + id).put("id", id);
    FakeHub.send(exchange, 200, JSON.writeValueAsBytes(answer));
  }

  private void preupload(HttpExchange exchange, Map<String, byte[]> there, JsonNode question)
      throws IOException {
    ObjectNode answer = JSON.createObjectNode();
    ArrayNode list = answer.putArray("files");
    for (JsonNode file : question.path("files")) {
      String name = file.path("path").asText();
      ObjectNode said = list.addObject().put("path", name);
      said.put("uploadMode", file.path("size").asInt() >= FakeHub.LARGE_BYTES ? "lfs" : "regular");
      said.put("shouldIgnore", ignored.contains(name));
      if (there.containsKey(name)) {
        said.put("oid", FakeHub.etag(there.get(name)));
      }
    }
    FakeHub.send(exchange, 200, JSON.writeValueAsBytes(answer));
  }

  private void batch(HttpExchange exchange, JsonNode question) throws IOException {
    ObjectNode answer = JSON.createObjectNode().put("transfer", "basic");
    ArrayNode list = answer.putArray("objects");
    String id = exchange.getRequestURI().getPath().replaceFirst("\\.git/.*", "");
    for (JsonNode object : question.path("objects")) {
      String oid = object.path("oid").asText();
      int size = object.path("size").asInt();
      ObjectNode said = list.addObject().put("oid", oid).put("size", size);
      if (hub.stored.containsKey(oid)) {
        continue;
      }
      ObjectNode actions = said.putObject("actions");
      ObjectNode upload = actions.putObject("upload");
      if (partBytes > 0 && size >= partBytes) {
        parts.put(oid, new ConcurrentHashMap<>());
        upload.put("href", hub.address() + "/complete/" + oid);
        ObjectNode header = upload.putObject("header").put("chunk_size", "" + partBytes);
        for (int part = 1; part <= (size + partBytes - 1) / partBytes; part++) {
          header.put("" + part, store() + "/" + oid + "/" + part + "?signed=yes");
        }
      } else {
        upload.put("href", store() + "/" + oid + "?signed=yes");
      }
      if (verifies) {
        actions.putObject("verify").put("href", hub.address() + id + ".git/info/lfs/verify");
      }
    }
    exchange.getResponseHeaders().set("Content-Type", "application/vnd.git-lfs+json");
    FakeHub.send(exchange, 200, JSON.writeValueAsBytes(answer));
  }

  /** What the store is sent: a content, or a part of one. A token has no business here. */
  void take(HttpExchange exchange) throws IOException {
    String[] path = exchange.getRequestURI().getPath().substring(1).split("/");
    byte[] content = exchange.getRequestBody().readAllBytes();
    boolean isSigned = "signed=yes".equals(exchange.getRequestURI().getQuery());
    if (!isSigned || exchange.getRequestHeaders().containsKey("Authorization")) {
      FakeHub.send(exchange, 403, new byte[0]);
      return;
    }
    if (path.length == 2) {
      parts.get(path[0]).put(Integer.parseInt(path[1]), content);
    } else if (FakeHub.hash("SHA-256", content).equals(path[0])) {
      hub.stored.put(path[0], content);
    } else {
      FakeHub.send(exchange, 400, new byte[0]);
      return;
    }
    exchange.getResponseHeaders().set("ETag", '"' + FakeHub.hash("MD5", content) + '"');
    FakeHub.send(exchange, 200, new byte[0]);
  }

  private void complete(HttpExchange exchange, String oid, JsonNode content) throws IOException {
    Map<Integer, byte[]> sent = parts.get(oid);
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    int number = 1;
    for (JsonNode part : content.path("parts")) {
      byte[] bytes = sent == null ? null : sent.get(part.path("partNumber").asInt());
      boolean isRight =
          bytes != null
              && part.path("partNumber").asInt() == number++
              && part.path("etag").asText().equals('"' + FakeHub.hash("MD5", bytes) + '"');
      if (!isRight) {
        FakeHub.send(exchange, 400, "{\"error\":\"wrong part\"}".getBytes(UTF_8));
        return;
      }
      whole.write(bytes);
    }
    if (!FakeHub.hash("SHA-256", whole.toByteArray()).equals(oid)) {
      FakeHub.send(exchange, 400, "{\"error\":\"wrong content\"}".getBytes(UTF_8));
      return;
    }
    hub.stored.put(oid, whole.toByteArray());
    FakeHub.send(exchange, 200, "{}".getBytes(UTF_8));
  }

  private void commit(
      HttpExchange exchange, FakeHub.Repository repository, String revision, byte[] body)
      throws IOException {
    String parent = FakeHub.commit(repository, revision);
    Map<String, byte[]> files = new TreeMap<>(repository.commits.get(parent));
    List<JsonNode> lines = new CopyOnWriteArrayList<>();
    for (String line : new String(body, UTF_8).split("\n")) {
      JsonNode json = JSON.readTree(line);
      lines.add(json);
      JsonNode value = json.path("value");
      String path = value.path("path").asText();
      switch (json.path("key").asText()) {
        case "header" -> {
          String upon = value.path("parentCommit").asText(parent);
          if (!upon.equals(parent)) {
            String message = "A commit has happened since. Please refresh and try again.";
            FakeHub.send(exchange, 412, ("{\"error\":\"" + message + "\"}").getBytes(UTF_8));
            return;
          }
        }
        case "file" -> files.put(path, Base64.getDecoder().decode(value.path("content").asText()));
        case "lfsFile" -> {
          byte[] content = hub.stored.get(value.path("oid").asText());
          if (content == null) {
            FakeHub.send(exchange, 400, "{\"error\":\"no such object\"}".getBytes(UTF_8));
            return;
          }
          files.put(path, Arrays.copyOf(content, content.length));
        }
        case "deletedFile" -> files.remove(path);
        default -> throw new IllegalStateException(line);
      }
    }
    commits.add(List.copyOf(lines));
    boolean proposes = "create_pr=1".equals(exchange.getRequestURI().getQuery());
    String branch = proposes ? "refs/pr/" + commits.size() : revision;
    String commit = repository.commit(branch, files);
    if (lostAnswers.getAndDecrement() > 0) {
      throw new IOException("broken on purpose");
    }
    String page =
        hub.address() + exchange.getRequestURI().getPath().replaceFirst("/api/models", "");
    ObjectNode answer = JSON.createObjectNode().put("success", true).put("commitOid", commit);
    answer.put("commitUrl", page.replaceFirst("/commit/.*", "/commit/" + commit));
    if (proposes) {
      answer.put(
          "pullRequestUrl", page.replaceFirst("/commit/.*", "/discussions/" + commits.size()));
    }
    FakeHub.send(exchange, 200, JSON.writeValueAsBytes(answer));
  }
}
