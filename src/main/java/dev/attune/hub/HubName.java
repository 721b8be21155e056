package dev.attune.hub;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A repository of the hub at a revision, as {@code ORG/NAME@REVISION} names it.
 *
 * @param id {@code ORG/NAME}, or the bare {@code NAME} of the hub's oldest models
 * @param revision a branch, a tag or a commit
 */
record HubName(Kind kind, String id, String revision) {
  /** The branch that counts where none is named. */
  static final String MAIN = "main";

  /** Stands for the slash in names of folders, and so in no name. */
  static final String SLASH = "-".repeat(2);

  private static final int MOST_CHARACTERS = 96;
  private static final String PART = "\\w(?:[\\w.-]*\\w)?";
  private static final Pattern ID = Pattern.compile("(?:" + PART + "/)?" + PART);

  /**
   * The hub's oldest models, which have no organisation in their names. Any other bare word is a
   * folder that was mistyped, and nobody else's business.
   */
  private static final Set<String> OLDEST =
      Set.of(
          "albert-base-v1",
          "albert-base-v2",
          "albert-large-v1",
          "albert-large-v2",
          "albert-xlarge-v1",
          "albert-xlarge-v2",
          "albert-xxlarge-v1",
          "albert-xxlarge-v2",
          "bert-base-cased",
          "bert-base-chinese",
          "bert-base-german-cased",
          "bert-base-multilingual-cased",
          "bert-base-multilingual-uncased",
          "bert-base-uncased",
          "bert-large-cased",
          "bert-large-cased-whole-word-masking",
          "bert-large-uncased",
          "bert-large-uncased-whole-word-masking",
          "bert-large-uncased-whole-word-masking-finetuned-squad",
          "camembert-base",
          "distilbert-base-cased",
          "distilbert-base-cased-distilled-squad",
          "distilbert-base-german-cased",
          "distilbert-base-multilingual-cased",
          "distilbert-base-uncased",
          "distilbert-base-uncased-distilled-squad",
          "distilbert-base-uncased-finetuned-sst-2-english",
          "distilgpt2",
          "distilroberta-base",
          "gpt2",
          "gpt2-large",
          "gpt2-medium",
          "gpt2-xl",
          "roberta-base",
          "roberta-large",
          "roberta-large-mnli",
          "xlm-roberta-base",
          "xlm-roberta-large");

  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

  /** What a repository holds. */
  enum Kind {
    MODEL(""),
    DATASET("datasets/");

    private final String pagePrefix;

    Kind(String pagePrefix) {
      this.pagePrefix = pagePrefix;
    }

    /** "models", as it stands in addresses of the hub's API and in names of folders. */
    String plural() {
      return name().toLowerCase(Locale.ROOT) + "s";
    }

    /** What stands before the id in addresses of pages and files. */
    String pagePrefix() {
      return pagePrefix;
    }
  }

  /** A model that is named so; empty where the text is no name that the hub could have. */
  static Optional<HubName> ofModel(String text) {
    return of(Kind.MODEL, text)
        .filter(name -> name.id.indexOf('/') >= 0 || OLDEST.contains(name.id));
  }

  /** A repository that is named so. */
  static Optional<HubName> of(Kind kind, String text) {
    int at = text.indexOf('@');
    String id = at < 0 ? text : text.substring(0, at);
    String revision = at < 0 ? MAIN : text.substring(at + 1);
    return isId(id) && isRevision(revision)
        ? Optional.of(new HubName(kind, id, revision))
        : Optional.empty();
  }

  private static boolean isId(String id) {
    return id.length() <= MOST_CHARACTERS
        && ID.matcher(id).matches()
        && !id.contains(SLASH)
        && !id.contains("..")
        && !id.endsWith(".git");
  }

  /** Whether a text can be a revision, and a file of that name below a folder of revisions. */
  static boolean isRevision(String text) {
    return RepositoryPath.isSafe(text) && text.chars().noneMatch(c -> c == '@' || c == ' ');
  }

  /** Whether a text is a commit, whole: what it names never changes. */
  static boolean isCommit(String text) {
    return COMMIT.matcher(text).matches();
  }

  /** Whether the revision is a commit. */
  boolean isPinned() {
    return isCommit(revision);
  }

  /** The same repository at another revision. */
  HubName at(String other) {
    return new HubName(kind, id, other);
  }

  /** The folder of the cache: {@code models--ORG--NAME}. */
  String folderName() {
    return kind.plural() + SLASH + id.replace("/", SLASH);
  }

  /** Below the hub's address: what the API tells of the repository. */
  String apiPath() {
    return "/api/" + kind.plural() + "/" + id;
  }

  /** Below the hub's address: a file at a revision. */
  String filePath(String atRevision, String file) {
    return "/" + kind.pagePrefix + id + "/resolve/" + encoded(atRevision) + "/" + encodedPath(file);
  }

  /** Below the hub's address: the page for people. */
  String pagePath() {
    return "/" + kind.pagePrefix + id;
  }

  /** A revision as one part of an address. */
  static String encoded(String part) {
    return URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20");
  }

  private static String encodedPath(String file) {
    return encoded(file).replace("%2F", "/");
  }

  /** As a user writes it. */
  @Override
  public String toString() {
    return id + (revision.equals(MAIN) ? "" : "@" + revision);
  }
}
