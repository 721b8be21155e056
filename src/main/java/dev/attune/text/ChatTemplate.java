package dev.attune.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.jinja.Template;
import dev.attune.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * How a model writes conversations: the template of a Hugging Face folder, rendered as
 * Transformers' {@code apply_chat_template} does. Looked for, as there, in {@code
 * chat_template.jinja}, with one for conversations that have tools in {@code
 * additional_chat_templates/tool_use.jinja}, then under {@code chat_template} in {@code
 * tokenizer_config.json} (one template, or a list of named ones), then in {@code
 * chat_template.json}.
 *
 * <p>Safe for use by several threads.
 */
public final class ChatTemplate {
  /** By which a template asks for the date. */
  static final String DATE_FUNCTION = "strftime_now";

  /**
   * A conversation as text.
   *
   * @param learned where the assistant speaks: begin and end, char indices of {@code text},
   *     ascending. A turn includes what ends it and leaves out what announces it
   */
  public record Conversation(String text, List<int[]> learned) {}

  /** Holds the template, where it stands alone. */
  static final String FILE = "chat_template.jinja";

  private static final String TOOL_USE = "tool_use";

  /** Holds that of conversations with tools, where there is another for them. */
  static final String FOR_TOOLS = "additional_chat_templates/" + TOOL_USE + ".jinja";

  private static final List<String> FILES = List.of("tokenizer_config.json", "chat_template.json");

  private static final Pattern MARKS_ANSWERS =
      Pattern.compile("\\{%[-+]?\\s*generation\\s*[-+]?%}");

  /** Of the private use area, so in no data: stands where a turn's content would. */
  private static final String MARK = "\uE0B0\uE0B1\uE0B2";

  private final Path file;
  private final Map<String, Template> templates;
  private final boolean marksAnswers;
  private final Set<String> sources;
  private final Map<String, Object> tokens;
  private final LocalDateTime now;

  private ChatTemplate(
      Path file, Map<String, String> sources, Map<String, Object> tokens, LocalDateTime now) {
    this.file = file;
    this.tokens = tokens;
    this.now = now;
    this.templates = new LinkedHashMap<>();
    this.sources = Set.copyOf(sources.values());
    sources.forEach(
        (name, source) -> {
          try {
            templates.put(name, Template.parse(source));
          } catch (TemplateException e) {
            throw new InputException(
                file + ": the chat template cannot be read: " + e.getMessage(), e);
          }
        });
    this.marksAnswers =
        sources.values().stream().allMatch(source -> MARKS_ANSWERS.matcher(source).find());
  }

  /** The template of a model folder; a folder without one is an error that says what to do. */
  public static ChatTemplate open(Path folder) {
    return open(folder, LocalDateTime.now());
  }

  /**
   * As {@link #open(Path)}.
   *
   * @param now what templates that ask for the date are told
   */
  public static ChatTemplate open(Path folder, LocalDateTime now) {
    Map<String, Object> tokens = tokens(folder);
    Map<String, String> alone = new LinkedHashMap<>();
    readTo(alone, "default", folder.resolve(FILE));
    readTo(alone, TOOL_USE, folder.resolve(FOR_TOOLS));
    if (!alone.isEmpty()) {
      String file = alone.containsKey("default") ? FILE : FOR_TOOLS;
      return new ChatTemplate(folder.resolve(file), alone, tokens, now);
    }
    for (String name : FILES) {
      Path file = folder.resolve(name);
      Map<String, String> sources = sources(file, JsonFile.read(file).path("chat_template"));
      if (!sources.isEmpty()) {
        return new ChatTemplate(file, sources, tokens, now);
      }
    }
    throw new InputException(
        folder
            + " has no chat template: there is no chat_template.jinja, and tokenizer_config.json"
            + " has no chat_template. Base models have none; put the template of the model's chat"
            + " version there as chat_template.jinja, or give prompt and completion instead of"
            + " messages.");
  }

  /** The special tokens, as templates call them. */
  private static Map<String, Object> tokens(Path folder) {
    JsonNode config = JsonFile.read(folder.resolve(FILES.get(0)));
    SpecialTokens named = SpecialTokens.of(config, folder);
    Map<String, Object> tokens =
        new HashMap<>(
            SpecialTokens.usual(
                TokenizerClass.name(config, JsonFile.read(folder.resolve("config.json")))));
    tokens.keySet().removeIf(named::state);
    tokens.putAll(named.spellings());
    return tokens;
  }

  private static void readTo(Map<String, String> sources, String name, Path file) {
    if (Files.isRegularFile(file)) {
      try {
        sources.put(name, Files.readString(file));
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
  }

  /** Whether a text stands in it, in any of them where there are several. */
  public boolean mentions(String text) {
    return sources.stream().anyMatch(source -> source.contains(text));
  }

  /** Whether a model folder has one. */
  public static boolean isIn(Path folder) {
    return Stream.of(FILE, FOR_TOOLS).map(folder::resolve).anyMatch(Files::isRegularFile)
        || FILES.stream()
            .map(folder::resolve)
            .anyMatch(file -> !sources(file, JsonFile.read(file).path("chat_template")).isEmpty());
  }

  private static Map<String, String> sources(Path file, JsonNode node) {
    Map<String, String> out = new LinkedHashMap<>();
    if (node.isTextual()) {
      out.put("default", node.asText());
    }
    for (JsonNode named : node) {
      Check.input(
          named.path("name").isTextual() && named.path("template").isTextual(),
          "%s: chat_template must be a string or a list of {\"name\", \"template\"}",
          file);
      out.put(named.get("name").asText(), named.get("template").asText());
    }
    return out;
  }

  /**
   * Writes a conversation.
   *
   * @param tools JSON schemas that the model may call, or null
   * @param addGenerationPrompt whether to end in what announces the assistant's turn
   */
  public String render(List<ChatMessage> messages, List<?> tools, boolean addGenerationPrompt) {
    return rendered(messages, tools, addGenerationPrompt).text();
  }

  private Template.Rendered rendered(
      List<ChatMessage> messages, List<?> tools, boolean addGenerationPrompt) {
    Map<String, Object> variables = new HashMap<>(tokens);
    variables.put("messages", messages.stream().map(ChatMessage::fields).toList());
    variables.put("tools", tools);
    variables.put("documents", null);
    variables.put("add_generation_prompt", addGenerationPrompt);
    try {
      return choose(tools != null).render(variables, Map.of(DATE_FUNCTION, this::date));
    } catch (TemplateException e) {
      throw new InputException(
          "the chat template of " + file + " refuses the conversation: " + e.getMessage(), e);
    }
  }

  private Template choose(boolean withTools) {
    Template chosen = withTools ? templates.get(TOOL_USE) : null;
    chosen = chosen == null ? templates.get("default") : chosen;
    Check.input(
        chosen != null,
        "%s has no chat template named \"default\"; it has %s",
        file,
        String.join(", ", templates.keySet()));
    return chosen;
  }

  /**
   * Writes a conversation for training and finds the assistant's turns in it: by the template's
   * {@code generation} blocks, else by rendering the turns before each and up to it. Some templates
   * write a turn otherwise once another follows (they drop its reasoning); the end of such a turn
   * is found by rendering it with a mark in place of its content. Every step is checked: what
   * cannot be told for sure is an error. Turns that the data leaves out are not among them.
   */
  public Conversation conversation(List<ChatMessage> messages, List<?> tools) {
    Template.Rendered whole = rendered(messages, tools, false);
    if (marksAnswers) {
      return new Conversation(whole.text(), withoutLeftOut(whole.generated(), messages));
    }
    List<int[]> learned = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (messages.get(i).isAssistant() && !messages.get(i).isLeftOut()) {
        String before = render(messages.subList(0, i), tools, true);
        checkTurn(whole.text().startsWith(before), i);
        String upTo =
            i == messages.size() - 1
                ? whole.text()
                : render(messages.subList(0, i + 1), tools, false);
        int end =
            whole.text().startsWith(upTo)
                ? upTo.length()
                : endByMark(messages, tools, i, whole.text());
        checkTurn(end >= before.length(), i);
        learned.add(new int[] {before.length(), end});
      }
    }
    return new Conversation(whole.text(), learned);
  }

  /** The marked spans but those of turns that are left out: a span is a turn of the assistant. */
  private List<int[]> withoutLeftOut(List<int[]> spans, List<ChatMessage> messages) {
    if (messages.stream().noneMatch(ChatMessage::isLeftOut)) {
      return spans;
    }
    List<ChatMessage> answers = messages.stream().filter(ChatMessage::isAssistant).toList();
    Check.input(
        spans.size() == answers.size(),
        "the chat template of %s marks %d parts of a conversation with %d turns of the assistant,"
            + " so that it cannot be told which of them have the weight 0",
        file,
        spans.size(),
        answers.size());
    return IntStream.range(0, spans.size())
        .filter(i -> !answers.get(i).isLeftOut())
        .mapToObj(spans::get)
        .toList();
  }

  /** Where a turn ends that reads otherwise when it is the last. */
  private int endByMark(List<ChatMessage> messages, List<?> tools, int turn, String whole) {
    List<ChatMessage> marked = new ArrayList<>(messages);
    Map<String, Object> fields = new LinkedHashMap<>(messages.get(turn).fields());
    fields.put("content", MARK);
    marked.set(turn, new ChatMessage(fields));
    String last = render(marked.subList(0, turn + 1), tools, false);
    String within = render(marked, tools, false);
    int mark = within.indexOf(MARK);
    checkTurn(
        mark >= 0 && last.contains(MARK) && whole.startsWith(within.substring(0, mark)), turn);
    String closing = last.substring(last.lastIndexOf(MARK) + MARK.length());
    String rest = within.substring(mark + MARK.length());
    int content = whole.length() - rest.length();
    checkTurn(rest.startsWith(closing) && whole.endsWith(rest) && content >= mark, turn);
    return content + closing.length();
  }

  private void checkTurn(boolean clear, int turn) {
    Check.input(
        clear,
        "the chat template of %s writes turn %d differently depending on what is around it, so it"
            + " cannot be told which tokens are the assistant's. Put {%% generation %%} ... {%%"
            + " endgeneration %%} around the assistant's part in a chat_template.jinja of the model"
            + " folder, split the conversation so that the assistant speaks once, at the end, or"
            + " learn every turn with %s.",
        file,
        turn + 1,
        Term.TRAIN_ON_PROMPT);
  }

  /** {@code datetime.strftime}, for the letters that dates are written with. */
  private String date(String format) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char letter = format.charAt(++i);
      String pattern =
          switch (letter) {
            case 'd' -> "dd";
            case 'm' -> "MM";
            case 'b' -> "MMM";
            case 'B' -> "MMMM";
            case 'y' -> "uu";
            case 'Y' -> "uuuu";
            case 'a' -> "EEE";
            case 'A' -> "EEEE";
            case 'j' -> "DDD";
            case 'H' -> "HH";
            case 'I' -> "hh";
            case 'p' -> "a";
            case 'M' -> "mm";
            case 'S' -> "ss";
            case 'F' -> "uuuu-MM-dd";
            case 'T' -> "HH:mm:ss";
            case '%' -> "'%'";
            default ->
                throw new InputException(
                    "the chat template of "
                        + file
                        + " writes the date with the unknown %"
                        + letter);
          };
      out.append(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now));
    }
    return out.toString();
  }
}
