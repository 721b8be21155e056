package dev.attune.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Brings contents into the hub's store of large files, by git's LFS protocol with the hub's own
 * extension for parts: the hub is asked what it lacks, and for signed addresses to put that to.
 * What fails in passing is asked for anew: a content that came whole is not sent twice.
 */
final class LfsUpload {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MOST_ANSWER_BYTES = 64 << 20;
  private static final int MOST_ROUNDS = 3;
  private static final int MOST_TRIES_OF_A_PART = 6;
  private static final int OBJECTS_OF_A_BATCH = 100;
  private static final int MOST_PARTS = 10_000;

  private static final Map<String, String> LFS_HEADERS =
      Map.of(
          "Accept", "application/vnd.git-lfs+json",
          "Content-Type", "application/vnd.git-lfs+json");

  /** Those that Java sets itself, and that no server has a say in. */
  private static final Set<String> OWN_HEADERS =
      Set.of("connection", "content-length", "expect", "host", "upgrade", "transfer-encoding");

  private final HubHttp http;
  private final HubName name;
  private final Progress progress;
  private final Meter meter = new Meter();
  private long uploadedBytes;

  LfsUpload(HubHttp http, HubName name, Progress progress) {
    this.http = http;
    this.name = name;
    this.progress = progress;
  }

  /** Bytes of the contents that the hub lacked. */
  long uploadedBytes() {
    return uploadedBytes;
  }

  /** Uploads those that the hub does not have; it has all when this returns. */
  void all(List<LfsObject> objects) throws IOException {
    objects.forEach(object -> meter.expect(object.file().sizeBytes()));
    List<LfsObject> open = objects;
    for (int round = 1; !open.isEmpty(); round++) {
      List<Upload> uploads = asked(open, round == 1);
      transfer(uploads);
      List<LfsObject> failed = new ArrayList<>();
      HubFailure last = null;
      for (Upload upload : uploads) {
        HubFailure failure = upload.finished();
        if (failure == null) {
          uploadedBytes += upload.object.file().sizeBytes();
        } else {
          failed.add(upload.object);
          last = failure;
        }
      }
      if (last != null) {
        if (round == MOST_ROUNDS) {
          throw last;
        }
        http.waitBeforeTry(round, last);
      }
      open = failed;
    }
  }

  private void transfer(List<Upload> uploads) throws IOException {
    List<HubHttp.Attempt<Void>> tasks = new ArrayList<>();
    for (Upload upload : uploads) {
      for (int part = 0; part < upload.parts.size(); part++) {
        int index = part;
        tasks.add(
            () -> {
              upload.send(index);
              return null;
            });
      }
    }
    new Transfers(
            http,
            meter,
            progress,
            "interrupted while pushing " + name + "; nothing of it is visible on the hub")
        .all(tasks);
  }

  /** Asks the hub what it lacks of them, and how it wants that. */
  private List<Upload> asked(List<LfsObject> objects, boolean isFirst) throws IOException {
    List<Upload> uploads = new ArrayList<>();
    for (int from = 0; from < objects.size(); from += OBJECTS_OF_A_BATCH) {
      List<LfsObject> some =
          objects.subList(from, Math.min(objects.size(), from + OBJECTS_OF_A_BATCH));
      Map<String, JsonNode> answers = batch(some);
      for (LfsObject object : some) {
        JsonNode answer = answers.get(object.sha256());
        if (answer == null) {
          throw broken("says nothing of " + object.file().name());
        }
        checkAccepted(object, answer);
        JsonNode action = answer.path("actions").path("upload");
        if (action.isMissingNode()) {
          meter.found(object.file().sizeBytes());
          if (isFirst) {
            progress.report("The hub has the content of " + object.file().name() + " already.");
          }
        } else {
          uploads.add(new Upload(object, action, answer.path("actions").path("verify")));
        }
      }
    }
    return uploads;
  }

  private Map<String, JsonNode> batch(List<LfsObject> objects) throws IOException {
    ObjectNode request = JSON.createObjectNode().put("operation", "upload");
    request.putArray("transfers").add("basic").add("multipart");
    ArrayNode list = request.putArray("objects");
    for (LfsObject object : objects) {
      list.addObject().put("oid", object.sha256()).put("size", object.file().sizeBytes());
    }
    request.put("hash_algo", "sha256");
    request.putObject("ref").put("name", name.revision());
    URI uri = http.at(name.pagePath() + ".git/info/lfs/objects/batch");
    JsonNode answer = post(uri, LFS_HEADERS, request);
    Map<String, JsonNode> answers = new LinkedHashMap<>();
    answer.path("objects").forEach(object -> answers.put(object.path("oid").asText(), object));
    return answers;
  }

  private static void checkAccepted(LfsObject object, JsonNode answer) throws HubFailure {
    JsonNode error = answer.path("error");
    if (error.isMissingNode() || error.isNull()) {
      return;
    }
    int code = error.path("code").asInt();
    String said = HubRefusals.onOneLine(error.path("message").asText());
    throw new HubFailure(
        HubRefusals.kind(code),
        "the hub does not take "
            + object.file().name()
            + " ("
            + Meter.size(object.file().sizeBytes())
            + "): "
            + said
            + " (status "
            + code
            + ")");
  }

  private JsonNode post(URI uri, Map<String, String> headers, JsonNode content) throws IOException {
    byte[] bytes = JSON.writeValueAsBytes(content);
    byte[] answer =
        http.persistently(
            () ->
                http.send(
                    "POST",
                    uri,
                    headers,
                    HttpRequest.BodyPublishers.ofByteArray(bytes),
                    MOST_ANSWER_BYTES));
    try {
      return JSON.readTree(answer);
    } catch (JsonProcessingException e) {
      return JSON.missingNode(); // where it matters, what is missing is missed
    }
  }

  private static HubFailure broken(String what) {
    return new HubFailure(
        HubFailure.Kind.BROKEN,
        "the hub's answer about large files " + what + "; is HF_ENDPOINT that of a hub?");
  }

  /** Where a part of a content goes. */
  private record Part(URI target, long from, long sizeBytes) {}

  /** One content on its way. */
  private final class Upload {
    final LfsObject object;
    final List<Part> parts;
    private final URI completion; // null: one part, which is all
    private final Map<String, String> headers;
    private final JsonNode verify;
    private final AtomicReferenceArray<String> etags;
    private volatile HubFailure failure;

    Upload(LfsObject object, JsonNode action, JsonNode verify) throws IOException {
      this.object = object;
      this.verify = verify;
      URI target = address(action);
      Map<Integer, URI> numbered = new TreeMap<>();
      Map<String, String> extra = new TreeMap<>();
      for (Map.Entry<String, JsonNode> header : action.path("header").properties()) {
        String key = header.getKey().toLowerCase(Locale.ROOT);
        if (key.matches("\\d{1,5}")) {
          numbered.put(Integer.parseInt(key), uri(header.getValue().asText()));
        } else if (key.matches("[a-z0-9-]+") && !OWN_HEADERS.contains(key)) {
          extra.put(key, header.getValue().asText());
        }
      }
      long size = object.file().sizeBytes();
      JsonNode chunk = action.path("header").path("chunk_size");
      if (chunk.isMissingNode()) {
        this.completion = null;
        this.headers = extra;
        this.parts = List.of(new Part(target, 0, size));
      } else {
        this.completion = target;
        this.headers = Map.of();
        this.parts = parts(chunk.asText(), List.copyOf(numbered.values()), size);
      }
      this.etags = new AtomicReferenceArray<>(parts.size());
    }

    private static List<Part> parts(String chunk, List<URI> targets, long size) throws HubFailure {
      long chunkBytes = chunk.matches("\\d{1,18}") ? Long.parseLong(chunk) : 0;
      long count = chunkBytes > 0 ? (size + chunkBytes - 1) / chunkBytes : 0;
      if (count < 1 || count > MOST_PARTS || count != targets.size()) {
        throw broken(
            "cuts "
                + size
                + " bytes into "
                + targets.size()
                + " parts of '"
                + chunk
                + "' bytes, which does not fit");
      }
      List<Part> parts = new ArrayList<>();
      for (int part = 0; part < targets.size(); part++) {
        long from = part * chunkBytes;
        parts.add(new Part(targets.get(part), from, Math.min(chunkBytes, size - from)));
      }
      return parts;
    }

    private URI address(JsonNode action) throws HubFailure {
      return uri(action.path("href").asText());
    }

    private URI uri(String text) throws HubFailure {
      try {
        URI uri = URI.create(text);
        boolean isWeb = "https".equals(uri.getScheme()) || "http".equals(uri.getScheme());
        if (isWeb && uri.getHost() != null) {
          http.checkSecret(uri);
          return uri;
        }
      } catch (IllegalArgumentException e) {
        // The same complaint.
      }
      throw broken("names no address of the web to send " + object.file().name() + " to");
    }

    /** Sends a part; what fails in passing is noted, for another round. */
    void send(int index) throws IOException {
      for (int tries = 1; failure == null; tries++) {
        try {
          attempt(index);
          return;
        } catch (HubFailure e) {
          object.file().checkUnchanged();
          if (!e.isPassing()) {
            throw e;
          }
          if (e.kind() == HubFailure.Kind.EXPIRED || tries == MOST_TRIES_OF_A_PART) {
            failure = e;
            return;
          }
          http.waitBeforeTry(tries, e);
        }
      }
    }

    private void attempt(int index) throws IOException {
      Part part = parts.get(index);
      long[] taken = new long[1];
      HttpRequest.BodyPublisher content =
          HttpRequest.BodyPublishers.fromPublisher(
              HttpRequest.BodyPublishers.ofInputStream(() -> counted(part, taken)),
              part.sizeBytes());
      boolean done = false;
      try {
        HubAnswer answer = http.put(part.target(), headers, content);
        etags.set(index, answer.header("ETag").orElse(""));
        done = true;
      } finally {
        if (!done) {
          synchronized (taken) {
            meter.found(-taken[0]);
            taken[0] = -1; // what a reader still takes counts no more
          }
        }
      }
    }

    private InputStream counted(Part part, long[] taken) {
      try {
        return new PartStream(object.file().open(part.from()), part.sizeBytes()) {
          @Override
          void took(int bytes) {
            synchronized (taken) {
              if (taken[0] >= 0) {
                taken[0] += bytes;
                meter.add(bytes);
              }
            }
          }
        };
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** Says that all parts are there, and lets the hub look; why not, or null. */
    HubFailure finished() throws IOException {
      if (failure != null) {
        forget();
        return failure;
      }
      ObjectNode parts = completion == null ? null : completionOf();
      try {
        if (completion != null) {
          post(completion, LFS_HEADERS, parts);
        }
        if (!verify.isMissingNode() && !verify.isNull()) {
          ObjectNode content = JSON.createObjectNode().put("oid", object.sha256());
          post(address(verify), LFS_HEADERS, content.put("size", object.file().sizeBytes()));
        }
        return null;
      } catch (HubFailure e) {
        // Where an answer was lost, the second one may be that there is nothing to complete.
        if (!e.isPassing() && e.kind() != HubFailure.Kind.BROKEN) {
          throw e;
        }
        forget();
        return e;
      }
    }

    private ObjectNode completionOf() throws HubFailure {
      ObjectNode content = JSON.createObjectNode().put("oid", object.sha256());
      ArrayNode list = content.putArray("parts");
      for (int part = 0; part < parts.size(); part++) {
        if (etags.get(part).isEmpty()) {
          throw broken("takes part " + (part + 1) + " of a file without naming it (ETag)");
        }
        list.addObject().put("partNumber", part + 1).put("etag", etags.get(part));
      }
      return content;
    }

    /** All of it must come again. */
    private void forget() {
      for (int part = 0; part < parts.size(); part++) {
        if (etags.get(part) != null) {
          meter.found(-parts.get(part).sizeBytes());
        }
      }
    }
  }
}
