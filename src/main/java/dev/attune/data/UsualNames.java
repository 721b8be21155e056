package dev.attune.data;

import java.text.Normalizer;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Names that columns often have. They are compared in lower case, without accents, with spaces,
 * dots and hyphens as underscores.
 */
final class UsualNames {
  static final Set<String> TEXTS =
      names(
          "text texts sentence sentences review reviews review_text review_body reviewtext content"
              + " document doc body comment comments comment_text tweet tweet_text message"
              + " utterance headline title abstract article paragraph passage post feedback"
              + " statement description query question email sms transcript"
              // German
              + " bewertung rezension kommentar nachricht satz inhalt beschreibung titel aussage"
              + " dokument"
              // French
              + " texte avis commentaire phrase contenu titre critique"
              // Spanish
              + " texto resena comentario oracion frase contenido mensaje titulo");

  static final Set<String> LABELS =
      names(
          "label labels category class target sentiment stars star_rating rating topic intent score"
              + " emotion polarity stance grade genre gold_label class_index overall"
              // German
              + " stimmung kategorie klasse bewertung sterne thema note absicht"
              // French
              + " etiquette categorie classe etoiles theme"
              // Spanish
              + " etiqueta categoria clase sentimiento estrellas puntuacion tema calificacion nota");

  static final Set<String> TAGS =
      names(
          "tag ner ner_labels labels label pos pos_tags upos xpos chunk_tags bio_tags token_labels");

  /** Of pairs and triplets: what something is like, what it is like, and what it is not like. */
  static final Set<String> ANCHORS =
      names("anchor query question search_query claim sent0 anchors queries");

  static final Set<String> POSITIVES =
      names(
          "positive positives pos passage document doc answer context response positive_passage"
              + " pos_passage relevant relevant_passage sent1 evidence");

  static final Set<String> NEGATIVES =
      names(
          "negative negatives neg hard_neg hard_negative hard_negatives negative_passage"
              + " neg_passage irrelevant negative_1 neg_1 hard_neg_1 hard_negative_1"
              + " negative_passage_1");

  /** How alike two texts are. */
  static final Set<String> SCORES =
      names("score scores similarity similarity_score relatedness relatedness_score sim");

  static final Set<String> INPUTS = names("context");
  static final Set<String> SYSTEMS = names("system_prompt system_message");
  static final Set<String> TOKENS = names("token word");
  static final Set<String> CONVERSATIONS =
      names("conversations conversation dialogue dialog chat turns");

  /** What the assistant of a conversation may call. */
  static final Set<String> TOOLS = names("tools");

  /** What answers what, the prompt first. */
  static final Map<String, Set<String>> ANSWERS =
      Map.of(
          "instruction", names("output response answer completion target"),
          "prompt", names("response answer output target reply"),
          "question", names("answer response solution output"),
          "query", names("answer response output"),
          "problem", names("solution answer"),
          "document", names("summary"),
          "article", names("summary highlights"),
          "dialogue", names("summary"),
          "input", names("output target"),
          "user", names("assistant"));

  /** Two texts that belong together. */
  static final List<List<String>> TEXT_PAIRS =
      List.of(
          List.of("question1", "question2"),
          List.of("question", "passage"),
          List.of("text1", "text2"),
          List.of("text_1", "text_2"),
          List.of("text_a", "text_b"),
          List.of("sentence_1", "sentence_2"),
          List.of("sentence_a", "sentence_b"));

  private static final Pattern MARKS = Pattern.compile("\\p{M}+");
  private static final Pattern GAPS = Pattern.compile("[\\s.\\-]+");

  private UsualNames() {}

  private static Set<String> names(String list) {
    return Set.of(list.split(" "));
  }

  /** A name in the form in which names are compared. */
  static String normalised(String name) {
    String plain = MARKS.matcher(Normalizer.normalize(name, Normalizer.Form.NFD)).replaceAll("");
    return GAPS.matcher(plain.strip().toLowerCase(Locale.ROOT)).replaceAll("_");
  }

  /**
   * Whether a column of a role often has this name.
   *
   * @param role as {@link Columns} calls it
   */
  static boolean has(String role, String name) {
    String normalised = normalised(name);
    return switch (role) {
      case "text" -> TEXTS.contains(normalised);
      case "label" -> LABELS.contains(normalised);
      case "tokens" -> TOKENS.contains(normalised);
      case "tags" -> TAGS.contains(normalised);
      case "positive" -> POSITIVES.contains(normalised);
      case "negative" -> NEGATIVES.contains(normalised);
      default -> normalised.equals(role);
    };
  }

  /** Whether columns called so tell rows or people apart. */
  static boolean identifies(String name) {
    String normalised = normalised(name);
    return normalised.equals("id") || normalised.endsWith("_id") || normalised.endsWith("_idx");
  }

  /** Whether columns called so often say how alike texts are, or what they are. */
  static boolean judges(String name) {
    String normalised = normalised(name);
    return LABELS.contains(normalised) || SCORES.contains(normalised);
  }

  /** Whether columns of some role are often called so, by another name than the role's own. */
  static boolean hasAnyRole(String name) {
    String normalised = normalised(name);
    return Stream.of(
            List.of(TEXTS, LABELS, TAGS, TOKENS, ANCHORS, POSITIVES, NEGATIVES, SCORES),
            List.of(CONVERSATIONS, INPUTS, SYSTEMS, ANSWERS.keySet(), TOOLS),
            ANSWERS.values(),
            TEXT_PAIRS)
        .flatMap(Collection::stream)
        .anyMatch(names -> names.contains(normalised));
  }
}
