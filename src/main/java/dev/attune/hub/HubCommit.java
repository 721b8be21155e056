package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * A commit that is to be made.
 *
 * @param before the branch that it is made upon
 * @param inline files that git itself keeps: they come inside of the request
 * @param large files that are in the hub's store already
 * @param removed names of files that the branch has no longer
 */
record HubCommit(
    BranchState before, List<PushFile> inline, List<LfsObject> large, List<String> removed) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MOST_TRIES = 4;

  /** Files that git itself keeps come inside the request for a commit, which must end some day. */
  private static final long MOST_INLINE_BYTES = 256L << 20;

  /**
   * A commit that was made.
   *
   * @param pullRequest its address; null: it is on the branch
   */
  record Made(String commit, String pullRequest) {}

  /**
   * Commits. Where the answer is lost, the commit may have been made or not: the branch tells, so
   * that there are never two of it. A pull request cannot be looked for so, and is tried once.
   */
  Made make(HubJson hub, HubName name, String branch, PushRequest request) throws IOException {
    HubHttp http = hub.http();
    byte[] lines = lines(request);
    URI uri =
        http.at(
            name.apiPath()
                + "/commit/"
                + HubName.encoded(branch)
                + (request.asPullRequest() ? "?create_pr=1" : ""));
    for (int tries = 1; ; tries++) {
      try {
        return made(
            hub,
            http.send(
                "POST",
                uri,
                Map.of("Content-Type", "application/x-ndjson"),
                HttpRequest.BodyPublishers.ofByteArray(lines),
                HubJson.MOST_ANSWER_BYTES));
      } catch (HubFailure e) {
        if (!e.isPassing() || request.asPullRequest() || tries == MOST_TRIES) {
          throw e;
        }
        http.waitBeforeTry(tries, e);
        BranchState now = http.persistently(() -> BranchState.of(hub, name, branch));
        if (!now.commit().equals(before.commit()) && isIn(now)) {
          return new Made(now.commit(), null);
        }
      }
    }
  }

  /** Whether a branch is what it would be after this commit. */
  private boolean isIn(BranchState state) throws IOException {
    for (PushFile file : inline) {
      if (!state.has(file.name(), file.gitHash())) {
        return false;
      }
    }
    for (LfsObject object : large) {
      if (!state.has(object.file().name(), object.sha256())) {
        return false;
      }
    }
    return removed.stream().noneMatch(state.files()::has);
  }

  private static Made made(HubJson hub, byte[] answer) throws IOException {
    JsonNode json = hub.parsed(answer);
    String commit = json.path("commitOid").asText();
    if (!HubName.isCommit(commit)) {
      throw hub.broken("does not name the commit that it made");
    }
    JsonNode pullRequest = json.path("pullRequestUrl");
    return new Made(commit, pullRequest.isTextual() ? pullRequest.asText() : null);
  }

  private byte[] lines(PushRequest request) throws IOException {
    long bytes = inline.stream().mapToLong(PushFile::sizeBytes).sum();
    if (bytes > MOST_INLINE_BYTES) {
      throw new InputException(
          "the hub wants "
              + Meter.size(bytes)
              + " of files inside of one commit, and takes "
              + Meter.size(MOST_INLINE_BYTES)
              + " at most; its .gitattributes should send the largest to its store of large files");
    }
    ByteArrayOutputStream lines = new ByteArrayOutputStream();
    ObjectNode header = line("header");
    ObjectNode value = (ObjectNode) header.get("value");
    value.put("summary", request.message()).put("description", "");
    if (before.commit() != null) {
      value.put("parentCommit", before.commit());
    }
    append(lines, header);
    for (PushFile file : inline) {
      ObjectNode line = line("file");
      ((ObjectNode) line.get("value"))
          .put("content", Base64.getEncoder().encodeToString(file.bytes()))
          .put("path", file.name())
          .put("encoding", "base64");
      append(lines, line);
    }
    for (LfsObject object : large) {
      ObjectNode line = line("lfsFile");
      ((ObjectNode) line.get("value"))
          .put("path", object.file().name())
          .put("algo", "sha256")
          .put("oid", object.sha256())
          .put("size", object.file().sizeBytes());
      append(lines, line);
    }
    for (String file : removed) {
      ObjectNode line = line("deletedFile");
      ((ObjectNode) line.get("value")).put("path", file);
      append(lines, line);
    }
    return lines.toByteArray();
  }

  private static ObjectNode line(String key) {
    ObjectNode line = JSON.createObjectNode().put("key", key);
    line.putObject("value");
    return line;
  }

  private static void append(ByteArrayOutputStream lines, ObjectNode line) throws IOException {
    lines.write(JSON.writeValueAsBytes(line));
    lines.write('\n');
  }
}
