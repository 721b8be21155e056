package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Frequencies of rotary positions, as Transformers computes them from a config.json. */
class RotaryTest {
  private static final int POSITIONS = 256;
  private static final int HEAD = 8;

  static Stream<JsonNode> cases() {
    return StreamSupport.stream(
        Goldens.json(Path.of("src/test/resources/dev/attune/model/rotary.json")).spliterator(),
        false);
  }

  private static Rotary read(JsonNode parameters, JsonNode beside) {
    ObjectNode json = beside.deepCopy();
    json.set("rope_parameters", parameters);
    return Rotary.fromConfig(new FamilyConfig(json, null), HEAD, POSITIONS, Rotary.Defaults.LLAMA);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void frequenciesAreThoseOfTransformers(JsonNode item) {
    Rotary rotary = read(item.get("rope_parameters"), item.get("beside"));
    JsonNode expected = item.get("frequencies");
    assertEquals(HEAD, rotary.size());
    assertEquals(expected.size(), rotary.frequencies().length);
    for (int i = 0; i < expected.size(); i++) {
      double frequency = expected.get(i).asDouble();
      assertEquals(frequency, rotary.frequencies()[i], 1e-6 * frequency, item + ", pair " + i);
    }
    assertEquals(item.get("scale").asDouble(), rotary.scale(), 1e-6);
    JsonNode longer = item.get("longer");
    assertEquals(longer.isEmpty(), !rotary.dependsOnLength());
    for (JsonNode text : longer) {
      int length = text.get("length").asInt();
      JsonNode turning = text.get("frequencies");
      FloatBuffer row = FloatBuffer.allocate(HEAD);
      rotary.fill(length, 1, 1, row); // the position 1 turns by the frequencies themselves
      for (int i = 0; i < turning.size(); i++) {
        double frequency = turning.get(i).asDouble();
        double angle = Math.atan2(row.get(2 * i + 1), row.get(2 * i));
        assertEquals(frequency, angle, 1e-6 * Math.max(0.1, frequency), item + ", pair " + i);
      }
    }
  }

  /** As the folders that YaRN's authors published note it, under either value. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whetherAModelWasTrainedFurtherChangesNothing(boolean finetuned) {
    JsonNode none = JsonNodeFactory.instance.objectNode();
    ObjectNode parameters = JsonNodeFactory.instance.objectNode();
    parameters.put("type", "yarn").put("factor", 4).put("original_max_position_embeddings", 64);
    float[] plain = read(parameters, none).frequencies();
    assertArrayEquals(plain, read(parameters.put("finetuned", finetuned), none).frequencies());
  }

  @Test
  void factorsAreOneForEachPair() {
    for (String key : List.of("short_factor", "long_factor")) {
      ObjectNode parameters = JsonNodeFactory.instance.objectNode();
      parameters.put("rope_type", "longrope").put("original_max_position_embeddings", 64);
      parameters.putArray("short_factor").add(1).add(1).add(1).add(1);
      parameters.putArray("long_factor").add(1).add(1).add(1).add(1);
      parameters.putArray(key).add(1);
      JsonNode none = JsonNodeFactory.instance.objectNode();
      InputException e = assertThrows(InputException.class, () -> read(parameters, none));
      assertTrue(e.getMessage().contains("'" + key + "'"), e.getMessage());
      assertTrue(e.getMessage().contains("has 1 numbers; 4 are needed"), e.getMessage());
    }
  }

  @Test
  void anUnknownTypeIsRefusedWithThoseThereAre() {
    ObjectNode parameters = JsonNodeFactory.instance.objectNode().put("rope_type", "xpos");
    InputException e =
        assertThrows(
            InputException.class, () -> read(parameters, JsonNodeFactory.instance.objectNode()));
    assertTrue(e.getMessage().contains("'xpos' of rope_parameters"), e.getMessage());
  }
}
