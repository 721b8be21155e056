package dev.attune.hub;

import java.io.IOException;
import java.util.Optional;

/**
 * What the hub says of one file.
 *
 * @param commit at which it is so
 * @param etag its hash, and its name in the cache: SHA-256 of a large file, else git's SHA-1
 * @param sizeBytes negative: not said
 */
record FileFacts(String commit, String etag, long sizeBytes) {
  private static final int MOST_ETAG_CHARACTERS = 128;

  /** Asks for a file at a revision. */
  static FileFacts ask(HubHttp http, HubName name, String revision, String file)
      throws IOException {
    HubAnswer answer = http.persistently(() -> http.head(http.at(name.filePath(revision, file))));
    String commit = answer.header("X-Repo-Commit").orElse("");
    String etag =
        answer
            .header("X-Linked-Etag")
            .or(() -> answer.header("ETag"))
            .map(FileFacts::plain)
            .orElse("");
    if (!HubName.isCommit(commit) || !isFileName(etag)) {
      throw new HubFailure(
          HubFailure.Kind.BROKEN,
          answer.uri().getHost()
              + " does not answer as a hub does: it names no commit and hash of "
              + file
              + "; is HF_ENDPOINT right, and does no proxy or login page stand between?");
    }
    // The length of a redirect is not that of the file.
    Optional<String> length =
        answer.status() / 100 == 2 ? answer.header("Content-Length") : Optional.empty();
    String size = answer.header("X-Linked-Size").or(() -> length).orElse("");
    return new FileFacts(commit, etag, size.matches("\\d{1,18}") ? Long.parseLong(size) : -1);
  }

  /** An etag without the marks of HTTP: W/"…". */
  private static String plain(String etag) {
    return etag.strip().replaceFirst("^W/", "").replaceAll("^\"+|\"+$", "");
  }

  private static boolean isFileName(String etag) {
    return etag.length() <= MOST_ETAG_CHARACTERS && etag.matches("[0-9A-Za-z][0-9A-Za-z_-]*");
  }
}
