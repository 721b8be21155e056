package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.server.access.ApiKey;
import dev.attune.server.access.KeyStore;
import dev.attune.server.data.DataFolder;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code attune keys}: who may use a server. */
final class KeysCommand implements Command {
  private static final Pattern TIME = Pattern.compile("([1-9][0-9]{0,5})([dhm])");

  @Override
  public String name() {
    return "keys";
  }

  @Override
  public String summary() {
    return "create, list and revoke API keys of a server";
  }

  @Override
  public String words() {
    return "create | list | revoke ID...";
  }

  @Override
  public String details() {
    return """
        create    makes a key and shows it, this once: only a hash of it is kept
        list      all keys, also those that have expired or were revoked
        revoke    from then on a key opens nothing; by its id, key_...

        A server may be running on the data folder or not; it knows at once. From the first key on it asks
        for one. Tenants see nothing of one another; local is that of requests without a key.

        examples:
          attune keys create --scope inference,training --tenant reviews --expires 90d
          attune keys list
          attune keys revoke key_3kTbPd0aLx9QmZ5r
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.KEYS;
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig config = arguments.config();
    List<String> words = arguments.words();
    String what = words.isEmpty() ? "" : words.get(0);
    List<String> ids = words.isEmpty() ? words : words.subList(1, words.size());
    if (!List.of("create", "list", "revoke").contains(what)) {
      throw new InputException(
          (what.isEmpty() ? "say what to do" : "there is no attune keys " + what)
              + "; it is one of create, list and revoke: attune keys --help");
    }
    if (what.equals("revoke") == ids.isEmpty()) {
      throw new InputException(
          what.equals("revoke")
              ? "say which keys: attune keys revoke ID..."
              : "attune keys " + what + " takes no names");
    }
    for (RunOption option : CommandOptions.KEYS) {
      if (option != RunOption.DATA_DIR && config.isGiven(option) && !what.equals("create")) {
        throw new InputException(option + " is for attune keys create");
      }
    }
    if (!what.equals("create")) {
      DataFolder.checkUsed(config.path(RunOption.DATA_DIR));
    }
    try (DataFolder data = DataFolder.openBeside(config.path(RunOption.DATA_DIR))) {
      KeyStore keys = new KeyStore(data.journal());
      switch (what) {
        case "create" -> create(keys, config, console, result);
        case "list" -> list(keys, console, result);
        default -> revoke(keys, ids, console);
      }
    }
    return ExitStatus.DONE;
  }

  private static void create(KeyStore keys, RunConfig config, Console console, ObjectNode result) {
    KeyStore.Created created =
        keys.create(
            config.isGiven(RunOption.KEY_NAME) ? config.text(RunOption.KEY_NAME) : "",
            config.required(RunOption.TENANT),
            KeyStore.scopes(List.of(config.required(RunOption.SCOPE).split(" *, *"))),
            lifetime(config));
    result.setAll(created.key().toJson());
    result.put("value", created.text());
    console.line("%s", created.text());
    console.line(
        "This is shown once. Key %s of tenant %s, for %s%s",
        created.key().id(),
        created.key().tenant(),
        String.join(", ", created.key().scopeNames()),
        created.key().expires() == null ? "" : ", until " + created.key().expires());
  }

  private static Duration lifetime(RunConfig config) {
    if (!config.isGiven(RunOption.EXPIRES)) {
      return null;
    }
    String text = config.text(RunOption.EXPIRES).strip();
    Matcher time = TIME.matcher(text);
    if (!time.matches()) {
      throw new InputException(
          RunOption.EXPIRES
              + " is '"
              + text
              + "'; it must be a number of days, hours or minutes, as 90d, 12h or 30m");
    }
    long count = Long.parseLong(time.group(1));
    return switch (time.group(2)) {
      case "d" -> Duration.ofDays(count);
      case "h" -> Duration.ofHours(count);
      default -> Duration.ofMinutes(count);
    };
  }

  private static void list(KeyStore keys, Console console, ObjectNode result) {
    ArrayNode json = result.putArray("keys");
    for (ApiKey key : keys.list()) {
      json.add(key.toJson());
      console.line(
          "%-22s %-16s %-26s %-30s %s",
          key.id(), key.tenant(), String.join(",", key.scopeNames()), state(key), key.name());
    }
    if (json.isEmpty()) {
      console.line("there are no keys");
    }
  }

  private static String state(ApiKey key) {
    if (key.revoked() != null) {
      return "revoked " + key.revoked();
    }
    if (key.expires() == null) {
      return "";
    }
    return (key.expires().isAfter(Instant.now()) ? "until " : "expired ") + key.expires();
  }

  private static void revoke(KeyStore keys, List<String> ids, Console console) {
    for (String id : ids) {
      if (!keys.revoke(id)) {
        throw new InputException(
            "there is no key '" + id + "' that is not revoked; attune keys list shows all");
      }
      console.line("%s opens nothing any more", id);
    }
  }
}
