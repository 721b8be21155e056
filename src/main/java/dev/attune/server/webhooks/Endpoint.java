package dev.attune.server.webhooks;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * Where messages go.
 *
 * @param mayBePrivate whether it may be on this machine or its network
 */
record Endpoint(URI url, boolean mayBePrivate) {
  private static final int TIMEOUT_MILLIS = 10_000;
  private static final int LONGEST_LINE = 1024;
  private static final int MOST_PORT = 65_535;

  /** Of one message in all: the other timeouts are of each step, of which there can be many. */
  private static final Duration LONGEST_DELIVERY = Duration.ofSeconds(30);

  private static final ScheduledExecutorService DEADLINES =
      Executors.newSingleThreadScheduledExecutor(
          work -> {
            Thread thread = new Thread(work, "attune-webhook-deadlines");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * Reads a URL.
   *
   * @throws InputException if it is none that messages can go to
   */
  static Endpoint of(String text, boolean mayBePrivate) {
    URI url;
    try {
      url = new URI(text);
    } catch (URISyntaxException e) {
      throw new InputException("'" + text + "' is no URL: " + e.getReason(), e);
    }
    boolean isWeb =
        "https".equalsIgnoreCase(url.getScheme()) || "http".equalsIgnoreCase(url.getScheme());
    if (!isWeb || url.getHost() == null || url.getUserInfo() != null) {
      throw new InputException(
          "'"
              + text
              + "' is no place for webhooks: give http:// or https://, a host, and no"
              + " password");
    }
    if (url.getPort() == 0 || url.getPort() > MOST_PORT) {
      throw new InputException(
          "'" + text + "' has the port " + url.getPort() + "; give one from 1 to " + MOST_PORT);
    }
    return new Endpoint(url, mayBePrivate);
  }

  private boolean isSecure() {
    return "https".equalsIgnoreCase(url.getScheme());
  }

  private int port() {
    return url.getPort() >= 0 ? url.getPort() : isSecure() ? 443 : 80;
  }

  private String host() {
    String host = url.getHost();
    return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
  }

  /**
   * Posts a message; returns the status of the answer, of which nothing else is read.
   *
   * @throws IOException if it could not be posted, also where the address is none of the public
   *     network and has to be, or it took too long
   */
  int post(byte[] body, Map<String, String> headers) throws IOException {
    return post(body, headers, LONGEST_DELIVERY);
  }

  /** The same within another time. */
  int post(byte[] body, Map<String, String> headers, Duration longest) throws IOException {
    InetAddress address = address();
    long end = System.nanoTime() + longest.toNanos();
    try (Socket raw = new Socket(Proxy.NO_PROXY)) {
      Future<?> deadline =
          DEADLINES.schedule(() -> close(raw), longest.toMillis(), TimeUnit.MILLISECONDS);
      try {
        return post(raw, address, body, headers);
      } catch (IOException e) {
        throw System.nanoTime() > end
            ? new IOException("it took longer than " + longest.toMillis() + " ms", e)
            : e;
      } finally {
        deadline.cancel(false);
      }
    }
  }

  /** Ends what is done with a socket, on whatever thread that is. */
  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // it is closed for whoever uses it
    }
  }

  private int post(Socket raw, InetAddress address, byte[] body, Map<String, String> headers)
      throws IOException {
    try (Socket socket = connected(raw, address)) {
      StringBuilder head = new StringBuilder("POST ");
      String path = url.getRawPath();
      head.append(path == null || path.isEmpty() ? "/" : path);
      head.append(url.getRawQuery() == null ? "" : "?" + url.getRawQuery());
      head.append(" HTTP/1.1\r\nHost: ").append(url.getHost());
      head.append(url.getPort() >= 0 ? ":" + url.getPort() : "").append("\r\n");
      head.append("Content-Type: application/json\r\nUser-Agent: attune\r\nConnection: close\r\n");
      headers.forEach((name, value) -> head.append(name + ": " + value + "\r\n"));
      head.append("Content-Length: ").append(body.length).append("\r\n\r\n");
      OutputStream out = socket.getOutputStream();
      out.write(head.toString().getBytes(StandardCharsets.ISO_8859_1));
      out.write(body);
      out.flush();
      return status(socket.getInputStream());
    }
  }

  /** The address that is connected to is the one that was looked at. */
  private InetAddress address() throws IOException {
    InetAddress[] addresses = InetAddress.getAllByName(host());
    for (InetAddress address : addresses) {
      if (!mayBePrivate && !Addresses.isPublic(address)) {
        throw new IOException("its address is not on the public network");
      }
    }
    return addresses[0];
  }

  /**
   * Refuses an address that is none of the public network, as far as that is known now: names are
   * looked up again for each message.
   *
   * @throws InputException if it is private
   */
  void checkPublic() {
    try {
      address();
    } catch (UnknownHostException e) {
      // it may be known once there is a message
    } catch (IOException e) {
      throw new InputException("'" + url + "' is no place for webhooks: " + e.getMessage(), e);
    }
  }

  private Socket connected(Socket raw, InetAddress address) throws IOException {
    raw.connect(new InetSocketAddress(address, port()), TIMEOUT_MILLIS);
    raw.setSoTimeout(TIMEOUT_MILLIS);
    if (!isSecure()) {
      return raw;
    }
    SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
    SSLSocket secure = (SSLSocket) factory.createSocket(raw, host(), port(), true);
    SSLParameters parameters = secure.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    secure.setSSLParameters(parameters);
    secure.startHandshake();
    return secure;
  }

  private static int status(InputStream in) throws IOException {
    StringBuilder line = new StringBuilder();
    long end = System.nanoTime() + TIMEOUT_MILLIS * 1_000_000L;
    for (int c = in.read(); c >= 0 && c != '\n'; c = in.read()) {
      line.append((char) c);
      if (line.length() > LONGEST_LINE || System.nanoTime() > end) {
        throw new IOException("its answer is no HTTP");
      }
    }
    String[] parts = line.toString().trim().split(" ", 3);
    if (parts.length < 2 || !parts[0].startsWith("HTTP/1.") || !parts[1].matches("\\d{3}")) {
      throw new IOException("its answer is no HTTP");
    }
    return Integer.parseInt(parts[1]);
  }
}
