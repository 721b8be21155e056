package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Answers in their several forms. */
final class AnswerFields {
  private static final String FORMS =
      "{\"text\": [...], \"answer_start\": [...]} or [{\"text\": ..., \"answer_start\": ...}, ...] or"
          + " [\"...\", ...]";

  private AnswerFields() {}

  /**
   * Answers of a JSON value, or of the text of one: two lists, as in the data sets of Hugging Face,
   * a list of objects, as in SQuAD's own files, or a list of texts.
   *
   * @throws InputException that says what is wrong, without the row
   */
  static List<GoldAnswer> of(Object said) {
    List<GoldAnswer> answers = new ArrayList<>();
    Object value = said instanceof String text ? parsed(text) : said;
    if (value instanceof Map<?, ?> lists) {
      List<?> texts = list(lists.get("text"));
      List<?> starts = list(lists.get("answer_start"));
      if (texts == null) {
        throw unusable(value);
      }
      if (starts != null && texts.size() != starts.size()) {
        throw new InputException(
            "there are " + texts.size() + " texts of answers and " + starts.size() + " starts");
      }
      for (int i = 0; i < texts.size(); i++) {
        answers.add(answer(texts.get(i), starts == null ? null : starts.get(i)));
      }
    } else if (value instanceof List<?> objects) {
      for (Object object : objects) {
        Map<?, ?> fields = object instanceof Map<?, ?> map ? map : null;
        answers.add(
            fields == null
                ? answer(object, null)
                : answer(fields.get("text"), fields.get("answer_start")));
      }
    } else {
      throw unusable(value);
    }
    return answers;
  }

  /** One answer of two cells; an empty text means that there is none. */
  static List<GoldAnswer> of(String text, String start) {
    if (text == null || text.isEmpty()) {
      return List.of();
    }
    if (start == null || start.isBlank()) {
      return List.of(new GoldAnswer(text, GoldAnswer.ANYWHERE));
    }
    try {
      // A column with gaps holds fractions, as pandas writes it.
      return List.of(answer(text, new BigDecimal(start.strip()).intValueExact()));
    } catch (NumberFormatException | ArithmeticException e) {
      throw new InputException("the answer's start is \"" + start + "\", not an integer", e);
    }
  }

  private static List<?> list(Object value) {
    if (value == null || value instanceof List<?>) {
      return (List<?>) value;
    }
    return List.of(value);
  }

  private static GoldAnswer answer(Object text, Object start) {
    if (!(text instanceof String string)) {
      throw unusable(text);
    }
    Check.input(
        !string.isEmpty(), "the text of an answer is empty; an empty list says that there is none");
    if (start == null) {
      return new GoldAnswer(string, GoldAnswer.ANYWHERE);
    }
    double place = start instanceof Number number ? number.doubleValue() : -1;
    if (place != Math.rint(place) || place < 0 || place > Integer.MAX_VALUE) {
      throw new InputException("the answer's start is " + start + ", not an index");
    }
    return new GoldAnswer(string, (int) place);
  }

  private static Object parsed(String text) {
    Object value = CellValue.parse(text);
    if (value == null) {
      throw unusable(text);
    }
    return value;
  }

  private static InputException unusable(Object value) {
    return new InputException(
        "answers are " + FORMS + ", not " + Excerpt.shortened(String.valueOf(value)));
  }
}
