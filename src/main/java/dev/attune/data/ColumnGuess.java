package dev.attune.data;

import dev.attune.core.InputException;
import dev.attune.core.Term;
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
  private final Map<ColumnRole, String> found;
  private final Map<ColumnRole, String> guessed = new EnumMap<>(ColumnRole.class);

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
    AnnotatedRows.refuse(columns, values);
    guess.questionOnSentence();
    guess.answerNamedText();
    guess.texts();
    guess.targets();
    MultipleChoice.refuse(columns.withGuessed(guess.guessed), guess.found, values);
    guess.wordsOfSentences();
    return columns.withGuessed(guess.guessed);
  }

  /** The column of each role that is known so far. */
  Map<ColumnRole, String> found() {
    return found;
  }

  private void take(ColumnRole role, String column) {
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
        take(ColumnRole.ANCHOR, anchors.get(0));
        take(ColumnRole.POSITIVE, positives.get(0));
        negatives();
      }
    }
    if (!isReadable()) {
      pairOfTexts();
    }
    if (found.containsKey(ColumnRole.TEXT_PAIR) && !found.containsKey(ColumnRole.LABEL)) {
      take(ColumnRole.LABEL, only(UsualNames.SCORES));
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
      take(ColumnRole.NEGATIVE, negatives.get(0));
    }
  }

  private List<String> texts(Set<String> names) {
    return free(names).stream().filter(name -> values.get(name).areTexts()).toList();
  }

  private static Map<ColumnRole, String> anchorAndPositive(String anchor, String positive) {
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.ANCHOR, anchor);
    option.put(ColumnRole.POSITIVE, positive);
    return option;
  }

  private void refusePreferences() {
    String chosen = only(Set.of("chosen"));
    if (chosen == null || only(Set.of("rejected")) == null || found.containsKey(ColumnRole.TEXT)) {
      return;
    }
    String prompt = found.get(ColumnRole.PROMPT);
    Map<ColumnRole, String> supervised = new LinkedHashMap<>();
    if (values.get(chosen).areLists()) {
      supervised.put(ColumnRole.MESSAGES, chosen);
    } else if (prompt == null) {
      supervised.put(ColumnRole.TEXT, chosen);
    } else {
      supervised.put(ColumnRole.PROMPT, prompt);
      supervised.put(ColumnRole.COMPLETION, chosen);
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
    String label = found.get(ColumnRole.LABEL);
    if (found.containsKey(ColumnRole.PROMPT)
        && found.containsKey(ColumnRole.COMPLETION)
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
    if (found.containsKey(ColumnRole.PROMPT) && !found.containsKey(ColumnRole.COMPLETION)) {
      take(ColumnRole.COMPLETION, answerTo("prompt"));
    }
    if (found.containsKey(ColumnRole.INSTRUCTION)) {
      instruction();
    }
    if (!isReadable()) {
      conversation();
    }
    if (!isReadable()) {
      pairOfTurns();
    }
    if (found.containsKey(ColumnRole.INSTRUCTION) && !found.containsKey(ColumnRole.INPUT)) {
      take(ColumnRole.INPUT, only(UsualNames.INPUTS));
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
    if (!found.containsKey(ColumnRole.SYSTEM)) {
      take(ColumnRole.SYSTEM, only(UsualNames.SYSTEMS));
    }
  }

  private boolean isReadable() {
    return columns.asksForSource()
        || List.of(
                ColumnRole.TEXT,
                ColumnRole.TOKENS,
                ColumnRole.PROMPT,
                ColumnRole.MESSAGES,
                ColumnRole.INSTRUCTION,
                ColumnRole.QUESTION,
                ColumnRole.ANCHOR)
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
    if (found.containsKey(ColumnRole.COMPLETION)) {
      return;
    }
    String answer = answerTo("instruction");
    if (answer != null) {
      take(ColumnRole.COMPLETION, answer);
    } else if (found.containsKey(ColumnRole.LABEL)) {
      take(ColumnRole.TEXT, found.remove(ColumnRole.INSTRUCTION));
    }
  }

  private void conversation() {
    String column = only(UsualNames.CONVERSATIONS);
    if (column != null && values.get(column).areLists()) {
      take(ColumnRole.MESSAGES, column);
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
    if (pairs.size() == 1 && !found.containsKey(ColumnRole.LABEL)) {
      pairs.forEach(
          (prompt, answer) -> {
            take(ColumnRole.PROMPT, prompt);
            take(ColumnRole.COMPLETION, answer);
          });
    }
  }

  private void words() {
    String tokens = only(UsualNames.TOKENS);
    if (tokens == null || !found.containsKey(ColumnRole.TAGS) && free(UsualNames.TAGS).isEmpty()) {
      return;
    }
    refuseSingleWords(tokens);
    take(ColumnRole.TOKENS, tokens);
  }

  /** Words with tags beside what must be the number of their sentence. */
  private void wordsOfSentences() {
    String tokens = found.get(ColumnRole.TOKENS);
    boolean tagged = found.containsKey(ColumnRole.TAGS) && !found.containsKey(ColumnRole.TEXT);
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
    String sentence = found.get(ColumnRole.TEXT);
    String question = only(Set.of("question"));
    if (question != null
        && sentence != null
        && UsualNames.normalised(sentence).equals("sentence")
        && !columns.asksForSource()
        && !found.containsKey(ColumnRole.TEXT_PAIR)
        && !found.containsKey(ColumnRole.QUESTION)
        && values.get(question).areTexts()) {
      found.remove(ColumnRole.TEXT);
      take(ColumnRole.TEXT, question);
      take(ColumnRole.TEXT_PAIR, sentence);
    }
  }

  /** Of SQuAD as a table the text is the answer, which an answer's place beside it tells. */
  private void answerNamedText() {
    String text = found.get(ColumnRole.TEXT);
    String question = only(Set.of("question"));
    String context = only(Set.of("context"));
    String start = only(Set.of("answer_start"));
    if (text != null
        && UsualNames.normalised(text).equals("text")
        && question != null
        && context != null
        && start != null
        && !columns.asksForSource()
        && !found.containsKey(ColumnRole.LABEL)) {
      found.remove(ColumnRole.TEXT);
      take(ColumnRole.QUESTION, question);
      take(ColumnRole.CONTEXT, context);
      take(ColumnRole.ANSWER_TEXT, text);
      take(ColumnRole.ANSWER_START, start);
    }
  }

  private void pairOfTexts() {
    for (List<String> pair : UsualNames.TEXT_PAIRS) {
      String first = only(Set.of(pair.get(0)));
      String second = only(Set.of(pair.get(1)));
      if (first != null && second != null) {
        take(ColumnRole.TEXT, first);
        take(ColumnRole.TEXT_PAIR, second);
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
        !sure.isEmpty()
                || free(UsualNames.LABELS).size() < 2 && !found.containsKey(ColumnRole.LABEL)
            ? sure
            : all;
    if (candidates.size() == 1) {
      String text = candidates.get(0);
      refusePair(text);
      take(ColumnRole.TEXT, text);
    } else if (candidates.size() > 1) {
      throw new InputException(
          "the columns "
              + Excerpt.quoted(candidates)
              + " may each be the text. Say which: "
              + candidates.stream().map(this::asText).collect(Collectors.joining(" or "))
              + asPair(candidates));
    }
  }

  /** Two texts with a label may belong together: a query with what is found for it. */
  private String asPair(List<String> candidates) {
    String label = found.containsKey(ColumnRole.LABEL) ? found.get(ColumnRole.LABEL) : label();
    if (candidates.size() != 2 || label == null) {
      return "";
    }
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TEXT, candidates.get(0));
    option.put(ColumnRole.TEXT_PAIR, candidates.get(1));
    option.put(ColumnRole.LABEL, label);
    return ", or both as a pair: " + ColumnsOption.of(option);
  }

  /** A question with its answer and a label may be a pair, or a text beside others. */
  private void refusePair(String text) {
    String normalised = UsualNames.normalised(text);
    String second =
        UsualNames.ANSWERS.containsKey(normalised) && found.containsKey(ColumnRole.LABEL)
            ? answerTo(normalised)
            : null;
    if (second != null) {
      String label = found.get(ColumnRole.LABEL);
      Map<ColumnRole, String> pair = new LinkedHashMap<>();
      pair.put(ColumnRole.TEXT, text);
      pair.put(ColumnRole.TEXT_PAIR, second);
      pair.put(ColumnRole.LABEL, label);
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
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TEXT, column);
    String label = found.containsKey(ColumnRole.LABEL) ? found.get(ColumnRole.LABEL) : label();
    if (label == null) {
      List<String> others =
          values.keySet().stream()
              .filter(name -> !found.containsValue(name) && !name.equals(column))
              .filter(name -> values.get(name).looksLikeLabels() && values.get(name).vary())
              .toList();
      label = others.size() == 1 && labels().isEmpty() ? others.get(0) : null;
    }
    if (label != null) {
      option.put(ColumnRole.LABEL, label);
    }
    return ColumnsOption.of(option);
  }

  private void targets() {
    boolean isText = found.containsKey(ColumnRole.TEXT);
    if (isText && !found.containsKey(ColumnRole.LABEL) && columns.labelColumns().isEmpty()) {
      take(ColumnRole.LABEL, label());
    }
    if (found.containsKey(ColumnRole.TOKENS) && !isText && !found.containsKey(ColumnRole.TAGS)) {
      found.remove(ColumnRole.LABEL);
      take(ColumnRole.TAGS, only(UsualNames.TAGS));
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

  private static Map<ColumnRole, String> textAndLabel(String text, String label) {
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TEXT, text);
    option.put(ColumnRole.LABEL, label);
    return option;
  }
}
