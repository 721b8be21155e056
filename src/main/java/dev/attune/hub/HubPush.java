package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * From files of this machine to a commit of a repository of the hub. All that is large goes to the
 * hub's store first, where nobody sees it; one commit at the end makes all of it visible, or
 * nothing. The commit names the one that it was made upon: of two pushes at a time, one is refused.
 */
final class HubPush {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int FILES_OF_A_QUESTION = 256;
  private static final int SAMPLE_BYTES = 512;
  private static final int MOST_TRIES = 4;

  /** From here on a hash takes so long that somebody may wonder. */
  private static final long SLOW_BYTES = 1L << 30;

  private static final String CARD = "README.md";
  private final HubSettings settings;
  private final HubHttp.Pause pause;
  private final Progress progress;
  private final PushRequest request;
  private final HubName name;
  private final String branch;
  private final HubMessages messages;

  private HubHttp http;
  private HubJson hub;
  private boolean isNew;

  /**
   * @param pause how to wait between tries
   * @throws InputException if the names in the request are none
   */
  HubPush(HubSettings settings, HubHttp.Pause pause, Progress progress, PushRequest request) {
    this.settings = settings;
    this.pause = pause;
    this.progress = progress;
    this.request = request;
    this.branch = request.revision() == null ? HubName.MAIN : request.revision();
    this.name = repository(request.repository(), branch);
    this.messages = new HubMessages(settings);
  }

  /**
   * A repository to push to, by its name.
   *
   * @throws InputException if there can be none of that name
   */
  static HubName repository(String id, String branch) {
    HubName name =
        HubName.of(HubName.Kind.MODEL, id)
            .filter(found -> found.id().indexOf('/') > 0 && id.indexOf('@') < 0)
            .orElseThrow(
                () ->
                    new InputException(
                        "'"
                            + id
                            + "' is no name of a repository; those have the form ORG/NAME, with"
                            + " your user name or an organisation as ORG, letters, digits, '-',"
                            + " '_' and '.', 96 characters at most"));
    if (!HubName.isRevision(branch) || HubName.isCommit(branch)) {
      throw new InputException(
          "'" + branch + "' is no name of a branch; a commit cannot be added to");
    }
    return name.at(branch);
  }

  /**
   * Pushes.
   *
   * @throws InputException if the hub does not let this user, or these files
   * @throws java.io.UncheckedIOException if the network or the hub fails on the way
   */
  PushResult run() {
    if (settings.isOffline()) {
      throw new InputException(
          "nothing can be pushed: networking is switched off by HF_HUB_OFFLINE; unset it");
    }
    if (settings.token().isEmpty()) {
      throw messages.noToken(name);
    }
    try (HubHttp opened = new HubHttp(settings, pause)) {
      http = opened;
      hub = new HubJson(opened);
      return push();
    } catch (HubFailure e) {
      throw messages.ofPush(name, e, isNew);
    } catch (IOException e) {
      throw messages.ofReading(name, e);
    }
  }

  private PushResult push() throws IOException {
    create();
    BranchState before = state();
    List<String> kept = new ArrayList<>();
    List<PushFile> files = new ArrayList<>();
    for (PushFile file : request.files()) {
      if (isForeign(file, before)) {
        kept.add(file.name());
      } else {
        files.add(file);
        checkCard(file);
      }
    }
    Map<String, Answer> answers = asked(files, before);
    List<String> unchanged = new ArrayList<>();
    List<String> ignored = new ArrayList<>();
    List<PushFile> inline = new ArrayList<>();
    List<LfsObject> large = new ArrayList<>();
    for (PushFile file : files) {
      Answer answer = answers.get(file.name());
      if (file.sizeBytes() >= SLOW_BYTES) {
        progress.report(
            "Reading " + file.name() + " (" + Meter.size(file.sizeBytes()) + ") for its hash.");
      }
      String hash = answer.isLarge() ? file.sha256() : file.gitHash();
      if (answer.isIgnored()) {
        ignored.add(file.name());
      } else if (hash.equals(answer.etag())) {
        unchanged.add(file.name());
      } else if (answer.isLarge()) {
        large.add(new LfsObject(file, hash));
      } else {
        inline.add(file);
      }
    }
    List<String> removed = removed(before);
    List<String> pushed = new ArrayList<>();
    inline.forEach(file -> pushed.add(file.name()));
    large.forEach(object -> pushed.add(object.file().name()));
    pushed.sort(null);
    String page = messages.page(name);
    if (pushed.isEmpty() && removed.isEmpty()) {
      return new PushResult(
          page, before.commit(), null, isNew, pushed, unchanged, kept, ignored, removed, 0);
    }
    LfsUpload upload = new LfsUpload(http, name, progress);
    upload.all(large);
    for (PushFile file : files) {
      file.checkUnchanged();
    }
    HubCommit.Made made =
        new HubCommit(before, inline, large, removed).make(hub, name, branch, request);
    return new PushResult(
        page,
        made.commit(),
        made.pullRequest(),
        isNew,
        pushed,
        unchanged,
        kept,
        ignored,
        removed,
        upload.uploadedBytes());
  }

  /** Makes the repository, unless it is there. */
  private void create() throws IOException {
    String[] parts = name.id().split("/");
    ObjectNode content = JSON.createObjectNode();
    content.put("name", parts[1]).put("organization", parts[0]).put("type", "model");
    if (request.isPrivate()) {
      content.put("visibility", "private");
    }
    for (int tries = 1; ; tries++) {
      try {
        hub.post(http.at("/api/repos/create"), content);
        isNew = true;
        return;
      } catch (HubFailure e) {
        boolean mayExist =
            switch (e.kind()) {
              case CONFLICT, FORBIDDEN, REPOSITORY -> true;
              default -> false;
            };
        if (!mayExist) {
          throw e;
        }
        if (isThere(e)) {
          return;
        }
        // The hub makes one repository of a user at a time.
        if (e.kind() != HubFailure.Kind.CONFLICT || tries == MOST_TRIES) {
          throw e;
        }
        http.waitBeforeTry(tries, e);
      }
    }
  }

  /** Whether a repository that could not be made is there, and open to this token. */
  private boolean isThere(HubFailure notMade) throws IOException {
    JsonNode info;
    try {
      info = hub.get(name.apiPath());
    } catch (HubFailure e) {
      if (e.isPassing()) {
        throw e;
      }
      return false;
    }
    if (request.isPrivate() && !info.path("private").asBoolean()) {
      throw new InputException(
          "the repository "
              + name.id()
              + " is there, and it is public: nothing was pushed. Make it private on "
              + messages.page(name)
              + "/settings, or push to a new one",
          notMade);
    }
    return true;
  }

  private BranchState state() throws IOException {
    try {
      return BranchState.of(hub, name, branch);
    } catch (HubFailure e) {
      if (e.kind() != HubFailure.Kind.REVISION) {
        throw e;
      }
      if (branch.equals(HubName.MAIN)) {
        return new BranchState(
            null, new RepositoryFiles(Map.of())); // a repository without any commit
      }
      if (branch.startsWith("refs/")) {
        throw e;
      }
    }
    progress.report("Making the branch " + branch + " of " + name.id() + ".");
    URI uri = http.at(name.apiPath() + "/branch/" + HubName.encoded(branch));
    try {
      hub.post(uri, JSON.createObjectNode());
    } catch (HubFailure e) {
      if (e.kind() != HubFailure.Kind.CONFLICT) { // made by another meanwhile
        throw e;
      }
    }
    return BranchState.of(hub, name, branch);
  }

  /** Whether the hub has a file of that name that is not ours to replace. */
  private boolean isForeign(PushFile file, BranchState before) throws IOException {
    if (file.mark() == null || !before.files().has(file.name())) {
      return false;
    }
    URI uri = http.at(name.filePath(before.commit(), file.name()));
    String there =
        new String(http.get(uri, HubJson.MOST_ANSWER_BYTES, false), StandardCharsets.UTF_8);
    return !there.contains(file.mark());
  }

  /** Lets the hub look at a card's metadata before anything large goes its way. */
  private void checkCard(PushFile file) throws IOException {
    if (!file.name().equals(CARD)) {
      return;
    }
    ObjectNode content = JSON.createObjectNode();
    content.put("content", new String(file.bytes(), StandardCharsets.UTF_8));
    content.put("repoType", "model");
    try {
      hub.post(http.at("/api/validate-yaml"), content);
    } catch (HubFailure e) {
      if (e.status() == 400) {
        throw new InputException(
            CARD
                + " begins with metadata that the hub does not take: "
                + e.getMessage()
                + ". Nothing was pushed",
            e);
      }
      if (e.status() != 404) { // a hub of another make, which looks at it with the commit
        throw e;
      }
    }
  }

  /**
   * What the hub says of a file that is to come.
   *
   * @param isLarge whether it belongs into the store of large files
   * @param etag the hash of what it has of that name; empty: nothing
   */
  private record Answer(boolean isLarge, boolean isIgnored, String etag) {}

  private Map<String, Answer> asked(List<PushFile> files, BranchState before) throws IOException {
    URI uri =
        http.at(
            name.apiPath()
                + "/preupload/"
                + HubName.encoded(branch)
                + (request.asPullRequest() ? "?create_pr=1" : ""));
    Map<String, Answer> answers = new HashMap<>();
    for (int from = 0; from < files.size(); from += FILES_OF_A_QUESTION) {
      List<PushFile> some = files.subList(from, Math.min(files.size(), from + FILES_OF_A_QUESTION));
      ObjectNode question = JSON.createObjectNode();
      ArrayNode list = question.putArray("files");
      for (PushFile file : some) {
        try (InputStream in = file.open(0)) {
          list.addObject()
              .put("path", file.name())
              .put("sample", Base64.getEncoder().encodeToString(in.readNBytes(SAMPLE_BYTES)))
              .put("size", file.sizeBytes());
        }
      }
      for (JsonNode said : hub.post(uri, question).path("files")) {
        String path = said.path("path").asText();
        String there = before.files().has(path) ? before.files().entry(path).etag() : null;
        String mode = said.path("uploadMode").asText();
        if (mode.equals("lfs") || mode.equals("regular")) {
          answers.put(
              path,
              new Answer(
                  mode.equals("lfs"),
                  said.path("shouldIgnore").asBoolean(),
                  said.path("oid").asText(there == null ? "" : there)));
        }
      }
    }
    Map<String, Answer> out = new LinkedHashMap<>();
    for (PushFile file : files) {
      Answer answer = answers.get(file.name());
      if (answer == null) {
        throw hub.broken("does not say how it wants " + file.name());
      }
      // Stores do not take nothing.
      boolean isLarge = answer.isLarge() && file.sizeBytes() > 0;
      out.put(file.name(), new Answer(isLarge, answer.isIgnored(), answer.etag()));
    }
    return out;
  }

  /** Files of an earlier model that this one has not: they would be read beside it. */
  private List<String> removed(BranchState before) {
    Set<String> ours = new HashSet<>();
    request.files().forEach(file -> ours.add(file.name()));
    return before.files().names().stream()
        .filter(file -> request.isReplaced().test(file) && !ours.contains(file))
        .sorted()
        .toList();
  }
}
