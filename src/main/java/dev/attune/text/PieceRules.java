package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Which tokenizers part texts at single spaces and line breaks, whatever stands there: BERT's,
 * which look at characters one by one and at words, and GPT-2's bytes, whose pattern for a word
 * begins at the space before it. Of any other kind it is not known, and they are not among them.
 */
final class PieceRules {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> PARTS =
      Set.of("added_tokens", "normalizer", "pre_tokenizer", "post_processor");

  /** Those that put tokens around a text, whatever it is. */
  private static final Set<String> FRAMES =
      Set.of("", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing");

  /** Where a tokenizer parts texts. */
  enum Cuts {
    /** Nowhere that is known. */
    NONE,
    /** Before single spaces: a token takes line breaks before it, as RoBERTa's mask does. */
    AT_SPACES,
    /** Before single spaces, and before and behind single line breaks. */
    AT_SPACES_AND_BREAKS
  }

  private PieceRules() {}

  /**
   * Where pieces of a text end whose tokens are those of the text.
   *
   * @param tokenizer a tokenizer.json
   */
  static Cuts of(String tokenizer) {
    Map<String, JsonNode> parts = new HashMap<>();
    Map<String, JsonNode> model = new HashMap<>();
    try (JsonParser parser = JSON.getFactory().createParser(tokenizer)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return Cuts.NONE;
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        JsonToken value = parser.nextToken();
        if (PARTS.contains(name)) {
          parts.put(name, JSON.readTree(parser));
        } else if (name.equals("model") && value == JsonToken.START_OBJECT) {
          readSmall(parser, model);
        } else {
          parser.skipChildren();
        }
      }
    } catch (IOException e) {
      return Cuts.NONE;
    }
    JsonNode added = parts.get("added_tokens");
    boolean areKnown =
        haveVisibleContent(added)
            && FRAMES.contains(type(parts.get("post_processor")))
            && (isBert(parts, model) || isBytes(parts, model));
    if (!areKnown) {
      return Cuts.NONE;
    }
    return takeWhatIsBefore(added) ? Cuts.AT_SPACES : Cuts.AT_SPACES_AND_BREAKS;
  }

  /** The fields of a model that are no lists and no objects. */
  private static void readSmall(JsonParser parser, Map<String, JsonNode> fields)
      throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      if (parser.nextToken().isScalarValue()) {
        fields.put(name, JSON.readTree(parser));
      } else {
        parser.skipChildren();
      }
    }
  }

  private static String type(JsonNode part) {
    return part == null ? "" : part.path("type").asText();
  }

  private static boolean isBert(Map<String, JsonNode> parts, Map<String, JsonNode> model) {
    return type(parts.get("normalizer")).equals("BertNormalizer")
        && type(parts.get("pre_tokenizer")).equals("BertPreTokenizer")
        && isOfType(model, "WordPiece");
  }

  private static boolean isBytes(Map<String, JsonNode> parts, Map<String, JsonNode> model) {
    JsonNode normalizer = parts.get("normalizer");
    JsonNode bytes = parts.get("pre_tokenizer");
    return (normalizer == null || normalizer.isNull())
        && type(bytes).equals("ByteLevel")
        && !bytes.path("add_prefix_space").asBoolean(true)
        && bytes.path("use_regex").asBoolean(true)
        && isOfType(model, "BPE")
        && isUnset(model, "dropout")
        && isUnset(model, "continuing_subword_prefix")
        && isUnset(model, "end_of_word_suffix");
  }

  private static boolean isOfType(Map<String, JsonNode> model, String type) {
    return model.containsKey("type") && model.get("type").asText().equals(type);
  }

  private static boolean isUnset(Map<String, JsonNode> model, String name) {
    JsonNode value = model.get(name);
    return value == null || value.isNull() || value.isTextual() && value.asText().isEmpty();
  }

  /** A token that holds white space, or takes that behind it, reaches from piece to piece. */
  private static boolean haveVisibleContent(JsonNode added) {
    if (added == null) {
      return true;
    }
    for (JsonNode token : added) {
      String content = token.path("content").asText();
      if (token.path("rstrip").asBoolean() || !content.chars().allMatch(c -> c > ' ' && c < 0x7F)) {
        return false;
      }
    }
    return true;
  }

  /** A space before such a token is in its piece, a line break would be in the one before. */
  private static boolean takeWhatIsBefore(JsonNode added) {
    if (added != null) {
      for (JsonNode token : added) {
        if (token.path("lstrip").asBoolean()) {
          return true;
        }
      }
    }
    return false;
  }
}
