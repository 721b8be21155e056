package dev.attune.text;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** What stands in a tokenizer.json beside its vocabulary, for a class to change. */
final class TokenizerParts {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** More than there are special pieces, which come first. */
  private static final int FIRST = 16;

  JsonNode normalizer = NODES.nullNode();
  JsonNode preTokenizer = NODES.nullNode();
  JsonNode postProcessor = NODES.nullNode();
  JsonNode decoder = NODES.nullNode();

  /** The model without its vocabulary and merges, which are long. */
  private ObjectNode model = NODES.objectNode();

  /** The spellings of the first unigrams, among which the unknown one is. */
  private final List<String> first = new ArrayList<>();

  static TokenizerParts of(String tokenizer) throws IOException {
    TokenizerParts parts = new TokenizerParts();
    try (JsonParser parser = JSON.getFactory().createParser(tokenizer)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "normalizer" -> parts.normalizer = JSON.readTree(parser);
          case "pre_tokenizer" -> parts.preTokenizer = JSON.readTree(parser);
          case "post_processor" -> parts.postProcessor = JSON.readTree(parser);
          case "decoder" -> parts.decoder = JSON.readTree(parser);
          case "model" -> parts.readModel(parser);
          default -> parser.skipChildren();
        }
      }
    }
    return parts;
  }

  private void readModel(JsonParser parser) throws IOException {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      parser.skipChildren();
      return;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      if (value.isScalarValue()) {
        model.set(name, JSON.readTree(parser));
      } else if (value == JsonToken.START_ARRAY && name.equals("vocab")) {
        readPieces(parser);
      } else {
        parser.skipChildren();
      }
    }
  }

  private void readPieces(JsonParser parser) throws IOException {
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      if (first.size() < FIRST && parser.currentToken() == JsonToken.START_ARRAY) {
        JsonNode piece = JSON.readTree(parser);
        first.add(piece.path(0).asText());
      } else {
        parser.skipChildren();
      }
    }
  }

  /** Sets what a class gives its model whatever the file says, if it is of that type. */
  void fix(String type, String key, JsonNode value, JsonNode ifAbsent) {
    if (isType(model, type) && !value.equals(model.has(key) ? model.get(key) : ifAbsent)) {
      model.set(key, value);
    }
  }

  /** A model that merges pieces as all classes of bytes have it. */
  void fixMerges(boolean fusesUnknown, boolean fallsBackToBytes) {
    JsonNode no = NODES.booleanNode(false);
    fix("BPE", "dropout", NODES.nullNode(), NODES.nullNode());
    fix("BPE", "fuse_unk", NODES.booleanNode(fusesUnknown), no);
    fix("BPE", "byte_fallback", NODES.booleanNode(fallsBackToBytes), no);
    fix("BPE", "ignore_merges", no, no);
  }

  /** The same of a class that finds the unknown piece by its spelling. */
  void fixUnigrams(String unknown) {
    if (first.contains(unknown)) {
      fixUnigrams(first.indexOf(unknown));
    }
  }

  /** A model of unigrams as the classes have it. */
  void fixUnigrams(int unknown) {
    JsonNode no = NODES.booleanNode(false);
    fix("Unigram", "byte_fallback", no, no);
    fix("Unigram", "unk_id", NODES.numberNode(unknown), NODES.nullNode());
  }

  /** The token that stands before a text, or the one behind it; null: nothing says it. */
  String frame(boolean before) {
    if (isType(postProcessor, "BertProcessing") || isType(postProcessor, "RobertaProcessing")) {
      return postProcessor.path(before ? "cls" : "sep").path(0).asText(null);
    }
    JsonNode single = postProcessor.path("single");
    JsonNode end = single.path(before ? 0 : single.size() - 1);
    return isType(postProcessor, "TemplateProcessing")
        ? end.path("SpecialToken").path("id").asText(null)
        : null;
  }

  /** The id of that token; null: nothing says it. */
  Integer frameId(boolean before) {
    JsonNode id =
        isType(postProcessor, "TemplateProcessing")
            ? postProcessor
                .path("special_tokens")
                .path(String.valueOf(frame(before)))
                .path("ids")
                .path(0)
            : postProcessor.path(before ? "cls" : "sep").path(1);
    return frame(before) == null || !id.isInt() ? null : id.intValue();
  }

  boolean isModel(String type) {
    return isType(model, type);
  }

  TokenizerParts copy() {
    TokenizerParts copy = new TokenizerParts();
    copy.normalizer = normalizer.deepCopy();
    copy.preTokenizer = preTokenizer.deepCopy();
    copy.postProcessor = postProcessor.deepCopy();
    copy.decoder = decoder.deepCopy();
    copy.model = model.deepCopy();
    copy.first.addAll(first);
    return copy;
  }

  boolean same(TokenizerParts other) {
    return Objects.equals(normalizer, other.normalizer)
        && Objects.equals(preTokenizer, other.preTokenizer)
        && Objects.equals(postProcessor, other.postProcessor)
        && Objects.equals(decoder, other.decoder)
        && model.equals(other.model);
  }

  String in(String tokenizer) throws IOException {
    ObjectNode whole = (ObjectNode) WholeJson.of(tokenizer);
    whole.set("normalizer", normalizer);
    whole.set("pre_tokenizer", preTokenizer);
    whole.set("post_processor", postProcessor);
    whole.set("decoder", decoder);
    if (whole.get("model") instanceof ObjectNode all) {
      all.setAll(model);
    }
    return JSON.writeValueAsString(whole);
  }

  static boolean isType(JsonNode part, String type) {
    return part.path("type").asText().equals(type);
  }

  /** The parts of a type, in a sequence or on their own. */
  static List<ObjectNode> typed(JsonNode root, String type, String sequence) {
    List<ObjectNode> found = new ArrayList<>();
    if (isType(root, type)) {
      found.add((ObjectNode) root);
    }
    for (JsonNode part : root.path(sequence)) {
      found.addAll(typed(part, type, sequence));
    }
    return found;
  }
}
