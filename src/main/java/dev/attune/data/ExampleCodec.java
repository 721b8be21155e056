package dev.attune.data;

import dev.attune.text.ChatMessage;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Examples as bytes. The names of fields stand once for all rows, and a field that is the text, the
 * label and so on is not kept twice.
 */
final class ExampleCodec implements RowCodec<Example> {
  private static final int TEXT = 1;
  private static final int TEXT_PAIR = 1 << 1;
  private static final int LABEL = 1 << 2;
  private static final int LABELS = 1 << 3;
  private static final int TOKENS = 1 << 4;
  private static final int TAGS = 1 << 5;
  private static final int PROMPT = 1 << 6;
  private static final int COMPLETION = 1 << 7;
  private static final int MESSAGES = 1 << 8;
  private static final int ANSWERS = 1 << 9;
  private static final int NEGATIVES = 1 << 10;
  private static final int REJECTED = 1 << 11;

  private final List<String> names; // of fields
  private final Map<String, Integer> numbers = new HashMap<>(); // of names, where rows are written

  /** For rows that are written and read. */
  ExampleCodec() {
    names = Collections.synchronizedList(new ArrayList<>());
  }

  /**
   * For rows that were written before.
   *
   * @param names as {@link #names} gave them
   */
  ExampleCodec(List<String> names) {
    this.names = List.copyOf(names);
  }

  /** The names of fields, by which other processes read what this one has written. */
  List<String> names() {
    return List.copyOf(names);
  }

  @Override
  public void write(Example e, RowBytes out) {
    int flags =
        flag(e.text(), TEXT)
            | flag(e.textPair(), TEXT_PAIR)
            | flag(e.label(), LABEL)
            | flag(e.labels(), LABELS)
            | flag(e.tokens(), TOKENS)
            | flag(e.tags(), TAGS)
            | flag(e.prompt(), PROMPT)
            | flag(e.completion(), COMPLETION)
            | flag(e.messages(), MESSAGES)
            | flag(e.answers(), ANSWERS)
            | flag(e.negatives(), NEGATIVES)
            | flag(e.rejected(), REJECTED);
    out.put(e.row()).put(flags);
    String[] own = {e.text(), e.textPair(), e.label(), e.prompt(), e.completion()};
    for (String text : own) {
      if (text != null) {
        out.put(text);
      }
    }
    for (List<String> texts : lists(e)) {
      if (texts != null) {
        out.put(texts);
      }
    }
    if (e.messages() != null) {
      write(e.messages(), out);
    }
    if (e.answers() != null) {
      out.put(e.answers().size());
      e.answers().forEach(answer -> out.put(answer.text()).put(answer.start()));
    }
    if (e.rejected() != null) {
      writeRejected(e.rejected(), out);
    }
    out.put(e.fields().size());
    e.fields()
        .forEach(
            (name, value) -> {
              out.put(number(name));
              int same = value == null ? -1 : indexOf(own, value);
              if (same >= 0) {
                out.put(RowBytes.OWN_TAGS + same);
              } else {
                out.putValue(value);
              }
            });
  }

  private static void write(List<ChatMessage> messages, RowBytes out) {
    out.put(messages.size());
    messages.forEach(message -> out.putMap(message.fields()));
  }

  /** Its turns; or no turns, and the completion of the prompt that it shares. */
  private static void writeRejected(Example rejected, RowBytes out) {
    if (rejected.messages() != null) {
      write(rejected.messages(), out);
    } else {
      out.put(0).put(rejected.completion());
    }
  }

  private static Example rejected(ByteBuffer in, int row, String prompt) {
    List<ChatMessage> messages = messages(in);
    return messages.isEmpty()
        ? Example.ofPrompt(row, prompt, RowBytes.text(in))
        : Example.ofMessages(row, messages);
  }

  private static List<ChatMessage> messages(ByteBuffer in) {
    List<ChatMessage> messages = new ArrayList<>();
    for (int left = RowBytes.number(in); left > 0; left--) {
      messages.add(new ChatMessage(RowBytes.map(in)));
    }
    return messages;
  }

  private static int flag(Object part, int flag) {
    return part == null ? 0 : flag;
  }

  private static List<List<String>> lists(Example e) {
    List<List<String>> lists = new ArrayList<>();
    lists.add(e.labels());
    lists.add(e.tokens());
    lists.add(e.tags());
    lists.add(e.negatives());
    return lists;
  }

  private static int indexOf(String[] own, Object value) {
    for (int i = 0; i < own.length; i++) {
      if (value.equals(own[i])) {
        return i;
      }
    }
    return -1;
  }

  private int number(String name) {
    return numbers.computeIfAbsent(
        name,
        added -> {
          names.add(added);
          return names.size() - 1;
        });
  }

  @Override
  public Example read(ByteBuffer in) {
    int row = RowBytes.number(in);
    int flags = RowBytes.number(in);
    String text = text(in, flags, TEXT);
    String textPair = text(in, flags, TEXT_PAIR);
    String label = text(in, flags, LABEL);
    String prompt = text(in, flags, PROMPT);
    String completion = text(in, flags, COMPLETION);
    List<String> labels = texts(in, flags, LABELS);
    List<String> tokens = texts(in, flags, TOKENS);
    List<String> tags = texts(in, flags, TAGS);
    List<String> negatives = texts(in, flags, NEGATIVES);
    List<ChatMessage> messages = (flags & MESSAGES) == 0 ? null : messages(in);
    List<GoldAnswer> answers = null;
    if ((flags & ANSWERS) != 0) {
      answers = new ArrayList<>();
      for (int left = RowBytes.number(in); left > 0; left--) {
        String answer = RowBytes.text(in);
        answers.add(new GoldAnswer(answer, RowBytes.number(in)));
      }
    }
    Example rejected = (flags & REJECTED) == 0 ? null : rejected(in, row, prompt);
    String[] own = {text, textPair, label, prompt, completion};
    ByteBuffer rest = in.slice();
    return new Example(
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
        rejected,
        new LazyFields(() -> fields(rest.duplicate(), own)));
  }

  private Map<String, Object> fields(ByteBuffer in, String[] own) {
    int size = RowBytes.number(in);
    Map<String, Object> out = new LinkedHashMap<>(2 * size);
    for (int i = 0; i < size; i++) {
      String name = names.get(RowBytes.number(in));
      int tag = RowBytes.number(in);
      boolean isOwn = tag >= RowBytes.OWN_TAGS;
      out.put(name, isOwn ? own[tag - RowBytes.OWN_TAGS] : RowBytes.value(tag, in));
    }
    return out;
  }

  private static String text(ByteBuffer in, int flags, int flag) {
    return (flags & flag) == 0 ? null : RowBytes.text(in);
  }

  private static List<String> texts(ByteBuffer in, int flags, int flag) {
    return (flags & flag) == 0 ? null : RowBytes.texts(in);
  }
}
