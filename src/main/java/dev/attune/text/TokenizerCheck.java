package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What Hugging Face's library takes for granted in a tokenizer.json. It does not refuse such a file
 * when it reads it, and a text that is then encoded ends the process: so it is refused here.
 */
final class TokenizerCheck {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> PARTS =
      Set.of("normalizer", "pre_tokenizer", "post_processor", "decoder");

  /** Below what that library parses, all around it counted. */
  private static final int DEEPEST = 64;

  private static final String TEMPLATE = "TemplateProcessing";

  private final Path file;

  private TokenizerCheck(Path file) {
    this.file = file;
  }

  /**
   * Looks at the parts of a tokenizer, which may stand in it more than once: then the last counts.
   *
   * @param file what messages call it
   * @throws InputException naming what is missing
   */
  static void check(Path file, String tokenizer) {
    TokenizerCheck check = new TokenizerCheck(file);
    try (JsonParser parser = JSON.getFactory().createParser(tokenizer)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw check.refusal("it is no JSON object");
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String part = parser.currentName();
        parser.nextToken();
        if (PARTS.contains(part)) {
          JsonNode tree = JSON.readTree(parser);
          check.parsed(part, tree, 0);
          if (part.equals("post_processor")) {
            check.postProcessor(tree);
          }
        } else if (part.equals("model") && parser.currentToken() == JsonToken.START_OBJECT) {
          check.model(parser);
        } else {
          parser.skipChildren();
        }
      }
    } catch (JsonProcessingException e) {
      throw check.refusal(JsonProblem.of(e));
    } catch (IOException e) {
      throw new IllegalStateException("a text in memory cannot be read", e);
    }
  }

  /** Pieces that are left unmerged at random give a text other tokens each time. */
  private void model(JsonParser parser) throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean isDropout = parser.currentName().equals("dropout");
      parser.nextToken();
      if (isDropout && parser.currentToken().isNumeric() && parser.getDoubleValue() != 0) {
        throw new InputException(
            file
                + ": its model has a 'dropout' of "
                + parser.getDoubleValue()
                + ", so that a text has other tokens each time it is read. Set it to null");
      }
      parser.skipChildren();
    }
  }

  /** What JSON may hold and that library cannot parse: inside a part it does not say so. */
  private void parsed(String part, JsonNode node, int depth) {
    if (depth > DEEPEST) {
      throw refusal("its " + part + " nests more than " + DEEPEST + " deep");
    }
    if (node.isNumber() && !Double.isFinite(node.doubleValue())) {
      throw refusal("its " + part + " has a number that is out of range");
    }
    if (node.isTextual() && !isText(node.textValue())) {
      throw refusal("its " + part + " has half of a character");
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!isText(field.getKey())) {
        throw refusal("its " + part + " has half of a character");
      }
    }
    for (JsonNode child : node) {
      parsed(part, child, depth + 1);
    }
  }

  private static boolean isText(String value) {
    return value.codePoints().noneMatch(c -> c >= 0xD800 && c <= 0xDFFF);
  }

  private void postProcessor(JsonNode processor) {
    List<JsonNode> templates = new ArrayList<>();
    collect(processor, templates);
    if (templates.size() > 1) {
      throw refusal(
          "its post_processor has " + templates.size() + " templates one after the other");
    }
    for (JsonNode template : templates) {
      JsonNode known = template.path("special_tokens");
      for (JsonNode token : known) {
        if (token.path("ids").size() != token.path("tokens").size()) {
          throw refusal(
              "its post_processor gives the special token "
                  + token.path("id")
                  + " not as many ids as tokens");
        }
      }
      for (String name : List.of("single", "pair")) {
        for (JsonNode piece : template.path(name)) {
          String wanted = piece.path("SpecialToken").path("id").asText(null);
          if (wanted != null && !known.has(wanted)) {
            throw refusal(
                "its post_processor puts the special token '"
                    + wanted
                    + "' around texts, and does not say which that is: special_tokens lacks it");
          }
          if (name.equals("single") && piece.path("Sequence").path("id").asText().equals("B")) {
            throw refusal("its post_processor wants a second text where there is one");
          }
        }
      }
    }
  }

  private static void collect(JsonNode processor, List<JsonNode> templates) {
    if (processor.path("type").asText().equals(TEMPLATE)) {
      templates.add(processor);
    }
    for (JsonNode part : processor.path("processors")) {
      collect(part, templates);
    }
  }

  private InputException refusal(String problem) {
    return new InputException(
        file
            + " is not a tokenizer that Hugging Face tokenizers can read: "
            + problem
            + ". Save it again with tokenizer.save_pretrained(...).");
  }
}
