package dev.attune.hub;

import java.net.URI;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a server said before the body.
 *
 * @param headers by name in small letters: the hub's own, and of where redirects led to those that
 *     describe the body
 * @param uri where it came from
 */
record HubAnswer(int status, Map<String, String> headers, URI uri) {
  Optional<String> header(String name) {
    return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
  }
}
