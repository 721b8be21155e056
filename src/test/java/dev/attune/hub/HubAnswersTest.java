package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the hub says in place of a file: no, not you, not now, elsewhere. */
class HubAnswersTest extends HubTrial {
  @Test
  void namesThatAreNoneAreToldApart() throws Exception {
    String none = refusal("some-org/no-such");
    assertTrue(none.contains("there is no model some-org/no-such on " + server.address()), none);
    assertTrue(none.contains("or it is private and no token is set"), none);
    assertTrue(none.contains("set HF_TOKEN to it, or put it into " + home.resolve("token")), none);
    server.model(NAME).commit("main", files());
    String revision = refusal(NAME + "@v9");
    assertTrue(revision.contains("has no revision 'v9'"), revision);
    assertTrue(revision.contains("/" + NAME + "/tree/main"), revision);
    assertEquals(List.of(), pauses);
  }

  @Test
  void privateAndGatedModelsNeedTheirToken() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).readers = "hf_right";
    assertTrue(refusal(NAME).contains("or it is private and no token is set"));
    environment.put("HF_TOKEN", "hf_other");
    String other = refusal(NAME);
    assertTrue(other.contains("the token in HF_TOKEN does not see it"), other);
    assertFalse(other.contains("hf_other"), other);
    environment.put("HF_TOKEN", "wrong");
    String wrong = refusal(NAME);
    assertTrue(wrong.contains("the token in HF_TOKEN does not do"), wrong);
    environment.remove("HF_TOKEN");
    server.model(NAME).gated = true;
    String gated = refusal(NAME);
    assertTrue(gated.contains("is gated"), gated);
    assertTrue(gated.contains("Accept the terms on " + server.address() + "/" + NAME), gated);
    Files.writeString(home.resolve("token"), "hf_right\n");
    server.requests.clear();
    assertWhole(model(NAME), files());
    for (FakeHub.Request request : server.requests) {
      boolean ofStore = "signed=yes".equals(request.query());
      assertEquals(ofStore ? null : "Bearer hf_right", request.token(), request::toString);
    }
    assertTrue(server.requests.stream().anyMatch(request -> "signed=yes".equals(request.query())));
  }

  @Test
  void aRenamedModelIsFollowedWithTheToken() throws Exception {
    server.model(NAME).commit("main", files());
    server.model(NAME).readers = "hf_right";
    environment.put("HF_TOKEN", "hf_right");
    server.faults.add(
        exchange -> {
          String path = exchange.getRequestURI().toString();
          if (!path.contains("old/name")) {
            return false;
          }
          exchange.getResponseHeaders().set("Location", path.replace("old/name", NAME));
          FakeHub.send(exchange, 307, "moved".getBytes(UTF_8));
          return true;
        });
    Path folder = model("old/name");
    assertTrue(folder.toString().contains("models--old--name"), folder::toString);
    assertEquals(WANTED, names(folder));
  }

  @Test
  void aBusyHubIsAskedAgainAsItWishes() throws Exception {
    server.model(NAME).commit("main", files());
    fault(
        "/api/",
        1,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "7");
          FakeHub.send(exchange, 503, new byte[0]);
          return true;
        });
    fault(
        "vocab.txt",
        2,
        exchange -> {
          exchange.getResponseHeaders().set("RateLimit", "\"resolvers\";r=0;t=11");
          FakeHub.send(exchange, 429, new byte[0]);
          return true;
        });
    assertWhole(model(NAME), files());
    assertEquals(3, pauses.size(), pauses::toString);
    assertTrue(pauses.get(0) >= 7500 && pauses.get(0) <= 8000, pauses::toString);
    assertTrue(pauses.get(1) >= 11500 && pauses.get(2) >= 12000, pauses::toString);
  }

  @Test
  void patienceHasAnEnd() {
    server.model(NAME).commit("main", files());
    fault(
        "/api/",
        100,
        exchange -> {
          FakeHub.send(exchange, 500, new byte[0]);
          return true;
        });
    String message = failure(NAME);
    assertTrue(message.contains("answers with status 500"), message);
    assertEquals(5, pauses.size());
    for (int i = 1; i < pauses.size(); i++) {
      assertTrue(pauses.get(i) <= 16000 && pauses.get(i) >= 500L << i, pauses::toString);
    }
    server.faults.clear();
    fault(
        "/api/",
        100,
        exchange -> {
          exchange.getResponseHeaders().set("Retry-After", "4000");
          FakeHub.send(exchange, 429, new byte[0]);
          return true;
        });
    pauses.clear();
    assertTrue(failure(NAME).contains("asks to wait 4000 s"));
    assertEquals(List.of(), pauses);
  }
}
