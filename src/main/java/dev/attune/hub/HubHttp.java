package dev.attune.hub;

import dev.attune.core.InterruptedCallException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/**
 * Requests to the hub, one at a time from any number of threads: redirects, the token, waiting for
 * a server that is busy, silence on the line. Knows nothing of repositories.
 */
final class HubHttp implements AutoCloseable {
  private static final int MOST_REDIRECTS = 10;
  private static final int MOST_TRIES = 6;
  private static final long FIRST_PAUSE_MILLIS = 1000;
  private static final long LONGEST_PAUSE_MILLIS = 16_000;

  /** A server that asks for more patience than this is refused, with its wish in the message. */
  private static final long MOST_PATIENCE_SECONDS = 300;

  private static final int MOST_ERROR_BYTES = 1 << 16;
  private static final long POLL_MILLIS = 200;

  /** How much longer than a download a body on its way out may pause: it begins anew then. */
  private static final int SENDING_FACTOR = 3;

  /** How much longer the hub may be at work on what was sent: a commit of large files. */
  private static final int WORK_FACTOR = 12;

  /** "api";r=0;t=55: nothing is left of a quota for 55 seconds. */
  private static final Pattern SPENT = Pattern.compile(";\\s*r\\s*=\\s*0\\s*;\\s*t\\s*=\\s*(\\d+)");

  /** A pause before another try. */
  @FunctionalInterface
  interface Pause {
    void millis(long millis) throws InterruptedException;
  }

  /** Something to try, and to try again where it fails in passing. */
  @FunctionalInterface
  interface Attempt<T> {
    T run() throws IOException;
  }

  /** An answer with its body, to be closed. */
  record Opened(HubAnswer answer, InputStream body) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      body.close();
    }
  }

  private final HubSettings settings;
  private final URI endpoint;
  private final Optional<String> token;
  private final HubProxies proxies;
  private final Pause pause;
  private final HttpClient client;
  private final WatchedBodies bodies;
  private volatile boolean stopped;

  HubHttp(HubSettings settings) {
    this(settings, Thread::sleep);
  }

  /**
   * @param pause how to wait between tries
   */
  HubHttp(HubSettings settings, Pause pause) {
    this.settings = settings;
    this.endpoint = settings.endpoint();
    this.token = settings.token();
    this.proxies = settings.proxies();
    this.pause = pause;
    this.client =
        HttpClient.newBuilder()
            // Large bodies come faster and break in simpler ways than over HTTP/2's windows.
            .version(HttpClient.Version.HTTP_1_1)
            // By hand, below: the token must not follow to another host.
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(Duration.ofSeconds(settings.answerTimeoutSeconds()))
            .proxy(proxies)
            .build();
    this.bodies = new WatchedBodies(settings.transferTimeoutSeconds());
  }

  /** Whether requests carry a token. */
  boolean hasToken() {
    return token.isPresent();
  }

  /** Below the hub's address. */
  URI at(String path) {
    return URI.create(endpoint + path);
  }

  /**
   * What the hub says of a file: follows redirects as long as they stay on the hub. One that leads
   * away is the answer: it carries all that is to be known.
   */
  HubAnswer head(URI uri) throws IOException {
    try (Opened opened = open("HEAD", uri, Map.of(), null, true)) {
      return opened.answer();
    }
  }

  /**
   * A body of bounded size.
   *
   * @param once whether to give up at the first failure; else there are more tries while the hub is
   *     in trouble, though none where it cannot be reached at all
   */
  byte[] get(URI uri, int mostBytes, boolean once) throws IOException {
    Attempt<byte[]> attempt = () -> body("GET", uri, Map.of(), null, mostBytes);
    return once ? attempt.run() : tried(attempt, false);
  }

  /** One try of a request with a body, and its answer of bounded size. */
  byte[] send(
      String method,
      URI uri,
      Map<String, String> headers,
      HttpRequest.BodyPublisher content,
      int mostBytes)
      throws IOException {
    return body(method, uri, headers, content, mostBytes);
  }

  /** One try of putting a body, and what was answered before a body. */
  HubAnswer put(URI uri, Map<String, String> headers, HttpRequest.BodyPublisher content)
      throws IOException {
    try (Opened opened = open("PUT", uri, headers, content, false)) {
      return opened.answer();
    }
  }

  private byte[] body(
      String method,
      URI uri,
      Map<String, String> headers,
      HttpRequest.BodyPublisher content,
      int mostBytes)
      throws IOException {
    try (Opened opened = open(method, uri, headers, content, false)) {
      byte[] bytes = opened.body().readNBytes(mostBytes + 1);
      if (bytes.length > mostBytes) {
        throw new HubFailure(
            HubFailure.Kind.BROKEN,
            uri + " answers with more than " + (mostBytes >> 20) + " MiB, which is not read");
      }
      return bytes;
    } catch (IOException e) {
      throw failure(uri, e);
    }
  }

  /**
   * One try: an answer of status 2xx with its body, where redirects lead to.
   *
   * @param headers beyond the token and what every request has
   */
  Opened get(URI uri, Map<String, String> headers) throws IOException {
    return open("GET", uri, headers, null, false);
  }

  /** Tries again, with growing pauses, what fails in passing. */
  <T> T persistently(Attempt<T> attempt) throws IOException {
    return tried(attempt, true);
  }

  private <T> T tried(Attempt<T> attempt, boolean evenUnreachable) throws IOException {
    for (int tries = 1; ; tries++) {
      try {
        return attempt.run();
      } catch (HubFailure e) {
        boolean hopeless = e.kind() == HubFailure.Kind.UNREACHABLE && !evenUnreachable;
        if (!e.isPassing() || hopeless || tries == MOST_TRIES) {
          throw e;
        }
        waitBeforeTry(tries, e);
      }
    }
  }

  /**
   * Waits after a failure: as long as the server asks for, else twice as long each time, in part by
   * chance, lest all who were turned away come back together.
   *
   * @param failures in a row, from 1
   * @throws HubFailure the failure, if the server asks for more patience than anybody has
   */
  void waitBeforeTry(int failures, HubFailure failure) throws HubFailure {
    long millis = Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS << Math.min(failures - 1, 10));
    millis = millis / 2 + ThreadLocalRandom.current().nextLong(millis / 2 + 1);
    if (failure.retryAfterSeconds() > MOST_PATIENCE_SECONDS) {
      throw failure;
    }
    if (failure.retryAfterSeconds() >= 0) {
      millis += 1000 * failure.retryAfterSeconds();
    }
    if (stopped) {
      throw interrupted();
    }
    try {
      pause.millis(millis);
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  /**
   * Ends all that is going on, on every thread: the JDK's bodies do not heed an interrupt. What
   * waits for one hears an {@link InterruptedCallException}.
   */
  void stop() {
    stopped = true;
    bodies.stop();
  }

  private static InterruptedCallException interrupted() {
    Thread.currentThread().interrupt();
    return new InterruptedCallException("interrupted while talking to the hub");
  }

  private Opened open(
      String method,
      URI uri,
      Map<String, String> headers,
      HttpRequest.BodyPublisher content,
      boolean staysOnHub)
      throws IOException {
    if (settings.isOffline()) {
      throw new HubFailure(HubFailure.Kind.OFFLINE, "networking is switched off by HF_HUB_OFFLINE");
    }
    Map<String, String> seen = new TreeMap<>();
    URI place = uri;
    for (int redirects = 0; ; redirects++) {
      if (stopped) {
        throw interrupted();
      }
      HttpResponse<InputStream> response = exchange(method, place, headers, content);
      Map<String, String> said = headers(response);
      boolean ofHub = isHub(place);
      said.forEach(
          (name, value) -> {
            // A store behind the hub has etags of its own; it describes the body, no more. What it
            // is sent it names itself.
            if (ofHub || content != null || name.startsWith("content-")) {
              seen.put(name, value);
            }
          });
      HubAnswer answer = new HubAnswer(response.statusCode(), seen, place);
      int family = response.statusCode() / 100;
      if (family == 2) {
        return new Opened(answer, bodies.watch(response.body()));
      }
      Optional<String> location = response.headers().firstValue("Location");
      if (family != 3 || location.isEmpty()) {
        throw refusal(new HubAnswer(response.statusCode(), said, place), response.body(), ofHub);
      }
      response.body().close();
      URI target = target(place, location.get());
      if (content != null) {
        checkSecret(target);
      }
      if (staysOnHub && !isHub(target)) {
        return new Opened(answer, InputStream.nullInputStream());
      }
      if (redirects == MOST_REDIRECTS) {
        throw new HubFailure(
            HubFailure.Kind.BROKEN, uri + " leads through more than " + MOST_REDIRECTS + " others");
      }
      place = target;
    }
  }

  /**
   * Refuses to send a body in the open where the hub itself is spoken to in secret.
   *
   * @throws HubFailure if the address is none of https, though the hub's is
   */
  void checkSecret(URI target) throws HubFailure {
    if (endpoint.getScheme().equalsIgnoreCase("https")
        && !"https".equalsIgnoreCase(target.getScheme())) {
      throw new HubFailure(
          HubFailure.Kind.BROKEN,
          endpoint.getHost()
              + " wants files sent to "
              + target.getHost()
              + " without encryption; they are not");
    }
  }

  private static Map<String, String> headers(HttpResponse<?> response) {
    Map<String, String> out = new TreeMap<>();
    response
        .headers()
        .map()
        .forEach((name, values) -> out.put(name.toLowerCase(Locale.ROOT), values.get(0)));
    return out;
  }

  private static URI target(URI from, String location) throws HubFailure {
    try {
      URI target = from.resolve(URI.create(location.strip()));
      boolean isWeb = "https".equals(target.getScheme()) || "http".equals(target.getScheme());
      if (isWeb && target.getHost() != null) {
        return target;
      }
    } catch (IllegalArgumentException e) {
      // The same complaint.
    }
    throw new HubFailure(
        HubFailure.Kind.BROKEN,
        from.getHost() + " leads to an address that is none of the web's; it is not followed");
  }

  /** Whether an address is the hub's own: scheme, host and port; only there the token may go. */
  private boolean isHub(URI uri) {
    return endpoint.getScheme().equalsIgnoreCase(uri.getScheme())
        && endpoint.getHost().equalsIgnoreCase(uri.getHost())
        && port(endpoint) == port(uri);
  }

  private static int port(URI uri) {
    return uri.getPort() >= 0 ? uri.getPort() : uri.getScheme().equals("https") ? 443 : 80;
  }

  private HttpResponse<InputStream> exchange(
      String method, URI uri, Map<String, String> headers, HttpRequest.BodyPublisher content)
      throws IOException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(uri)
            .setHeader("User-Agent", userAgent())
            // Sizes and ranges are those of the file itself.
            .setHeader("Accept-Encoding", "identity");
    headers.forEach(request::setHeader);
    if (isHub(uri)) {
      token.ifPresent(value -> request.setHeader("Authorization", "Bearer " + value));
    }
    proxies.authorization(uri).ifPresent(v -> request.setHeader("Proxy-Authorization", v));
    try {
      if (content != null) {
        return sent(request, method, content);
      }
      request.timeout(Duration.ofSeconds(settings.answerTimeoutSeconds()));
      request.method(method, HttpRequest.BodyPublishers.noBody());
      return client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
    } catch (InterruptedException e) {
      throw interrupted();
    } catch (IOException e) {
      throw failure(uri, e);
    }
  }

  /** An exchange with a body, which may take its time as long as it goes on. */
  private HttpResponse<InputStream> sent(
      HttpRequest.Builder request, String method, HttpRequest.BodyPublisher content)
      throws IOException, InterruptedException {
    SentBody body = new SentBody(content);
    request.method(method, body);
    CompletableFuture<HttpResponse<InputStream>> exchange =
        client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofInputStream());
    try {
      while (true) {
        try {
          return exchange.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          if (stopped) {
            throw new IOException("stopped", e);
          }
          int factor = body.isSent() ? WORK_FACTOR : SENDING_FACTOR;
          int patienceSeconds = factor * settings.transferTimeoutSeconds();
          if (body.secondsOfSilence() > patienceSeconds) {
            throw new IOException(
                (body.isSent() ? "no answer for " : "nothing was taken for ")
                    + patienceSeconds
                    + " seconds",
                e);
          }
        }
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException cause) {
        throw cause;
      }
      throw new IOException(e.getCause().toString(), e);
    } finally {
      exchange.cancel(true); // what is done stays done
    }
  }

  private static String userAgent() {
    String version = HubHttp.class.getPackage().getImplementationVersion();
    return "attune/"
        + (version == null ? "development" : version)
        + "; java/"
        + Runtime.version().feature();
  }

  /** From an exception of the network to what it means. */
  HubFailure failure(URI uri, IOException e) {
    if (stopped || Thread.currentThread().isInterrupted()) {
      throw interrupted();
    }
    if (e instanceof HubFailure known) {
      return known;
    }
    String what = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    String who =
        uri.getHost() + proxies.described(uri).map(p -> " through the proxy " + p).orElse("");
    if (e instanceof SSLException) {
      return new HubFailure(
          HubFailure.Kind.BROKEN,
          "no secure connection to "
              + who
              + " ("
              + what
              + "); the certificate of a hub of your own, or of a company's proxy that reads along,"
              + " must be in the trust store that Java is given:"
              + " -Djavax.net.ssl.trustStore=FILE",
          e);
    }
    boolean never =
        e instanceof ConnectException
            || e instanceof HttpConnectTimeoutException
            || e instanceof UnknownHostException;
    return new HubFailure(
        never ? HubFailure.Kind.UNREACHABLE : HubFailure.Kind.CONNECTION,
        never
            ? "no connection to " + who + " (" + reason(e, what) + ")"
            : "the connection to " + who + " broke (" + what + ")",
        e);
  }

  private static String reason(IOException e, String what) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof UnresolvedAddressException || cause instanceof UnknownHostException) {
        return "there is no address for this name";
      }
    }
    return what.equals("ConnectException") ? "refused" : what;
  }

  private HubFailure refusal(HubAnswer answer, InputStream body, boolean ofHub) {
    String text;
    try (InputStream in = bodies.watch(body)) {
      text = new String(in.readNBytes(MOST_ERROR_BYTES), StandardCharsets.UTF_8);
    } catch (IOException e) {
      text = "";
    }
    return ofHub
        ? HubRefusals.ofHub(answer, text, hasToken(), patience(answer))
        : HubRefusals.ofStore(answer, patience(answer));
  }

  private static long patience(HubAnswer answer) {
    Matcher spent = SPENT.matcher(answer.header("RateLimit").orElse(""));
    String wish = answer.header("Retry-After").orElse("").strip();
    if (answer.status() == 429 && spent.find()) {
      wish = spent.group(1);
    }
    return wish.matches("\\d{1,9}") ? Long.parseLong(wish) : -1;
  }

  @Override
  public void close() {
    bodies.close();
  }
}
