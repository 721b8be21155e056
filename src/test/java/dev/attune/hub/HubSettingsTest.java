package dev.attune.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Proxy;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The environment variables, by huggingface_hub's rules. */
class HubSettingsTest {
  @TempDir Path home;

  private HubSettings of(String... pairs) {
    Map<String, String> environment = new java.util.HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      environment.put(pairs[i], pairs[i + 1]);
    }
    return HubSettings.of(environment, home.toString());
  }

  @Test
  void theCacheIsWherePythonHasIt() {
    assertEquals(home.resolve(".cache/huggingface/hub"), of().cache());
    assertEquals(Path.of("/x/huggingface/hub"), of("XDG_CACHE_HOME", "/x").cache());
    assertEquals(Path.of("/h/hub"), of("HF_HOME", "/h", "XDG_CACHE_HOME", "/x").cache());
    assertEquals(Path.of("/old"), of("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/old").cache());
    assertEquals(Path.of("/new"), of("HF_HUB_CACHE", "/new", "HF_HOME", "/h").cache());
    assertEquals(home.resolve("a"), of("HF_HUB_CACHE", "~/a").cache());
    assertEquals(
        Path.of("/d/1/$NONE"), of("HF_HUB_CACHE", "$D/${E}/$NONE", "D", "/d", "E", "1").cache());
    assertEquals(Path.of("/else/.cache/huggingface/hub"), of("HOME", "/else").cache());
  }

  @Test
  void theTokenIsFoundAndNeverShown() throws Exception {
    assertEquals(Optional.empty(), of().token());
    Path file = home.resolve(".cache/huggingface/token");
    Files.createDirectories(file.getParent());
    Files.writeString(file, " hf_file \n");
    assertEquals(Optional.of("hf_file"), of().token());
    assertEquals(Optional.of(file.toString()), of().tokenPlace());
    assertEquals(Optional.of("hf_env"), of("HF_TOKEN", "hf_env").token());
    assertEquals(Optional.of("hf_old"), of("HUGGING_FACE_HUB_TOKEN", "hf_old").token());
    assertEquals(
        Optional.empty(), of("HF_TOKEN", "x", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1").token());
    String message =
        assertThrows(InputException.class, () -> of("HF_TOKEN", "hf_a\u00e9b").token())
            .getMessage();
    assertTrue(message.contains("the token in HF_TOKEN") && !message.contains("hf_a"), message);
  }

  @Test
  void offlineIsTheFirstThatIsSet() {
    assertFalse(of().isOffline());
    assertTrue(of("HF_HUB_OFFLINE", "yes").isOffline());
    assertTrue(of("TRANSFORMERS_OFFLINE", "1").isOffline());
    assertFalse(of("HF_HUB_OFFLINE", "0", "TRANSFORMERS_OFFLINE", "1").isOffline());
  }

  @Test
  void anAddressThatIsNoneIsRefused() {
    assertEquals(URI.create("https://huggingface.co"), of().endpoint());
    assertEquals(URI.create("http://m:8/hub"), of("HF_ENDPOINT", "http://m:8/hub/").endpoint());
    for (String wrong : List.of("huggingface.co", "ftp://x", "http://u:secret@x", "http://a b")) {
      String message =
          assertThrows(InputException.class, () -> of("HF_ENDPOINT", wrong).endpoint())
              .getMessage();
      assertTrue(message.startsWith("HF_ENDPOINT is not") && !message.contains("secret"), message);
    }
    assertEquals(7, of("HF_HUB_ETAG_TIMEOUT", "7").answerTimeoutSeconds());
    assertThrows(InputException.class, () -> of("HF_HUB_ETAG_TIMEOUT", "0").answerTimeoutSeconds());
  }

  private static String proxy(HubSettings settings, String uri) {
    Proxy proxy = settings.proxies().select(URI.create(uri)).get(0);
    return proxy.type() == Proxy.Type.DIRECT
        ? "direct"
        : proxy.address().toString().replaceAll("/<unresolved>|/[\\d.]*", "");
  }

  @Test
  void proxiesAreThoseOfTheEnvironment() {
    HubSettings both =
        of(
            "HTTPS_PROXY",
            "http://u:p@proxy.test:3128",
            "http_proxy",
            "other.test:80",
            "NO_PROXY",
            "corp.test, .example.org,10.0.0.1:8443");
    assertEquals("proxy.test:3128", proxy(both, "https://huggingface.co/x"));
    assertEquals("other.test:80", proxy(both, "http://huggingface.co/x"));
    assertEquals("direct", proxy(both, "https://corp.test/x"));
    assertEquals("direct", proxy(both, "https://hub.corp.test/x"));
    assertEquals("direct", proxy(both, "https://a.example.org/x"));
    assertEquals("direct", proxy(both, "https://10.0.0.1:8443/x"));
    assertEquals("proxy.test:3128", proxy(both, "https://10.0.0.1/x"));
    assertEquals("proxy.test:3128", proxy(both, "https://notcorp.test/x"));
    assertEquals("direct", proxy(of("https_proxy", "http://p:1", "no_proxy", "*"), "https://x/"));
    assertEquals("a.test:1", proxy(of("ALL_PROXY", "http://a.test:1"), "https://x/"));
    assertEquals("direct", proxy(of(), "https://x/"));
    String message =
        assertThrows(
                InputException.class, () -> of("HTTPS_PROXY", "socks5://u:secret@p:1").proxies())
            .getMessage();
    assertTrue(message.startsWith("HTTPS_PROXY is not") && !message.contains("secret"), message);
  }

  /** What a proxy hears, which then refuses. */
  private List<String> heard(String variable, String endpoint, List<String> failures)
      throws Exception {
    List<String> lines = new ArrayList<>();
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread proxy =
          new Thread(
              () -> {
                try (Socket socket = server.accept()) {
                  BufferedReader in =
                      new BufferedReader(
                          new InputStreamReader(
                              socket.getInputStream(), StandardCharsets.ISO_8859_1));
                  for (String line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
                    lines.add(line);
                  }
                  socket
                      .getOutputStream()
                      .write(
                          "HTTP/1.1 404 no\r\nX-Error-Code: RepoNotFound\r\nContent-Length: 0\r\n\r\n"
                              .getBytes(StandardCharsets.ISO_8859_1));
                } catch (IOException e) {
                  lines.add(e.toString());
                }
              });
      proxy.start();
      HubSettings settings =
          of(
              variable,
              "http://us%65r:pass@127.0.0.1:" + server.getLocalPort(),
              "HF_ENDPOINT",
              endpoint,
              "HF_TOKEN",
              "hf_secret",
              "HF_HOME",
              home.toString());
      HubFetch fetch = new HubFetch(settings, FileOps.SYSTEM, millis -> {}, note -> {});
      failures.add(
          assertThrows(
                  RuntimeException.class,
                  () -> fetch.model(HubName.ofModel("a/b").orElseThrow(), folder -> {}))
              .getMessage());
      proxy.join(10_000);
    }
    return lines;
  }

  @Test
  void plainRequestsGoThroughTheProxyWithItsUser() throws Exception {
    List<String> failures = new ArrayList<>();
    List<String> lines = heard("HTTP_PROXY", "http://hub.invalid", failures);
    assertTrue(
        lines.get(0).startsWith("GET http://hub.invalid/api/models/a/b/revision/main"),
        lines::toString);
    assertTrue(lines.contains("Proxy-Authorization: Basic dXNlcjpwYXNz"), lines::toString);
    assertTrue(failures.get(0).contains("there is no model a/b"), failures::toString);
  }

  @Test
  void secureOnesTellTheProxyNothingButTheHost() throws Exception {
    List<String> failures = new ArrayList<>();
    List<String> lines = heard("HTTPS_PROXY", "https://hub.invalid", failures);
    assertEquals("CONNECT hub.invalid:443 HTTP/1.1", lines.get(0));
    assertTrue(lines.stream().noneMatch(line -> line.contains("hf_secret")), lines::toString);
    assertTrue(failures.get(0).contains("through the proxy 127.0.0.1:"), failures::toString);
    assertFalse(failures.get(0).contains("pass"), failures::toString);
  }
}
