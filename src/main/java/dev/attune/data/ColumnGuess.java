package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Columns.Role;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Guesses columns by usual names, where none has a role's own. A guess is made only where one
 * column is in question, and is stated in the data report; where two compete for the text, the
 * error names the option that decides.
 */
final class ColumnGuess {
  private static final int FREE_TEXT_CHARACTERS = 60;

  private final Columns columns;
  private final Map<String, ColumnValues> values;
  private final Map<Role, String> found;
  private final Map<Role, String> guessed = new EnumMap<>(Role.class);

  ColumnGuess(Columns columns, Map<String, ColumnValues> values) {
    this.columns = columns;
    this.values = values;
    this.found = columns.resolve(values.keySet());
  }

  /**
   * The columns with guesses for the roles that none has by its name.
   *
   * @param values of each column, in the order of the file
   * @throws InputException without the file, where it takes a decision that only the user can make
   */
  static Columns guess(Columns columns, Map<String, ColumnValues> values) {
    ColumnGuess guess = new ColumnGuess(columns, values);
    if (columns.arePreferences()) {
      guess.system(); // which answer is the better one is not to be guessed
      return columns.withGuessed(guess.guessed);
    }
    if (columns.arePairs()) {
      guess.pairs();
      return columns.withGuessed(guess.guessed);
    }
    guess.refusePreferences();
    guess.refuseJudgements();
    guess.questionOnSentence();
    guess.texts();
    guess.targets();
    MultipleChoice.refuse(columns.withGuessed(guess.guessed), guess.found, values);
    guess.wordsOfSentences();
    return columns.withGuessed(guess.guessed);
  }

  /** The column of each role that is known so far. */
  Map<Role, String> found() {
    return found;
  }

  private void take(Role role, String column) {
    if (column != null && !columns.asksFor(role)) {
      guessed.put(role, column);
      found.put(role, column);
    }
  }

  /** The only column of one of these names that has no role yet; null: none, or several. */
  private String only(Set<String> names) {
    List<String> columns = free(names);
    return columns.size() == 1 ? columns.get(0) : null;
  }

  /** The columns of one of these names that have no role yet. */
  List<String> free(Set<String> names) {
    return values.keySet().stream()
        .filter(name -> names.contains(UsualNames.normalised(name)))
        .filter(name -> !found.containsValue(name) && !columns.labelColumns().contains(name))
        .toList();
  }

  /** Of pairs and triplets: an anchor with what is like it, or two texts with a score. */
  private void pairs() {
    if (!isReadable()) {
      List<String> anchors = texts(UsualNames.ANCHORS);
      List<String> positives =
          free(UsualNames.POSITIVES).stream()
              .filter(name -> values.get(name).areTextsOrLists())
              .toList();
      if (!anchors.isEmpty() && !positives.isEmpty()) {
        if (anchors.size() > 1 || positives.size() > 1) {
          throw new InputException(
              "of the columns "
                  + Excerpt.quoted(anchors)
                  + " each may be the anchor, of "
                  + Excerpt.quoted(positives)
                  + " each what it is like. Say which: "
                  + ColumnsOption.of(anchorAndPositive(anchors.get(0), positives.get(0))));
        }
        take(Role.ANCHOR, anchors.get(0));
        take(Role.POSITIVE, positives.get(0));
        negatives();
      }
    }
    if (!isReadable()) {
      pairOfTexts();
    }
    if (found.containsKey(Role.TEXT_PAIR) && !found.containsKey(Role.LABEL)) {
      take(Role.LABEL, only(UsualNames.SCORES));
    }
    UnlikePairs.refuse(columns, found, values);
  }

  private void negatives() {
    List<String> negatives = free(UsualNames.NEGATIVES);
    if (negatives.size() > 1) {
      throw new InputException(
          "the columns "
              + Excerpt.quoted(negatives)
              + " may each be the negative. Say which with "
              + Term.COLUMNS.of("negative=" + ColumnsOption.quoted(negatives.get(0)))
              + ", or name several negative_1, negative_2 and so on");
    }
    if (!negatives.isEmpty()) {
      take(Role.NEGATIVE, negatives.get(0));
    }
  }

  private List<String> texts(Set<String> names) {
    return free(names).stream().filter(name -> values.get(name).areTexts()).toList();
  }

  private static Map<Role, String> anchorAndPositive(String anchor, String positive) {
    Map<Role, String> option = new LinkedHashMap<>();
    option.put(Role.ANCHOR, anchor);
    option.put(Role.POSITIVE, positive);
    return option;
  }

  private void refusePreferences() {
    String chosen = only(Set.of("chosen"));
    if (chosen == null || only(Set.of("rejected")) == null || found.containsKey(Role.TEXT)) {
      return;
    }
    String prompt = found.get(Role.PROMPT);
    Map<Role, String> supervised = new LinkedHashMap<>();
    if (values.get(chosen).areLists()) {
      supervised.put(Role.MESSAGES, chosen);
    } else if (prompt == null) {
      supervised.put(Role.TEXT, chosen);
    } else {
      supervised.put(Role.PROMPT, prompt);
      supervised.put(Role.COMPLETION, chosen);
    }
    if (columns.asksFor(chosen)) {
      return;
    }
    throw new InputException(
        "the rows are pairs of a preferred and a rejected answer, from which "
            + Term.TASK.of("dpo")
            + " learns. To learn the preferred answers alone: "
            + ColumnsOption.of(supervised));
  }

  private void refuseJudgements() {
    String label = found.get(Role.LABEL);
    if (found.containsKey(Role.PROMPT)
        && found.containsKey(Role.COMPLETION)
        && label != null
        && values.get(label).areFlags()) {
      throw new InputException(
          "\""
              + label
              + "\" says of each answer whether it is wanted, and all answers would be learned."
              + " Write the wanted rows to a file without that column; or, for "
              + Term.TASK.of("dpo")
              + ", wanted and unwanted answers to one prompt into one row: prompt, chosen, rejected");
    }
  }

  private void texts() {
    if (found.containsKey(Role.PROMPT) && !found.containsKey(Role.COMPLETION)) {
      take(Role.COMPLETION, answerTo("prompt"));
    }
    if (found.containsKey(Role.INSTRUCTION)) {
      instruction();
    }
    if (!isReadable()) {
      conversation();
    }
    if (!isReadable()) {
      pairOfTurns();
    }
    if (found.containsKey(Role.INSTRUCTION) && !found.containsKey(Role.INPUT)) {
      take(Role.INPUT, only(UsualNames.INPUTS));
    }
    system();
    if (!isReadable()) {
      words();
    }
    if (!isReadable()) {
      pairOfTexts();
    }
    if (!isReadable()) {
      text();
    }
  }

  private void system() {
    if (!found.containsKey(Role.SYSTEM)) {
      take(Role.SYSTEM, only(UsualNames.SYSTEMS));
    }
  }

  private boolean isReadable() {
    return columns.asksForSource()
        || List.of(
                Role.TEXT,
                Role.TOKENS,
                Role.PROMPT,
                Role.MESSAGES,
                Role.INSTRUCTION,
                Role.QUESTION,
                Role.ANCHOR)
            .stream()
            .anyMatch(found::containsKey);
  }

  private String answerTo(String prompt) {
    List<String> answers =
        free(UsualNames.ANSWERS.get(prompt)).stream()
            .filter(name -> values.get(name).areStrings())
            .toList();
    return answers.size() == 1 ? answers.get(0) : null;
  }

  /** An instruction without an answer, but with a label, is a text. */
  private void instruction() {
    if (found.containsKey(Role.COMPLETION)) {
      return;
    }
    String answer = answerTo("instruction");
    if (answer != null) {
      take(Role.COMPLETION, answer);
    } else if (found.containsKey(Role.LABEL)) {
      take(Role.TEXT, found.remove(Role.INSTRUCTION));
    }
  }

  private void conversation() {
    String column = only(UsualNames.CONVERSATIONS);
    if (column != null && values.get(column).areLists()) {
      take(Role.MESSAGES, column);
    }
  }

  private void pairOfTurns() {
    Map<String, String> pairs = new LinkedHashMap<>();
    for (String name : values.keySet()) {
      String normalised = UsualNames.normalised(name);
      if (UsualNames.ANSWERS.containsKey(normalised)
          && !found.containsValue(name)
          && values.get(name).areTexts()) {
        String answer = answerTo(normalised);
        if (answer != null) {
          pairs.put(name, answer);
        }
      }
    }
    if (pairs.size() == 1 && !found.containsKey(Role.LABEL)) {
      pairs.forEach(
          (prompt, answer) -> {
            take(Role.PROMPT, prompt);
            take(Role.COMPLETION, answer);
          });
    }
  }

  private void words() {
    String tokens = only(UsualNames.TOKENS);
    if (tokens == null || !found.containsKey(Role.TAGS) && free(UsualNames.TAGS).isEmpty()) {
      return;
    }
    refuseSingleWords(tokens);
    take(Role.TOKENS, tokens);
  }

  /** Words with tags beside what must be the number of their sentence. */
  private void wordsOfSentences() {
    String tokens = found.get(Role.TOKENS);
    boolean tagged = found.containsKey(Role.TAGS) && !found.containsKey(Role.TEXT);
    if (tokens != null && tagged && !columns.asksFor(tokens) && values.size() > 2) {
      refuseSingleWords(tokens);
    }
  }

  private void refuseSingleWords(String tokens) {
    if (values.get(tokens).areSingleWords()) {
      throw new InputException(
          "\""
              + tokens
              + "\" seems to hold one word a row, which is not read. Write a .conll file: a word and"
              + " its tag a line, a blank line between sentences");
    }
  }

  /** A sentence beside a question is what may answer it, as in GLUE's QNLI. */
  private void questionOnSentence() {
    String sentence = found.get(Role.TEXT);
    String question = only(Set.of("question"));
    if (question != null
        && sentence != null
        && UsualNames.normalised(sentence).equals("sentence")
        && !columns.asksForSource()
        && !found.containsKey(Role.TEXT_PAIR)
        && !found.containsKey(Role.QUESTION)
        && values.get(question).areTexts()) {
      found.remove(Role.TEXT);
      take(Role.TEXT, question);
      take(Role.TEXT_PAIR, sentence);
    }
  }

  private void pairOfTexts() {
    for (List<String> pair : UsualNames.TEXT_PAIRS) {
      String first = only(Set.of(pair.get(0)));
      String second = only(Set.of(pair.get(1)));
      if (first != null && second != null) {
        take(Role.TEXT, first);
        take(Role.TEXT_PAIR, second);
        return;
      }
    }
  }

  private void text() {
    List<String> all =
        free(UsualNames.TEXTS).stream().filter(name -> values.get(name).areTexts()).toList();
    // A name that may be either is the text where nothing else is, and something else is the label.
    List<String> sure =
        all.stream()
            .filter(name -> !UsualNames.LABELS.contains(UsualNames.normalised(name)))
            .toList();
    List<String> candidates =
        !sure.isEmpty() || free(UsualNames.LABELS).size() < 2 && !found.containsKey(Role.LABEL)
            ? sure
            : all;
    if (candidates.size() == 1) {
      String text = candidates.get(0);
      refusePair(text);
      take(Role.TEXT, text);
    } else if (candidates.size() > 1) {
      throw new InputException(
          "the columns "
              + Excerpt.quoted(candidates)
              + " may each be the text. Say which: "
              + candidates.stream().map(this::asText).collect(Collectors.joining(" or ")));
    }
  }

  /** A question with its answer and a label may be a pair, or a text beside others. */
  private void refusePair(String text) {
    String normalised = UsualNames.normalised(text);
    String second =
        UsualNames.ANSWERS.containsKey(normalised) && found.containsKey(Role.LABEL)
            ? answerTo(normalised)
            : null;
    if (second != null) {
      String label = found.get(Role.LABEL);
      Map<Role, String> pair = new LinkedHashMap<>();
      pair.put(Role.TEXT, text);
      pair.put(Role.TEXT_PAIR, second);
      pair.put(Role.LABEL, label);
      throw new InputException(
          "the columns "
              + Excerpt.quoted(List.of(text, second))
              + " may be a pair of texts. Say so, or which is the text: "
              + ColumnsOption.of(pair)
              + " or "
              + ColumnsOption.of(textAndLabel(text, label)));
    }
  }

  private String asText(String column) {
    Map<Role, String> option = new LinkedHashMap<>();
    option.put(Role.TEXT, column);
    String label = found.containsKey(Role.LABEL) ? found.get(Role.LABEL) : label();
    if (label == null) {
      List<String> others =
          values.keySet().stream()
              .filter(name -> !found.containsValue(name) && values.get(name).looksLikeLabels())
              .toList();
      label = others.size() == 1 && labels().isEmpty() ? others.get(0) : null;
    }
    if (label != null) {
      option.put(Role.LABEL, label);
    }
    return ColumnsOption.of(option);
  }

  private void targets() {
    boolean isText = found.containsKey(Role.TEXT);
    if (isText && !found.containsKey(Role.LABEL) && columns.labelColumns().isEmpty()) {
      take(Role.LABEL, label());
    }
    if (found.containsKey(Role.TOKENS) && !isText && !found.containsKey(Role.TAGS)) {
      found.remove(Role.LABEL);
      take(Role.TAGS, only(UsualNames.TAGS));
    }
  }

  /** The one column that may be the label; null: none, or several. */
  private String label() {
    List<String> labels = labels();
    return labels.size() == 1 ? labels.get(0) : null;
  }

  /** Of NLI's files one column is made of the others by those who collected them. */
  List<String> labels() {
    String agreed = only(Set.of("gold_label"));
    if (agreed != null) {
      return List.of(agreed);
    }
    return free(UsualNames.LABELS).stream()
        .filter(name -> values.get(name).meanLength() <= FREE_TEXT_CHARACTERS)
        .toList();
  }

  private static Map<Role, String> textAndLabel(String text, String label) {
    Map<Role, String> option = new LinkedHashMap<>();
    option.put(Role.TEXT, text);
    option.put(Role.LABEL, label);
    return option;
  }
}
