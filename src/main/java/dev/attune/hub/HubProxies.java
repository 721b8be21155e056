package dev.attune.hub;

import dev.attune.core.InputException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The proxies of the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in capitals or
 * small letters. Where none is set, those of the Java machine.
 */
final class HubProxies extends ProxySelector {
  private static final int USUAL_PORT = 80;

  private final Map<String, URI> byScheme;
  private final List<String> exceptions;

  private HubProxies(Map<String, URI> byScheme, List<String> exceptions) {
    this.byScheme = byScheme;
    this.exceptions = exceptions;
  }

  /**
   * Reads them.
   *
   * @throws InputException if one is no proxy that can be used
   */
  static HubProxies of(Map<String, String> environment) {
    Map<String, URI> proxies = new HashMap<>();
    for (String scheme : List.of("https", "http")) {
      for (String name : List.of(scheme + "_proxy", "all_proxy")) {
        String value = either(environment, name);
        if (!value.isEmpty()) {
          proxies.put(scheme, proxy(name.toUpperCase(Locale.ROOT), value));
          break;
        }
      }
    }
    List<String> exceptions = new ArrayList<>();
    for (String host : either(environment, "no_proxy").split(",")) {
      if (!host.isBlank()) {
        exceptions.add(host.strip().toLowerCase(Locale.ROOT).replaceFirst("^\\*?\\.(?=.)", ""));
      }
    }
    return new HubProxies(proxies, exceptions);
  }

  private static String either(Map<String, String> environment, String name) {
    String small = environment.getOrDefault(name, "");
    return (small.isEmpty() ? environment.getOrDefault(name.toUpperCase(Locale.ROOT), "") : small)
        .strip();
  }

  private static URI proxy(String variable, String value) {
    try {
      URI address = new URI(value.contains("://") ? value : "http://" + value);
      if (address.getHost() != null && "http".equalsIgnoreCase(address.getScheme())) {
        return address;
      }
    } catch (URISyntaxException e) {
      // The same complaint, which does not show the value: it may hold a password.
    }
    throw new InputException(
        variable
            + " is not the address of a proxy that can be used: it has the form"
            + " http://HOST:PORT or http://USER:PASSWORD@HOST:PORT");
  }

  @Override
  public List<Proxy> select(URI uri) {
    if (byScheme.isEmpty() && ProxySelector.getDefault() != null) {
      return ProxySelector.getDefault().select(uri);
    }
    URI proxy = byScheme.get(uri.getScheme());
    if (proxy == null || isException(uri)) {
      return List.of(Proxy.NO_PROXY);
    }
    int port = proxy.getPort() < 0 ? USUAL_PORT : proxy.getPort();
    return List.of(new Proxy(Proxy.Type.HTTP, new InetSocketAddress(proxy.getHost(), port)));
  }

  private boolean isException(URI uri) {
    String host = uri.getHost().toLowerCase(Locale.ROOT);
    String withPort = host + ":" + uri.getPort();
    return exceptions.stream()
        .anyMatch(
            name ->
                name.equals("*")
                    || host.equals(name)
                    || host.endsWith("." + name)
                    || withPort.equals(name)
                    || withPort.endsWith("." + name));
  }

  /** A proxy for an address, for messages: never with its password; empty: none. */
  Optional<String> described(URI uri) {
    Proxy proxy = select(uri).get(0);
    return proxy.type() == Proxy.Type.DIRECT
        ? Optional.empty()
        : Optional.of(proxy.address().toString().replaceFirst("^/|/<unresolved>", ""));
  }

  @Override
  public void connectFailed(URI uri, SocketAddress address, IOException failure) {
    // Whoever sent the request hears of it.
  }

  /**
   * What the proxy for an address asks for, as a Proxy-Authorization header; empty: the environment
   * gives no user. Sent at once: an Authenticator would take part in the hub's own 401s too.
   */
  Optional<String> authorization(URI uri) {
    URI proxy = byScheme.get(uri.getScheme());
    if (proxy == null || proxy.getRawUserInfo() == null || isException(uri)) {
      return Optional.empty();
    }
    byte[] user =
        URLDecoder.decode(proxy.getRawUserInfo().replace("+", "%2B"), StandardCharsets.UTF_8)
            .getBytes(StandardCharsets.UTF_8);
    return Optional.of("Basic " + Base64.getEncoder().encodeToString(user));
  }
}
