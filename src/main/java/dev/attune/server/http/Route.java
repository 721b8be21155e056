package dev.attune.server.http;

import dev.attune.server.http.Caller.Scope;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What answers requests of one method to paths of one form.
 *
 * @param method such as GET, which answers HEAD too
 * @param path such as {@code /v1/files/{file}}: what stands in braces is any one step
 * @param scope that the caller's key must have; null: no key is asked for
 * @param handler answers, when the body has been read whole; null: the receiver does
 * @param receiver takes a body that is not held in memory; null: the handler has it whole
 */
public record Route(String method, String path, Scope scope, Handler handler, Receiver receiver) {
  /** One that a handler answers. */
  public Route(String method, String path, Scope scope, Handler handler) {
    this(method, path, scope, handler, null);
  }

  /** One whose body is taken piece by piece. */
  public static Route receiving(String method, String path, Scope scope, Receiver receiver) {
    return new Route(method, path, scope, null, receiver);
  }

  /** Answers a request. What it throws becomes an error in OpenAI's form. */
  public interface Handler {
    void handle(Exchange exchange) throws Exception;
  }

  /** Takes bodies that are too large to be held. */
  public interface Receiver {
    /** Begins one, before anything of it was read; what it throws refuses the request. */
    Receiving begin(Exchange exchange) throws Exception;
  }

  /** One body on its way. One thread at a time uses it. */
  public interface Receiving {
    /** Takes the next piece, which is another's when this returns. */
    void take(ByteBuffer piece) throws Exception;

    /** Answers, when all of it was taken. */
    void answer() throws Exception;

    /** The last call, however the request ended: what is not to be kept goes. */
    void close() throws Exception;
  }

  /** What a path has in place of what stands in braces; empty where it is of another form. */
  Optional<Map<String, String>> match(List<String> steps) {
    String[] wanted = path.split("/", -1);
    if (wanted.length != steps.size()) {
      return Optional.empty();
    }
    Map<String, String> parameters = new HashMap<>();
    for (int i = 0; i < wanted.length; i++) {
      String step = steps.get(i);
      if (wanted[i].startsWith("{") && !step.isEmpty()) {
        parameters.put(wanted[i].substring(1, wanted[i].length() - 1), step);
      } else if (!wanted[i].equals(step)) {
        return Optional.empty();
      }
    }
    return Optional.of(parameters);
  }

  boolean answers(String asked) {
    return method.equals(asked) || method.equals("GET") && asked.equals("HEAD");
  }
}
