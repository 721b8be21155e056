package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A turn of a conversation, as files have it.
 *
 * @param message as templates have it
 * @param forms in which the file had it otherwise
 */
record ChatTurn(ChatMessage message, Set<Form> forms) {
  /** How files write turns otherwise than templates read them. */
  enum Form {
    PARTS("content_parts", "turn has", "turns have", " several parts of text, read as one text"),
    CALLS(
        "function_calls",
        "turn calls or answers",
        "turns call or answer",
        " a function, and is read as of a tool"),
    ARGUMENTS(
        "call_arguments",
        "turn has",
        "turns have",
        " the arguments of a call as text, read as the object that it says"),
    NOT_LEARNED(
        "turns_not_learned",
        "turn is",
        "turns are",
        " marked not to be learned (\"train\" or \"loss\" is false or 0), as a weight of 0 says"),
    TEXT_ARGUMENTS(
        "unread_arguments",
        "turn has",
        "turns have",
        " arguments of a call that are no object of JSON: the template gets them as the text that"
            + " they are");

    private final String code;
    private final String one;
    private final String more;
    private final String what;

    Form(String code, String one, String more, String what) {
      this.code = code;
      this.one = one;
      this.more = more;
      this.what = what;
    }

    /**
     * What the report says of it.
     *
     * @param count of turns
     */
    Finding finding(int count) {
      return Finding.ofFile(
          this == TEXT_ARGUMENTS ? Finding.Severity.WARNING : Finding.Severity.NOTE,
          code,
          Count.many(count, one, more) + what);
    }
  }

  /** In the order of messages. Templates would drop or garble the turn of any other. */
  private static final List<String> ROLES =
      List.of("system", "developer", "user", "assistant", "tool");

  private static final String ROLE = "role";
  private static final String CONTENT = "content";
  private static final String SPEAKER = "from";
  private static final String VALUE = "value";
  private static final String CALL = "function_call";
  private static final String CALLS = "tool_calls";
  private static final String FUNCTION = "function";
  private static final String ARGUMENTS = "arguments";

  /** ShareGPT's names of who speaks. */
  private static final Map<String, String> SHARE_GPT =
      Map.ofEntries(
          Map.entry("system", "system"),
          Map.entry("human", "user"),
          Map.entry("user", "user"),
          Map.entry("gpt", "assistant"),
          Map.entry("chatgpt", "assistant"),
          Map.entry("assistant", "assistant"),
          Map.entry(CALL, "assistant"),
          Map.entry("observation", "tool"),
          Map.entry("function_response", "tool"),
          Map.entry("tool", "tool"));

  /** Types of parts that are text. */
  private static final Set<String> TEXT_PARTS = Set.of("text", "input_text", "output_text");

  /** With true or false in them, or 1 or 0, as Axolotl and ms-swift mark turns to learn or not. */
  private static final List<String> LEARNED = List.of("train", "training", "loss");

  /** What a part may have beside its text. */
  private static final Set<String> PART_FIELDS = Set.of("type", "text", "cache_control", "index");

  /** The list of turns that a text is, as JSON or Python writes it; null where it is none. */
  static List<?> list(String text) {
    boolean mayBe =
        text.stripLeading().startsWith("[") && (text.contains("role") || text.contains("from"));
    return mayBe
            && CellValue.parse(text) instanceof List<?> list
            && !list.isEmpty()
            && list.stream().allMatch(ChatTurn::isOne)
        ? list
        : null;
  }

  /** Whether something has the fields of a turn. */
  static boolean isOne(Object item) {
    return item instanceof Map<?, ?> turn
        && (turn.get(ROLE) instanceof String
                && (turn.containsKey(CONTENT) || turn.containsKey(CALLS))
            || turn.get(SPEAKER) instanceof String && turn.containsKey(VALUE));
  }

  /**
   * Reads one.
   *
   * @param where it stands, for messages
   * @param item as the file has it: an object with role and content, or ShareGPT's from and value
   * @throws InputException if it is no turn, or somebody's who is not known
   */
  static ChatTurn read(String where, Object item) {
    if (!(item instanceof Map<?, ?> turn)) {
      throw new InputException(
          where
              + " must be an object with role and content, not "
              + Excerpt.shortened(String.valueOf(item)));
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    turn.forEach((name, value) -> fields.put((String) name, JsonNumber.plain(value)));
    Set<Form> forms = EnumSet.noneOf(Form.class);
    if (fields.containsKey(SPEAKER) && fields.containsKey(VALUE) && !fields.containsKey(ROLE)) {
      shareGpt(where, fields, forms);
    }
    Check.input(
        fields.get(ROLE) instanceof String,
        "%s has no role. Roles: %s.",
        where,
        String.join(", ", ROLES));
    legacyCall(where, fields, forms);
    Check.input(
        ROLES.contains(fields.get(ROLE)),
        "%s has the unknown role \"%s\". Roles: %s.",
        where,
        fields.get(ROLE),
        String.join(", ", ROLES));
    calls(where, fields, forms);
    if (fields.get(CONTENT) instanceof List<?> parts) {
      fields.put(CONTENT, joined(where, parts, forms));
    }
    Object content = fields.get(CONTENT);
    boolean callsTools = fields.get(CALLS) instanceof List<?> list && !list.isEmpty();
    Check.input(
        content instanceof String || (content == null && callsTools),
        "%s: the content must be a string, not %s",
        where,
        Excerpt.shortened(String.valueOf(content)));
    checkWeight(where, fields);
    markLearned(where, fields, forms);
    return new ChatTurn(new ChatMessage(fields), forms);
  }

  private static void shareGpt(String where, Map<String, Object> fields, Set<Form> forms) {
    Object speaker = fields.remove(SPEAKER);
    Check.input(
        speaker instanceof String && SHARE_GPT.containsKey(speaker),
        "%s is from \"%s\", whom turns of ShareGPT are not known from. Known: human, gpt, system,"
            + " function_call, observation and tool.",
        where,
        speaker);
    fields.put(ROLE, SHARE_GPT.get(speaker));
    Object value = fields.remove(VALUE);
    if (speaker.equals(CALL)) {
      fields.put(CONTENT, "");
      fields.put(CALLS, calls(where, value));
      forms.add(Form.CALLS);
    } else {
      fields.put(CONTENT, value);
    }
  }

  /** OpenAI's way before there were several calls in a turn. */
  private static void legacyCall(String where, Map<String, Object> fields, Set<Form> forms) {
    if (fields.get(ROLE).equals(FUNCTION)) {
      fields.put(ROLE, "tool");
      forms.add(Form.CALLS);
    }
    Object call = fields.get(CALL);
    if (call != null) {
      Check.input(
          fields.get(CALLS) == null, "%s has function_call and tool_calls; keep one", where);
      fields.remove(CALL);
      fields.put(CALLS, calls(where, call));
      forms.add(Form.CALLS);
    }
  }

  /** The calls that a text or an object says: one function with its arguments, or several. */
  private static List<Map<String, Object>> calls(String where, Object said) {
    Object value = said instanceof String text ? CellValue.plain(text) : said;
    List<?> items =
        value instanceof List<?> list ? list : value == null ? List.of() : List.of(value);
    List<Map<String, Object>> calls = new ArrayList<>();
    for (Object item : items) {
      Check.input(
          item instanceof Map<?, ?> function && function.get("name") instanceof String,
          "%s is a function call without \"name\": %s",
          where,
          Excerpt.shortened(String.valueOf(said)));
      calls.add(ofFunction(item));
    }
    Check.input(
        !calls.isEmpty(),
        "%s is a function call, which is {\"name\": ..., \"arguments\": {...}} as JSON, not %s",
        where,
        Excerpt.shortened(String.valueOf(said)));
    return calls;
  }

  /** A function as templates have it, be it a tool or a call of one. */
  static Map<String, Object> ofFunction(Object function) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("type", FUNCTION);
    out.put(FUNCTION, function);
    return out;
  }

  /** Calls of tools with their arguments as templates write them: as objects, not as texts. */
  private static void calls(String where, Map<String, Object> fields, Set<Form> forms) {
    Object given = fields.get(CALLS);
    if (given instanceof String text) {
      given = text.isBlank() ? null : CellValue.plain(text);
      Check.input(
          given instanceof List<?> || text.isBlank(),
          "%s: tool_calls must be a list, not %s",
          where,
          Excerpt.shortened(text));
      fields.put(CALLS, given);
    }
    if (given == null) {
      return;
    }
    Check.input(
        given instanceof List<?>,
        "%s: tool_calls must be a list, not %s",
        where,
        Excerpt.shortened(String.valueOf(given)));
    List<Object> calls = new ArrayList<>();
    for (Object call : (List<?>) given) {
      boolean isWrapped =
          call instanceof Map<?, ?> outer && outer.get(FUNCTION) instanceof Map<?, ?>;
      Object function = isWrapped ? ((Map<?, ?>) call).get(FUNCTION) : call;
      Check.input(
          function instanceof Map<?, ?> named && named.get("name") instanceof String,
          "%s: a call of a tool is {\"type\": \"function\", \"function\": {\"name\": ...,"
              + " \"arguments\": {...}}}, not %s",
          where,
          Excerpt.shortened(String.valueOf(call)));
      Map<?, ?> parsed = withArguments((Map<?, ?>) function, forms);
      calls.add(isWrapped ? with((Map<?, ?>) call, FUNCTION, parsed) : parsed);
    }
    fields.put(CALLS, calls);
  }

  private static Map<?, ?> withArguments(Map<?, ?> function, Set<Form> forms) {
    if (!(function.get(ARGUMENTS) instanceof String text)) {
      return function;
    }
    Object parsed = text.isBlank() ? Map.of() : CellValue.plain(text);
    if (!(parsed instanceof Map<?, ?>)) {
      forms.add(Form.TEXT_ARGUMENTS);
      return function;
    }
    forms.add(Form.ARGUMENTS);
    return with(function, ARGUMENTS, parsed);
  }

  private static Map<Object, Object> with(Map<?, ?> map, String name, Object value) {
    Map<Object, Object> out = new LinkedHashMap<>(map);
    out.put(name, value);
    return out;
  }

  /** The parts of a content as one text: nothing stands between them, as templates write them. */
  private static String joined(String where, List<?> parts, Set<Form> forms) {
    StringBuilder text = new StringBuilder();
    for (Object item : parts) {
      if (item instanceof String string) {
        text.append(string);
        continue;
      }
      Check.input(
          item instanceof Map<?, ?> part && part.get("type") instanceof String,
          "%s: a part of the content is {\"type\": \"text\", \"text\": ...}, not %s",
          where,
          Excerpt.shortened(String.valueOf(item)));
      Map<?, ?> part = (Map<?, ?>) item;
      Check.input(
          TEXT_PARTS.contains(part.get("type")),
          "%s has a part of the type \"%s\", and only text is read. Leave such rows out, or write"
              + " what the part shows as text",
          where,
          part.get("type"));
      for (Map.Entry<?, ?> field : part.entrySet()) {
        Check.input(
            PART_FIELDS.contains(field.getKey()) || field.getValue() == null,
            "%s has a part with \"%s\", and only its text is read; take the field away",
            where,
            field.getKey());
      }
      Check.input(
          part.get("text") instanceof String,
          "%s has a part whose text is %s",
          where,
          Excerpt.shortened(String.valueOf(part.get("text"))));
      text.append(part.get("text"));
    }
    if (parts.size() > 1) {
      forms.add(Form.PARTS);
    }
    return text.toString();
  }

  /** What others write of turns that are not learned, as OpenAI's files have it. */
  private static void markLearned(String where, Map<String, Object> turn, Set<Form> forms) {
    Map<String, Boolean> marks = new LinkedHashMap<>();
    for (String name : LEARNED) {
      if (turn.get(name) != null) {
        marks.put(name, isLearned(where, name, turn.get(name)));
      }
    }
    if (marks.isEmpty()) {
      return;
    }
    String first = marks.keySet().iterator().next();
    boolean isLearned = marks.get(first);
    if (turn.get(ChatMessage.WEIGHT) instanceof Number weight) {
      marks.put(ChatMessage.WEIGHT, weight.doubleValue() == 1);
    }
    marks.forEach(
        (name, value) ->
            Check.input(
                value == isLearned,
                "%s is to be learned by one of its \"%s\" and \"%s\", and not by the other; keep one",
                where,
                first,
                name));
    boolean isAssistant = turn.get(ROLE).equals("assistant");
    Check.input(
        isAssistant || !isLearned,
        "%s is to be learned by its \"%s\", and has the role \"%s\"; only turns of the"
            + " assistant are learned",
        where,
        first,
        turn.get(ROLE));
    turn.keySet().removeAll(LEARNED);
    if (isAssistant && !isLearned) {
      turn.put(ChatMessage.WEIGHT, 0);
      forms.add(Form.NOT_LEARNED);
    }
  }

  private static boolean isLearned(String where, String name, Object value) {
    Object said =
        value instanceof Number number
            ? number.doubleValue() == 1 ? true : number.doubleValue() == 0 ? false : value
            : value;
    Check.input(
        said instanceof Boolean,
        "%s: \"%s\" says whether the turn is learned, and must be true or false, not %s",
        where,
        name,
        value instanceof String text
            ? Excerpt.quoted(List.of(text))
            : Excerpt.shortened(value.toString()));
    return (Boolean) said;
  }

  /** A turn that is not learned is marked so, in OpenAI's files. */
  private static void checkWeight(String where, Map<String, Object> turn) {
    Object weight = turn.get(ChatMessage.WEIGHT);
    if (weight != null) {
      Check.input(
          weight instanceof Number number
              && (number.doubleValue() == 0 || number.doubleValue() == 1),
          "%s: the weight must be 0 or 1, not %s",
          where,
          Excerpt.shortened(String.valueOf(weight)));
      Check.input(
          turn.get(ROLE).equals("assistant"),
          "%s has a weight, and the role \"%s\"; only turns of the assistant are learned, or not",
          where,
          turn.get(ROLE));
    }
  }
}
