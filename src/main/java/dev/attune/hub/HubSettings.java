package dev.attune.hub;

import dev.attune.core.InputException;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where the hub is, where its cache is, and who asks: the environment variables of Python's {@code
 * huggingface_hub}, by its rules, so that both find each other's files.
 */
final class HubSettings {
  /** The public hub. */
  static final String PUBLIC = "https://huggingface.co";

  private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
  private static final Pattern VARIABLE = Pattern.compile("\\$(?:(\\w+)|\\{(\\w+)\\})");
  private static final int USUAL_TIMEOUT_SECONDS = 10;

  private final Map<String, String> environment;
  private final String userHome;

  private HubSettings(Map<String, String> environment, String userHome) {
    this.environment = environment;
    this.userHome = userHome;
  }

  /** Those of this process. */
  static HubSettings user() {
    return of(System.getenv(), System.getProperty("user.home"));
  }

  /**
   * Settings of another environment.
   *
   * @param userHome where the environment names no HOME
   */
  static HubSettings of(Map<String, String> environment, String userHome) {
    return new HubSettings(Map.copyOf(environment), userHome);
  }

  private Optional<String> value(String... names) {
    for (String name : names) {
      String value = environment.get(name);
      if (value != null && !value.isEmpty()) {
        return Optional.of(value);
      }
    }
    return Optional.empty();
  }

  private boolean isTrue(String... names) {
    return value(names).map(v -> TRUE.contains(v.toUpperCase(Locale.ROOT))).orElse(false);
  }

  private String home() {
    return value("HOME").orElse(userHome);
  }

  private Path path(String value, String variable) {
    String expanded = value;
    if (value.equals("~") || value.startsWith("~/") || value.startsWith("~\\")) {
      expanded = home() + value.substring(1);
    }
    Matcher variables = VARIABLE.matcher(expanded);
    expanded =
        variables.replaceAll(
            found -> {
              String name = found.group(1) != null ? found.group(1) : found.group(2);
              return Matcher.quoteReplacement(environment.getOrDefault(name, found.group()));
            });
    try {
      return Path.of(expanded).toAbsolutePath().normalize();
    } catch (InvalidPathException e) {
      throw new InputException(variable + " is '" + value + "', which is no path", e);
    }
  }

  private Path hubHome() {
    Optional<String> named = value("HF_HOME");
    if (named.isPresent()) {
      return path(named.get(), "HF_HOME");
    }
    return path(value("XDG_CACHE_HOME").orElse(home() + "/.cache"), "XDG_CACHE_HOME")
        .resolve("huggingface");
  }

  /** The cache's folder, absolute; need not exist. */
  Path cache() {
    for (String name : new String[] {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
      Optional<String> named = value(name);
      if (named.isPresent()) {
        return path(named.get(), name);
      }
    }
    return hubHome().resolve("hub");
  }

  /**
   * The hub's address, without a slash at its end.
   *
   * @throws InputException if HF_ENDPOINT is none
   */
  URI endpoint() {
    String given = value("HF_ENDPOINT").orElse(PUBLIC).replaceAll("/+$", "");
    try {
      URI address = new URI(given);
      boolean isWeb = "https".equals(address.getScheme()) || "http".equals(address.getScheme());
      if (isWeb && address.getHost() != null && address.getRawUserInfo() == null) {
        return address;
      }
    } catch (URISyntaxException e) {
      // The same complaint.
    }
    throw new InputException("HF_ENDPOINT is not the address of a hub; it has the form " + PUBLIC);
  }

  /** Whether the user has switched networking off. */
  boolean isOffline() {
    // The first that is set decides, as huggingface_hub has it.
    return isTrue("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE");
  }

  /** Whether files of the cache are to be copies even where links can be made. */
  boolean avoidsLinks() {
    return isTrue("HF_HUB_DISABLE_SYMLINKS");
  }

  /** How long an answer may take to begin. */
  int answerTimeoutSeconds() {
    return seconds("HF_HUB_ETAG_TIMEOUT");
  }

  /** How long a transfer may pause. */
  int transferTimeoutSeconds() {
    return seconds("HF_HUB_DOWNLOAD_TIMEOUT");
  }

  private int seconds(String name) {
    String given = value(name).orElse(Integer.toString(USUAL_TIMEOUT_SECONDS));
    try {
      int seconds = Integer.parseInt(given.strip());
      if (seconds > 0) {
        return seconds;
      }
    } catch (NumberFormatException e) {
      // The same complaint.
    }
    throw new InputException(name + " is '" + given + "'; it is a number of seconds, at least 1");
  }

  /** Where a token is looked for when no variable holds one. */
  Path tokenFile() {
    Optional<String> named = value("HF_TOKEN_PATH");
    return named.isPresent() ? path(named.get(), "HF_TOKEN_PATH") : hubHome().resolve("token");
  }

  /**
   * The user's token; messages must never hold it.
   *
   * @throws InputException if there is one that cannot be read or sent
   */
  Optional<String> token() {
    if (isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
      return Optional.empty();
    }
    Optional<String> place = tokenPlace();
    return place.isEmpty() ? place : Optional.of(tokenIn(place.get()));
  }

  /** The variable or the file that holds a token; empty: there is none. */
  Optional<String> tokenPlace() {
    for (String name : new String[] {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
      if (value(name).isPresent()) {
        return value(name).filter(token -> !token.isBlank()).map(token -> name);
      }
    }
    return fileToken().map(token -> tokenFile().toString());
  }

  private String tokenIn(String place) {
    String token = value(place).or(this::fileToken).orElse("").strip();
    if (token.chars().anyMatch(c -> c <= ' ' || c > '~')) {
      throw new InputException(
          "the token in " + place + " has characters that no token has; put it there anew");
    }
    return token;
  }

  private Optional<String> fileToken() {
    try {
      return Optional.of(Files.readString(tokenFile()).strip()).filter(token -> !token.isEmpty());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new InputException("the token file " + tokenFile() + " cannot be read: " + e, e);
    }
  }

  /** How requests leave this machine. */
  HubProxies proxies() {
    return HubProxies.of(environment);
  }
}
