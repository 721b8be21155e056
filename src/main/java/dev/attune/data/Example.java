package dev.attune.data;

import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One example as the file has it.
 *
 * @param row line of the file where it begins, counted from 1, header included; of a list in JSON,
 *     or in Parquet, the how manieth it is
 * @param text the text, or the question; null where the file has tokens or other columns instead
 * @param textPair the second text of a pair, or the context of a question; or null
 * @param label the label as written, or null
 * @param labels several labels: a list of the file, or its columns that say 1; or null
 * @param tokens words that are already split, or null
 * @param tags one tag a word, or null
 * @param prompt what a completion continues, or null
 * @param completion what follows the prompt, or null
 * @param messages the turns of a conversation, or null
 * @param answers to the question, none of which means that the context has none; or null
 * @param negatives texts that the text is not like, beside its pair, which it is like; or null
 * @param rejected the same prompt or conversation with an answer that is worse than this one's; or
 *     null
 * @param fields every column of the row in file order: strings from CSV and TSV, plain Java values
 *     (String, Number, Boolean, List, Map, null) from JSONL
 */
public record Example(
    int row,
    String text,
    String textPair,
    String label,
    List<String> labels,
    List<String> tokens,
    List<String> tags,
    String prompt,
    String completion,
    List<ChatMessage> messages,
    List<GoldAnswer> answers,
    List<String> negatives,
    Example rejected,
    Map<String, Object> fields) {

  public Example {
    negatives = negatives == null ? null : List.copyOf(negatives);
    labels = labels == null ? null : List.copyOf(labels);
    answers = answers == null ? null : List.copyOf(answers);
    tokens = tokens == null ? null : List.copyOf(tokens);
    tags = tags == null ? null : List.copyOf(tags);
    messages = messages == null ? null : List.copyOf(messages);
    fields =
        fields instanceof LazyFields
            ? fields
            : Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** An example without an answer that is worse. */
  public Example(
      int row,
      String text,
      String textPair,
      String label,
      List<String> labels,
      List<String> tokens,
      List<String> tags,
      String prompt,
      String completion,
      List<ChatMessage> messages,
      List<GoldAnswer> answers,
      List<String> negatives,
      Map<String, Object> fields) {
    this(
        row,
        text,
        textPair,
        label,
        labels,
        tokens,
        tags,
        prompt,
        completion,
        messages,
        answers,
        negatives,
        null,
        fields);
  }

  /** An example that has neither prompt nor conversation. */
  public Example(
      int row,
      String text,
      String textPair,
      String label,
      List<String> tokens,
      List<String> tags,
      Map<String, Object> fields) {
    this(row, text, textPair, label, null, tokens, tags, null, null, null, null, null, fields);
  }

  /** An example with text and label only. */
  public static Example of(int row, String text, String label) {
    return new Example(row, text, null, label, null, null, Map.of());
  }

  /** An example with words and tags only. */
  public static Example ofTokens(int row, List<String> tokens, List<String> tags) {
    return new Example(row, null, null, null, tokens, tags, Map.of());
  }

  /** The words of a text, which white space parts. */
  public static List<String> words(String text) {
    return text.isBlank() ? List.of() : List.of(text.strip().split("\\s+"));
  }

  /** A prompt and its completion. */
  public static Example ofPrompt(int row, String prompt, String completion) {
    return new Example(
        row, null, null, null, null, null, null, prompt, completion, null, null, null, Map.of());
  }

  /** A text, or a pair, with several labels, or none. */
  public static Example ofLabels(int row, String text, String textPair, List<String> labels) {
    return new Example(
        row, text, textPair, null, labels, null, null, null, null, null, null, null, Map.of());
  }

  /**
   * A question on a context.
   *
   * @param answers null where they are not known
   */
  public static Example ofQuestion(
      int row,
      String question,
      String context,
      List<GoldAnswer> answers,
      Map<String, Object> fields) {
    return new Example(
        row, question, context, null, null, null, null, null, null, null, answers, null, fields);
  }

  /**
   * An anchor with a text that it is like, and texts that it is not like.
   *
   * @param negatives may be empty
   */
  public static Example ofAnchor(
      int row, String anchor, String positive, List<String> negatives, Map<String, Object> fields) {
    return new Example(
        row, anchor, positive, null, null, null, null, null, null, null, null, negatives, fields);
  }

  /** A conversation. */
  public static Example ofMessages(int row, List<ChatMessage> messages) {
    return new Example(
        row, null, null, null, null, null, null, null, null, messages, null, null, Map.of());
  }

  /**
   * An answer that is better than another.
   *
   * @param chosen a prompt with its completion, or a conversation
   * @param rejected likewise, with the same prompt
   */
  public static Example ofPreference(
      int row, Example chosen, Example rejected, Map<String, Object> fields) {
    return new Example(
        row,
        null,
        null,
        null,
        null,
        null,
        null,
        chosen.prompt,
        chosen.completion,
        chosen.messages,
        null,
        null,
        rejected,
        fields);
  }

  /** The same as another row. */
  Example numbered(int other) {
    return new Example(
        other,
        text,
        textPair,
        label,
        labels,
        tokens,
        tags,
        prompt,
        completion,
        messages,
        answers,
        negatives,
        rejected == null ? null : rejected.numbered(other),
        fields);
  }

  /** The same example with other targets. */
  Example withTargets(String newLabel, List<String> newLabels, List<String> newTags) {
    return new Example(
        row,
        text,
        textPair,
        newLabel,
        newLabels,
        tokens,
        newTags,
        prompt,
        completion,
        messages,
        answers,
        negatives,
        rejected,
        fields);
  }

  /** All that is text in it. */
  List<Object> texts() {
    List<Object> texts =
        new ArrayList<>(
            Arrays.asList(text, textPair, label, labels, tokens, tags, prompt, completion));
    if (messages != null) {
      messages.forEach(message -> texts.add(message.fields()));
    }
    if (answers != null) {
      answers.forEach(answer -> texts.add(answer.text()));
    }
    if (negatives != null) {
      texts.addAll(negatives);
    }
    if (rejected != null) {
      texts.addAll(rejected.texts());
    }
    return texts;
  }

  /** A column of the row as a string, or null where there is none. */
  public String field(String name) {
    Object value = fields.get(name);
    return value == null ? null : value.toString();
  }

  /** How many of text, prompt and messages it has; language modelling needs exactly one. */
  public int sources() {
    return (text == null ? 0 : 1) + (prompt == null ? 0 : 1) + (messages == null ? 0 : 1);
  }

  /**
   * The text by which two examples count as equal: all texts, the words, prompt and completion, or
   * all turns, those of a worse answer too, in lower case, with runs of white space as one space.
   */
  String normalised() {
    List<String> parts = new ArrayList<>();
    if (tokens != null) {
      parts.add(String.join(" ", tokens));
    } else if (text == null && messages != null) {
      for (ChatMessage message : messages) {
        parts.add(message.role());
        parts.add(message.content());
      }
    } else if (text == null && prompt != null) {
      parts.add(prompt);
      parts.add(completion == null ? "" : completion);
    } else {
      parts.add(text == null ? "" : text);
      if (textPair != null) {
        parts.add(textPair);
      }
      if (negatives != null) {
        parts.addAll(negatives);
      }
    }
    // U+0000 cannot be confused with text: it parts the texts.
    StringBuilder out = new StringBuilder();
    for (String part : parts) {
      if (out.length() > 0) {
        out.append('\0');
      }
      EqualText.append(part, out);
    }
    return rejected == null ? out.toString() : out.append('\0') + rejected.normalised();
  }

  /** Whether neither a text nor words are there to read. */
  public boolean hasNoText() {
    return text == null && tokens != null ? hasNoWords() : text == null || text.isBlank();
  }

  /** Whether there are no words to read. */
  public boolean hasNoWords() {
    return tokens == null || tokens.stream().allMatch(String::isBlank);
  }
}
