package dev.attune.hub;

import dev.attune.core.InputException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One file of a dataset on the hub: {@code hf://datasets/ORG/NAME@REVISION/path/file.csv}.
 *
 * @param path below the repository's root
 */
record HubFile(HubName repository, String path) {
  /** What such names begin with. */
  static final String SCHEME = "hf://";

  private static final Pattern FORM =
      Pattern.compile(
          "hf://datasets/(?<id>[^/@]+/[^/@]+)"
              // The two kinds of revisions that have slashes need no %2F.
              + "(?:@(?<revision>refs/(?:convert|pr)/[^/]+|[^/]+))?/(?<path>.+)");

  /**
   * The file that is named so.
   *
   * @throws InputException if the name has another form
   */
  static HubFile of(String name) {
    Matcher form = FORM.matcher(name);
    if (form.matches() && RepositoryPath.isSafe(form.group("path"))) {
      String revision = form.group("revision");
      String text = form.group("id") + (revision == null ? "" : "@" + decoded(revision));
      var repository = HubName.of(HubName.Kind.DATASET, text);
      if (repository.isPresent()) {
        return new HubFile(repository.get(), form.group("path"));
      }
    }
    throw new InputException(
        "'"
            + name
            + "' is no name of a file on the hub; those have the form"
            + " hf://datasets/ORG/NAME/path/file.csv, or hf://datasets/ORG/NAME@REVISION/path/file.csv");
  }

  private static String decoded(String revision) {
    // A plus is a plus here, as in every address outside of forms.
    return URLDecoder.decode(revision.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  @Override
  public String toString() {
    return SCHEME + "datasets/" + repository + "/" + path;
  }
}
