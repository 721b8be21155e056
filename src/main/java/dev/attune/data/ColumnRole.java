package dev.attune.data;

import java.util.List;
import java.util.Set;

/** What a column can mean. */
public enum ColumnRole {
  TEXT("text", "sentence", "sentence1", "premise"),
  TEXT_PAIR("text_pair", "sentence2", "hypothesis"),
  LABEL("label", "labels"),
  TOKENS("tokens", "words"),
  TAGS("tags", "ner_tags"),
  PROMPT("prompt"),
  COMPLETION("completion"),
  MESSAGES("messages"),
  INSTRUCTION("instruction"),
  INPUT("input"),
  SYSTEM("system"),
  HISTORY("history"),
  QUESTION("question"),
  CONTEXT("context"),
  ANSWERS("answers"),
  ANSWER_TEXT("answer_text"),
  ANSWER_START("answer_start"),
  ANCHOR("anchor"),
  POSITIVE("positive"),
  NEGATIVE("negative", "negatives", "negative_1"),
  CHOSEN("chosen", "preferred_output"),
  REJECTED("rejected", "non_preferred_output");

  static final Set<ColumnRole> OF_QUESTIONS =
      Set.of(QUESTION, CONTEXT, ANSWERS, ANSWER_TEXT, ANSWER_START);
  static final Set<ColumnRole> OF_ANCHORS = Set.of(ANCHOR, POSITIVE, NEGATIVE);
  static final Set<ColumnRole> OF_PAIRS = Set.of(TEXT, TEXT_PAIR, LABEL);
  static final Set<ColumnRole> COMPARED = Set.of(CHOSEN, REJECTED);
  static final Set<ColumnRole> OF_PREFERENCES =
      Set.of(PROMPT, INSTRUCTION, INPUT, SYSTEM, HISTORY, CHOSEN, REJECTED);
  static final Set<ColumnRole> OF_INSTRUCTIONS = Set.of(INSTRUCTION, INPUT);
  static final Set<ColumnRole> OTHER_TEXTS = Set.of(TEXT, TOKENS, PROMPT, MESSAGES);

  /** Whose cells may hold lists. */
  static final Set<ColumnRole> LISTS = Set.of(TOKENS, TAGS, LABEL);

  static final Set<ColumnRole> LISTS_OF_PAIRS = Set.of(POSITIVE, NEGATIVE, LABEL);

  /** Whose values may be classes that have names. */
  static final List<ColumnRole> OF_CLASSES = List.of(LABEL, TAGS);

  /** Of which a row is read from one. */
  static final Set<ColumnRole> SOURCES =
      Set.of(TEXT, TOKENS, PROMPT, MESSAGES, INSTRUCTION, QUESTION, ANCHOR);

  private final List<String> names;

  ColumnRole(String... names) {
    this.names = List.of(names);
  }

  /** The names by which the role is recognised; the first is its own. */
  public List<String> names() {
    return names;
  }

  static ColumnRole of(String name) {
    for (ColumnRole role : values()) {
      if (role.names.contains(name)) {
        return role;
      }
    }
    return null;
  }
}
