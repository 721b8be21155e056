package dev.attune.server.http;

import dev.attune.server.http.Caller.Scope;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What answers requests of one method to paths of one form.
 *
 * @param method such as GET
 * @param path such as {@code /v1/files/{file}}: what stands in braces is any one step
 * @param scope that the caller's key must have; null: no key is asked for
 * @param handler answers
 */
public record Route(String method, String path, Scope scope, Handler handler) {
  /** Answers a request. What it throws becomes an error in OpenAI's form. */
  public interface Handler {
    void handle(Exchange exchange) throws Exception;
  }

  /** What a path has in place of what stands in braces; empty where it is of another form. */
  Optional<Map<String, String>> match(String[] steps) {
    String[] wanted = path.split("/", -1);
    if (wanted.length != steps.length) {
      return Optional.empty();
    }
    Map<String, String> parameters = new HashMap<>();
    for (int i = 0; i < steps.length; i++) {
      if (wanted[i].startsWith("{") && !steps[i].isEmpty()) {
        parameters.put(wanted[i].substring(1, wanted[i].length() - 1), steps[i]);
      } else if (!wanted[i].equals(steps[i])) {
        return Optional.empty();
      }
    }
    return Optional.of(parameters);
  }
}
