package dev.attune.core;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * JSON that is one value and nothing else: what follows the value would be read by nobody, and is
 * refused. All of it throws a JsonProcessingException where it is no JSON: see {@link JsonProblem}.
 */
public final class WholeJson {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private WholeJson() {}

  /** The value of a file. */
  public static JsonNode read(Path file) throws IOException {
    return MAPPER.readTree(Files.readAllBytes(file));
  }

  /** The value of a text. */
  public static JsonNode of(String text) throws IOException {
    return MAPPER.readTree(text);
  }
}
