package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A tokenizer.json that is being built from a vocabulary and the special tokens of a class. */
final class TokenizerFile {
  /** The roles in the order in which Transformers adds tokens that a vocabulary lacks. */
  private static final List<String> ROLES =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  /** How BERT's classes frame a text and a pair: see {@link #frame}. */
  static final String BERT_TEXT = "cls_token:0 A:0 sep_token:0";

  static final String BERT_PAIR = BERT_TEXT + " B:1 sep_token:1";

  private record Added(int id, String spelling, boolean eatsSpace, boolean isSpecial) {}

  private final ObjectNode root = JsonNodeFactory.instance.objectNode();
  private final Map<String, Integer> ids;
  private final Map<String, String> usual;
  private final SpecialTokens named;
  private final List<String> stated;
  private final List<Added> added = new ArrayList<>();
  private boolean areNormalized;

  /**
   * @param ids of the vocabulary by spellings; tokens that it lacks are numbered on from it
   * @param usual special tokens of the class by roles, where the folder's files name no others
   */
  TokenizerFile(Map<String, Integer> ids, Map<String, String> usual, VocabularySource of) {
    this.ids = ids;
    this.usual = usual;
    this.named = of.named();
    this.stated = of.stated();
    root.put("version", "1.0");
    root.putNull("truncation").putNull("padding");
    root.putNull("added_tokens").putNull("normalizer").putNull("pre_tokenizer");
    root.putNull("post_processor").putNull("decoder");
  }

  /** The spelling of the token with a role; null: there is none. */
  String spelling(String role) {
    String stated = named.spelling(role);
    return stated == null ? usual.get(role) : stated;
  }

  /** Whether the token with a role is in the vocabulary. */
  boolean has(String role) {
    return ids.containsKey(spelling(role));
  }

  /** A part by its name. */
  ObjectNode part(String name, String type) {
    return root.putObject(name).put("type", type);
  }

  void set(String name, JsonNode part) {
    root.set(name, part);
  }

  /** Lets special tokens be found in normalized text: so they are where a class makes them so. */
  TokenizerFile normalized() {
    areNormalized = true;
    return this;
  }

  /** A piece that is never split. */
  void keepWhole(String spelling, boolean isSpecial) {
    ids.putIfAbsent(spelling, next());
    added.add(new Added(ids.get(spelling), spelling, false, isSpecial));
  }

  /**
   * Adds the tokens of all roles.
   *
   * @param maskEatsSpace whether the class lets its mask take the space before it
   */
  void addRoles(boolean maskEatsSpace) {
    for (String spelling : stated) {
      if (!ids.containsKey(spelling)) {
        keepWhole(spelling, false); // how it meets a text the files say
      }
    }
    Set<String> seen = new HashSet<>();
    added.forEach(token -> seen.add(token.spelling));
    for (String role : ROLES) {
      String spelling = spelling(role);
      if (spelling == null || spelling.isEmpty()) {
        continue;
      }
      ids.putIfAbsent(spelling, next());
      if (seen.add(spelling)) {
        boolean eatsSpace = maskEatsSpace && role.equals("mask_token");
        added.add(new Added(ids.get(spelling), spelling, eatsSpace, true));
      }
    }
  }

  /** The id behind all others. */
  private int next() {
    return ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
  }

  /**
   * Puts tokens around texts and pairs.
   *
   * @param single roles of special tokens and A, each with its type: {@code cls_token:0 A:0}
   * @param pair the same with A and B
   */
  void frame(String single, String pair) {
    ObjectNode post = part("post_processor", "TemplateProcessing");
    ObjectNode specials = post.putObject("special_tokens");
    template(post.putArray("single"), single, specials);
    template(post.putArray("pair"), pair, specials);
  }

  /** Frames texts as RoBERTa's class does: of two that follow one another each has its ends. */
  void frameAsRoberta(boolean prefix) {
    ObjectNode post = part("post_processor", "RobertaProcessing");
    for (String side : List.of("sep", "cls")) {
      String spelling = spelling(side + "_token");
      post.putArray(side).add(spelling).add(ids.get(spelling));
    }
    post.put("trim_offsets", true).put("add_prefix_space", prefix);
  }

  /** Puts a token before texts, or behind, where tokenizer_config.json asks for it. */
  void frameAsAsked(JsonNode config) {
    boolean begins = config.path("add_bos_token").asBoolean(false) && spelling("bos_token") != null;
    boolean ends = config.path("add_eos_token").asBoolean(false) && spelling("eos_token") != null;
    String before = begins ? "bos_token:%d " : "";
    String behind = ends ? " eos_token:%d" : "";
    String first = (before + "A:0" + behind).formatted(0, 0);
    String second = (before + "B:1" + behind).formatted(1, 1);
    frame(first, first + " " + second);
  }

  private void template(ArrayNode out, String pieces, ObjectNode specials) {
    for (String piece : pieces.trim().split(" +")) {
      String name = piece.substring(0, piece.indexOf(':'));
      int type = Integer.parseInt(piece.substring(piece.indexOf(':') + 1));
      boolean isText = name.equals("A") || name.equals("B");
      String id = isText ? name : spelling(name);
      out.addObject()
          .putObject(isText ? "Sequence" : "SpecialToken")
          .put("id", id)
          .put("type_id", type);
      if (!isText) {
        ObjectNode special = specials.putObject(id).put("id", id);
        special.putArray("ids").add(ids.get(id));
        special.putArray("tokens").add(id);
      }
    }
  }

  /** The whole, tokens in the order of their ids. */
  String json() {
    ArrayNode tokens = root.putArray("added_tokens");
    added.sort(Comparator.comparingInt(Added::id));
    for (Added token : added) {
      tokens
          .addObject()
          .put("id", token.id)
          .put("content", token.spelling)
          .put("single_word", false)
          .put("lstrip", token.eatsSpace)
          .put("rstrip", false)
          .put("normalized", areNormalized && token.isSpecial)
          .put("special", token.isSpecial);
    }
    return root.toString();
  }
}
