package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Optional;

/** What a status of 400 or more means, by the hub's own error codes. */
final class HubRefusals {
  private static final int MOST_CHARACTERS = 300;
  private static final String WRONG_TOKEN = "Invalid credentials in Authorization header";

  private HubRefusals() {}

  /**
   * A refusal of the store that the hub leads to. Its addresses are signed and expire: asking the
   * hub again gives another.
   */
  static HubFailure ofStore(HubAnswer answer, long retryAfterSeconds) {
    return new HubFailure(
        kindOfStore(answer.status()),
        answer.uri().getHost()
            + ", where the hub keeps files, answers with status "
            + answer.status(),
        answer.status(),
        retryAfterSeconds,
        null,
        null);
  }

  private static HubFailure.Kind kindOfStore(int status) {
    if (status == 416) {
      return HubFailure.Kind.RANGE;
    }
    boolean isBusy = status == 408 || status == 429 || status >= 500;
    return isBusy ? HubFailure.Kind.BUSY : HubFailure.Kind.EXPIRED;
  }

  /**
   * A refusal of the hub.
   *
   * @param body what came with it
   * @param withToken whether the request carried a token
   * @param retryAfterSeconds as the server asks; negative: it does not
   */
  static HubFailure ofHub(
      HubAnswer answer, String body, boolean withToken, long retryAfterSeconds) {
    int status = answer.status();
    String said = message(answer, body);
    HubFailure.Kind kind = kind(answer, said, withToken);
    String where = answer.uri().getScheme() + "://" + answer.uri().getRawAuthority();
    String path = answer.uri().getRawPath();
    return new HubFailure(
        kind,
        where
            + path
            + " answers with status "
            + status
            + (said.isEmpty() ? "" : " (" + said + ")")
            + (retryAfterSeconds > 0 ? ", and asks to wait " + retryAfterSeconds + " s" : ""),
        status,
        retryAfterSeconds,
        answer.header("X-Repo-Commit").filter(HubName::isCommit).orElse(null),
        null);
  }

  private static HubFailure.Kind kind(HubAnswer answer, String said, boolean withToken) {
    int status = answer.status();
    String code = answer.header("X-Error-Code").orElse("");
    switch (code) {
      case "RepoNotFound":
        return HubFailure.Kind.REPOSITORY;
      case "GatedRepo":
        return HubFailure.Kind.GATED;
      case "RevisionNotFound":
        return HubFailure.Kind.REVISION;
      case "EntryNotFound":
        return HubFailure.Kind.ENTRY;
      default:
        break;
    }
    if (status == 401) {
      // Without a token this is also how the hub says that a repository does not exist.
      return withToken && said.contains(WRONG_TOKEN)
          ? HubFailure.Kind.FORBIDDEN
          : HubFailure.Kind.REPOSITORY;
    }
    return kind(status);
  }

  /** What a status means by itself. */
  static HubFailure.Kind kind(int status) {
    if (status == 402 || status == 403) {
      return HubFailure.Kind.FORBIDDEN;
    }
    if (status == 409 || status == 412) {
      return HubFailure.Kind.CONFLICT;
    }
    if (status == 413) {
      return HubFailure.Kind.TOO_LARGE;
    }
    if (status == 416) {
      return HubFailure.Kind.RANGE;
    }
    if (status == 408 || status == 429 || status >= 500) {
      return HubFailure.Kind.BUSY;
    }
    return HubFailure.Kind.BROKEN;
  }

  /** The server's own words, short and on one line. */
  private static String message(HubAnswer answer, String body) {
    String text = answer.header("X-Error-Message").or(() -> error(body)).orElse("");
    return onOneLine(text);
  }

  /** Another's words as a part of a sentence of ours. */
  static String onOneLine(String text) {
    String line = text.replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
    return line.length() > MOST_CHARACTERS ? line.substring(0, MOST_CHARACTERS) + "…" : line;
  }

  private static Optional<String> error(String body) {
    try {
      JsonNode error = new ObjectMapper().readTree(body).path("error");
      return error.isTextual() ? Optional.of(error.asText()) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // a page for people
    }
  }
}
