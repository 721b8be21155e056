package dev.attune.server.console;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Clients do not learn where the server keeps things. */
class PlacesTest {
  private final Places places =
      new Places(
          Path.of("/srv/attune"),
          Map.of("tiny", Path.of("/srv/attune/bases/tiny"), "big", Path.of("/models/big")));

  @Test
  void pathsBecomeNamesWhereverTheyStand() throws Exception {
    ObjectMapper json = new ObjectMapper();
    assertEquals(
        json.readTree(
            """
            {"file": "files/a.jsonl", "deep": [{"command": "train big files/a.jsonl", "n": 1, "none": null}],
             "base": "tiny", "text": "/srv/attuned/x"}
            """),
        places.named(
            json.readTree(
                """
                {"file": "/srv/attune/files/a.jsonl",
                 "deep": [{"command": "train /models/big /srv/attune/files/a.jsonl", "n": 1, "none": null}],
                 "base": "/srv/attune/bases/tiny", "text": "/srv/attuned/x"}
                """)));
  }
}
