package dev.attune.hub;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Optional;

/** What a user is told when something of the hub cannot be had, and what would help. */
final class HubMessages {
  private final HubSettings settings;

  HubMessages(HubSettings settings) {
    this.settings = settings;
  }

  /** The page of a repository. */
  String page(HubName name) {
    return settings.endpoint() + name.pagePath();
  }

  private static String kind(HubName name) {
    return name.kind() == HubName.Kind.MODEL ? "model" : "dataset";
  }

  /**
   * The exception for a failure: of a name that is wrong here, of one that could not be had now.
   *
   * @param cached what the cache has of it instead, a sentence; empty: nothing to say
   */
  RuntimeException of(HubName name, HubFailure failure, String cached) {
    String message = message(name, failure);
    if (failure.isAboutTheName()) {
      return new InputException(message, failure);
    }
    message += cached + ". " + WAYS;
    // Without any connection nobody can know whether the name is one.
    return failure.kind() == HubFailure.Kind.UNREACHABLE
            || failure.kind() == HubFailure.Kind.OFFLINE
        ? new InputException(message, failure)
        : new UncheckedIOException(message, failure);
  }

  private static final String WAYS =
      "A folder on this machine works too. A cache that was filled elsewhere can be copied;"
          + " HF_HUB_CACHE names it, and with HF_HUB_OFFLINE=1 the hub is not asked at all."
          + " HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror";

  private String message(HubName name, HubFailure failure) {
    String what = kind(name) + " " + name.id();
    return switch (failure.kind()) {
      case REPOSITORY ->
          "there is no "
              + what
              + " on "
              + settings.endpoint()
              + ", or it is private and "
              + tokenPlace()
                  .map(place -> "the token in " + place + " does not see it")
                  .orElse("no token is set")
              + ". See "
              + page(name)
              + tokenAdvice();
      case GATED ->
          "the "
              + what
              + " is gated: its owner wants to be asked first. Accept the terms on "
              + page(name)
              + tokenPlace()
                  .map(place -> ", with the account of the token in " + place)
                  .orElse(tokenAdvice());
      case REVISION ->
          "the "
              + what
              + " has no revision '"
              + name.revision()
              + "'; its branches and tags are on "
              + page(name)
              + "/tree/main";
      case ENTRY -> failure.getMessage() + "; the files are on " + page(name) + "/tree/main";
      case FORBIDDEN ->
          tokenPlace().map(place -> "the token in " + place).orElse("being nobody")
              + " does not do for the "
              + what
              + ": "
              + failure.getMessage()
              + ". See "
              + page(name)
              + tokenAdvice();
      default -> "the " + what + " could not be fetched: " + failure.getMessage();
    };
  }

  /** The exception for a push without a token. */
  InputException noToken(HubName name) {
    return new InputException(
        "pushing to "
            + name.id()
            + " needs a token that may write, and there is none"
            + tokenAdvice().replaceFirst("A token", "One"));
  }

  /**
   * The exception for a push that failed.
   *
   * @param isNew whether the repository was made just before
   */
  RuntimeException ofPush(HubName name, HubFailure failure, boolean isNew) {
    String made = isNew ? ". The repository " + page(name) + " was made, and it is empty" : "";
    String token = "the token in " + tokenPlace().orElse("HF_TOKEN");
    String said = failure.getMessage();
    String message =
        switch (failure.kind()) {
          case REPOSITORY, FORBIDDEN, GATED ->
              token
                  + " may not write to "
                  + name.id()
                  + ": "
                  + said
                  + ". It must be valid, have the permission to write, and its owner must be "
                  + name.id().replaceFirst("/.*", "")
                  + " or a member of that organisation"
                  + tokenAdvice();
          case REVISION ->
              name.id()
                  + " has no branch '"
                  + name.revision()
                  + "', and one of that name cannot be made; its branches are on "
                  + page(name)
                  + "/tree/main";
          case CONFLICT ->
              name
                  + " has changed while this was being pushed ("
                  + said
                  + "); it is as the other left it. Push again to come after";
          case TOO_LARGE ->
              "the hub does not take so much at a time: "
                  + said
                  + ". See "
                  + settings.endpoint()
                  + "/docs/hub/storage-limits";
          default ->
              name
                  + " could not be pushed to: "
                  + said
                  + ". Nothing of it is visible there; the next push leaves out what has arrived"
                  + " whole";
        };
    boolean isInput =
        failure.isAboutTheName()
            || failure.kind() == HubFailure.Kind.TOO_LARGE
            || failure.kind() == HubFailure.Kind.UNREACHABLE;
    return isInput
        ? new InputException(message + made, failure)
        : new UncheckedIOException(message + made, failure);
  }

  /** The exception for files that cannot be read. */
  RuntimeException ofReading(HubName name, IOException failure) {
    return new UncheckedIOException(
        "the files for " + name + " cannot be read: " + failure, failure);
  }

  private Optional<String> tokenPlace() {
    return settings.token().isEmpty() ? Optional.empty() : settings.tokenPlace();
  }

  private String tokenAdvice() {
    return ". A token is made on "
        + settings.endpoint()
        + "/settings/tokens; set HF_TOKEN to it, or put it into "
        + settings.tokenFile();
  }

  /** The exception for a disk that would not do. */
  RuntimeException ofStorage(HubName name, IOException failure) {
    String reason = failure instanceof StorageFailure ? failure.getMessage() : failure.toString();
    return new UncheckedIOException(
        "the "
            + kind(name)
            + " "
            + name
            + " could not be put into the cache "
            + settings.cache()
            + ": "
            + reason
            + ". What has arrived is kept, and the next try goes on there. Make room, or name"
            + " another place by HF_HUB_CACHE",
        failure);
  }
}
