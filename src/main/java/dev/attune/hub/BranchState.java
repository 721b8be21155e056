package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;

/**
 * A branch at some time.
 *
 * @param commit null: it has none yet
 */
record BranchState(String commit, RepositoryFiles files) {
  /** Asks the hub; once. */
  static BranchState of(HubJson hub, HubName name, String branch) throws IOException {
    JsonNode info =
        hub.get(name.apiPath() + "/revision/" + HubName.encoded(branch) + "?blobs=true");
    String commit = info.path("sha").asText();
    if (!HubName.isCommit(commit)) {
      throw hub.broken("names no commit of " + name);
    }
    return new BranchState(commit, RepositoryFiles.ofAnswer(info));
  }

  /** Whether there is a file of that name and hash. */
  boolean has(String file, String etag) {
    return files.has(file) && etag.equals(files.entry(file).etag());
  }
}
