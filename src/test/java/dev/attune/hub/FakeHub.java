package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;

/**
 * A hub on this machine that speaks the real one's protocol, with a store of large files at another
 * address, and with all that can go wrong, on request.
 */
public final class FakeHub implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  static {
    // Small answers would wait 40 ms for the acknowledgement of their headers.
    System.setProperty("sun.net.httpserver.nodelay", "true");
  }

  /** Files from so many bytes on are kept in the store. */
  static final int LARGE_BYTES = 1000;

  /** A request, as it came. */
  record Request(String method, String path, String query, String token, String range) {}

  /** Takes a request in place of the server; false: it does not. */
  @FunctionalInterface
  interface Fault {
    boolean takes(HttpExchange exchange) throws IOException;
  }

  /** A repository: its commits, its branches, who may see it. */
  public static final class Repository {
    final Map<String, String> branches = new ConcurrentHashMap<>();
    final Map<String, Map<String, byte[]>> commits = new ConcurrentHashMap<>();
    volatile String readers; // a token; null: everybody
    volatile boolean gated;
    volatile boolean withoutBlobs;
    volatile String writers; // a token; null: everybody who has one
    volatile boolean isPrivate;

    /** A new commit of a branch. */
    public String commit(String branch, Map<String, byte[]> files) {
      StringBuilder all = new StringBuilder();
      new TreeMap<>(files).forEach((name, bytes) -> all.append(name).append(hash("SHA-1", bytes)));
      String commit = hash("SHA-1", all.toString().getBytes(UTF_8));
      commits.put(commit, Map.copyOf(files));
      branches.put(branch, commit);
      return commit;
    }
  }

  final List<Request> requests = new CopyOnWriteArrayList<>();
  final List<Fault> faults = new CopyOnWriteArrayList<>();
  final Map<String, Repository> repositories = new ConcurrentHashMap<>();
  final Map<String, byte[]> stored = new ConcurrentHashMap<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  final FakeHubUploads uploads = new FakeHubUploads(this);
  private final SSLContext secrets;
  private final HttpServer hub;
  private final HttpServer store;
  volatile boolean withoutRanges;
  volatile int bytesPerSecond; // of the store; 0: as they come

  public FakeHub() throws IOException {
    this(0);
  }

  FakeHub(int port) throws IOException {
    this(port, null);
  }

  /**
   * @param secrets for https; null: plain http
   */
  FakeHub(int port, SSLContext secrets) throws IOException {
    this.secrets = secrets;
    hub = server(port, this::answer);
    store = server(0, this::answerOfStore);
  }

  private interface Handler {
    void handle(HttpExchange exchange) throws IOException;
  }

  private HttpServer server(int port, Handler handler) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    HttpServer server;
    if (secrets == null) {
      server = HttpServer.create(address, 0);
    } else {
      HttpsServer secure = HttpsServer.create(address, 0);
      secure.setHttpsConfigurator(new HttpsConfigurator(secrets));
      server = secure;
    }
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            requests.add(request(exchange));
            for (Fault fault : faults) {
              if (fault.takes(exchange)) {
                return;
              }
            }
            handler.handle(exchange);
          }
        });
    server.start();
    return server;
  }

  private static Request request(HttpExchange exchange) {
    return new Request(
        exchange.getRequestMethod(),
        exchange.getRequestURI().getPath(),
        exchange.getRequestURI().getQuery(),
        exchange.getRequestHeaders().getFirst("Authorization"),
        exchange.getRequestHeaders().getFirst("Range"));
  }

  private String scheme() {
    return secrets == null ? "http" : "https";
  }

  public String address() {
    return scheme() + "://127.0.0.1:" + hub.getAddress().getPort();
  }

  /** Where large files are kept: another host, as far as names go. */
  String storeAddress() {
    return scheme() + "://localhost:" + store.getAddress().getPort();
  }

  /** Large files come no faster than that; 0: as they come. */
  public void slow(int bytesPerSecond) {
    this.bytesPerSecond = bytesPerSecond;
  }

  public Repository model(String id) {
    return repositories.computeIfAbsent("models/" + id, key -> new Repository());
  }

  public Repository dataset(String id) {
    return repositories.computeIfAbsent("datasets/" + id, key -> new Repository());
  }

  /** Requests whose path has this in it. */
  List<Request> requests(String part) {
    return requests.stream().filter(request -> request.path().contains(part)).toList();
  }

  static String hash(String algorithm, byte[]... parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance(algorithm);
      for (byte[] part : parts) {
        digest.update(part);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  static String gitHash(byte[] content) {
    return hash("SHA-1", ("blob " + content.length + "\0").getBytes(UTF_8), content);
  }

  static String etag(byte[] content) {
    return content.length >= LARGE_BYTES ? hash("SHA-256", content) : gitHash(content);
  }

  private void answer(HttpExchange exchange) throws IOException {
    if (uploads.answers(exchange)) {
      return;
    }
    String path = exchange.getRequestURI().getPath();
    if (path.startsWith("/api/")) {
      answerOfApi(exchange, path.substring("/api/".length()));
      return;
    }
    String rest = path.startsWith("/datasets/") ? path.substring(1) : "models" + path;
    int resolve = rest.indexOf("/resolve/");
    Repository repository = resolve < 0 ? null : visible(exchange, rest.substring(0, resolve));
    if (repository == null) {
      return;
    }
    String rawPath = exchange.getRequestURI().getRawPath();
    String[] parts = rawPath.substring(rawPath.indexOf("/resolve/") + 9).split("/", 2);
    String commit = commit(repository, decoded(parts[0]));
    if (commit == null) {
      refuse(exchange, 404, "RevisionNotFound", "Invalid rev id: " + decoded(parts[0]));
      return;
    }
    exchange.getResponseHeaders().set("X-Repo-Commit", commit);
    byte[] content = repository.commits.get(commit).get(decoded(parts[1]));
    if (content == null) {
      refuse(exchange, 404, "EntryNotFound", "Entry not found");
    } else if (content.length >= LARGE_BYTES) {
      String sha256 = hash("SHA-256", content);
      stored.put(sha256, content);
      exchange.getResponseHeaders().set("X-Linked-Etag", '"' + sha256 + '"');
      exchange.getResponseHeaders().set("X-Linked-Size", Integer.toString(content.length));
      exchange.getResponseHeaders().set("Location", storeAddress() + "/" + sha256 + "?signed=yes");
      send(exchange, 302, "Found. Redirecting".getBytes(UTF_8));
    } else {
      exchange.getResponseHeaders().set("ETag", '"' + gitHash(content) + '"');
      send(exchange, 200, content);
    }
  }

  static String decoded(String part) {
    return java.net.URLDecoder.decode(part.replace("+", "%2B"), UTF_8);
  }

  Repository visible(HttpExchange exchange, String key) throws IOException {
    Repository repository = repositories.get(key);
    String token = exchange.getRequestHeaders().getFirst("Authorization");
    if (token != null && token.equals("Bearer wrong")) {
      exchange
          .getResponseHeaders()
          .set("X-Error-Message", "Invalid credentials in Authorization header");
      send(exchange, 401, new byte[0]);
      return null;
    }
    boolean reads =
        repository != null
            && (repository.readers == null || ("Bearer " + repository.readers).equals(token));
    if (repository == null || !reads && !repository.gated) {
      refuse(exchange, 401, "RepoNotFound", "Repository not found");
      return null;
    }
    if (!reads) {
      refuse(
          exchange, token == null ? 401 : 403, "GatedRepo", "Access to this model is restricted");
      return null;
    }
    return repository;
  }

  static String commit(Repository repository, String revision) {
    return repository.commits.containsKey(revision) ? revision : repository.branches.get(revision);
  }

  private void answerOfApi(HttpExchange exchange, String path) throws IOException {
    if (path.matches("(models|datasets)/[^/]+(/[^/]+)?")) {
      Repository repository = visible(exchange, path);
      if (repository != null) {
        String commit = repository.branches.get("main");
        String id = path.substring(path.indexOf('/') + 1);
        ObjectNode info = info(id, commit, repository.commits.get(commit), false);
        send(exchange, 200, JSON.writeValueAsBytes(info.put("private", repository.isPrivate)));
      }
      return;
    }
    String rawPath = exchange.getRequestURI().getRawPath();
    for (String what : List.of("/revision/", "/tree/")) {
      int at = path.indexOf(what);
      if (at < 0) {
        continue;
      }
      Repository repository = visible(exchange, path.substring(0, at));
      if (repository == null) {
        return;
      }
      String revision =
          decoded(rawPath.substring(rawPath.indexOf(what) + what.length()).replaceAll("/$", ""));
      String commit = commit(repository, revision);
      if (commit == null) {
        refuse(exchange, 404, "RevisionNotFound", "Invalid rev id: " + revision);
        return;
      }
      String query = exchange.getRequestURI().getQuery();
      boolean blobs = query != null && query.contains("blobs=true") && !repository.withoutBlobs;
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      send(
          exchange,
          200,
          JSON.writeValueAsBytes(
              what.equals("/tree/")
                  ? tree(repository.commits.get(commit))
                  : info(
                      path.substring(path.indexOf('/') + 1, at),
                      commit,
                      repository.commits.get(commit),
                      blobs)));
      return;
    }
    refuse(exchange, 404, "EntryNotFound", "Sorry, we can't find the page you are looking for.");
  }

  /** What the API answers of a commit. */
  static ObjectNode info(String id, String commit, Map<String, byte[]> files, boolean blobs) {
    ObjectNode info = JSON.createObjectNode().put("id", id).put("sha", commit);
    ArrayNode siblings = info.putArray("siblings");
    new TreeMap<>(files)
        .forEach(
            (name, content) -> {
              ObjectNode file = siblings.addObject().put("rfilename", name);
              if (blobs) {
                file.put("size", content.length).put("blobId", blobId(content));
                if (content.length >= LARGE_BYTES) {
                  file.putObject("lfs")
                      .put("sha256", hash("SHA-256", content))
                      .put("size", content.length)
                      .put("pointerSize", 134);
                }
              }
            });
    return info;
  }

  private static ArrayNode tree(Map<String, byte[]> files) {
    ArrayNode tree = JSON.createArrayNode();
    new TreeMap<>(files)
        .forEach(
            (name, content) -> {
              ObjectNode file =
                  tree.addObject()
                      .put("type", "file")
                      .put("path", name)
                      .put("size", content.length)
                      .put("oid", blobId(content));
              if (content.length >= LARGE_BYTES) {
                file.putObject("lfs")
                    .put("oid", hash("SHA-256", content))
                    .put("size", content.length)
                    .put("pointerSize", 134);
              }
            });
    return tree;
  }

  /** Of a large file git keeps a pointer; its id is some other hash. */
  private static String blobId(byte[] content) {
    return content.length >= LARGE_BYTES
        ? gitHash(hash("SHA-256", content).getBytes(UTF_8))
        : gitHash(content);
  }

  private void answerOfStore(HttpExchange exchange) throws IOException {
    if (exchange.getRequestMethod().equals("PUT")) {
      uploads.take(exchange);
      return;
    }
    byte[] content = stored.get(exchange.getRequestURI().getPath().substring(1));
    if (content == null) {
      send(exchange, 404, new byte[0]);
      return;
    }
    String range = withoutRanges ? null : exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("bytes=(\\d+)-.*", "$1"));
    exchange.getResponseHeaders().set("ETag", "\"of-the-store\"");
    if (from > content.length) {
      exchange.getResponseHeaders().set("Content-Range", "bytes */" + content.length);
      send(exchange, 416, new byte[0]);
      return;
    }
    if (range != null) {
      exchange
          .getResponseHeaders()
          .set(
              "Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
    }
    exchange.sendResponseHeaders(range == null ? 200 : 206, content.length - from);
    try (OutputStream out = exchange.getResponseBody()) {
      int chunk = bytesPerSecond == 0 ? 1 << 20 : Math.max(1, bytesPerSecond / 50);
      for (int at = from; at < content.length; at += chunk) {
        out.write(content, at, Math.min(chunk, content.length - at));
        if (bytesPerSecond > 0) {
          out.flush();
          pause(20);
        }
      }
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  static void refuse(HttpExchange exchange, int status, String code, String message)
      throws IOException {
    exchange.getResponseHeaders().set("X-Error-Code", code);
    exchange.getResponseHeaders().set("X-Error-Message", message);
    send(exchange, status, ("{\"error\":\"" + message + "\"}").getBytes(UTF_8));
  }

  static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
    if (exchange.getRequestMethod().equals("HEAD")) {
      exchange.getResponseHeaders().set("Content-Length", Integer.toString(body.length));
      exchange.sendResponseHeaders(status, -1);
      return;
    }
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    if (body.length > 0) {
      exchange.getResponseBody().write(body);
    }
  }

  @Override
  public void close() {
    hub.stop(0);
    store.stop(0);
    threads.shutdownNow();
  }

  /** The files of a folder. */
  public static Map<String, byte[]> files(Path folder) {
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String name = folder.relativize(file).toString().replace('\\', '/');
        files.put(name, Files.readAllBytes(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return files;
  }

  /** Makes all in a folder, links too, look as if nothing had changed it for two hours. */
  public static void age(Path folder) throws IOException {
    FileTime then = FileTime.from(Instant.now().minus(Duration.ofHours(2)));
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.toList()) {
        Files.getFileAttributeView(file, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
            .setTimes(then, null, null);
      }
    }
  }

  /**
   * For trials by hand: PORT, bytes a second of the store, then ID=FOLDER of models. The property
   * partBytes cuts uploads.
   */
  public static void main(String[] args) throws Exception {
    FakeHub hub = new FakeHub(Integer.parseInt(args[0]));
    hub.bytesPerSecond = Integer.parseInt(args[1]);
    hub.uploads.partBytes = Integer.getInteger("partBytes", 0);
    for (String model : List.of(args).subList(2, args.length)) {
      String[] parts = model.split("=", 2);
      boolean data = parts[0].startsWith("datasets/");
      Repository repository =
          data ? hub.dataset(parts[0].substring("datasets/".length())) : hub.model(parts[0]);
      System.out.println(parts[0] + " " + repository.commit("main", files(Path.of(parts[1]))));
    }
    System.out.println(hub.address());
    Thread.currentThread().join();
  }
}
