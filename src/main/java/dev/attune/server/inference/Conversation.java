package dev.attune.server.inference;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.generate.Prompt;
import dev.attune.run.GenerationService.Voice;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.http.LongTexts;
import dev.attune.text.ChatMessage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.io.EofException;

/**
 * The messages of a request, and the tools that the model may call.
 *
 * @param tools as the model's template is given them; null: none
 */
record Conversation(List<ChatMessage> messages, List<?> tools) {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final List<String> ROLES =
      List.of("system", "developer", "user", "assistant", "tool");

  /** Reads it. */
  static Conversation of(Fields body) {
    List<Fields> given = body.objects("messages");
    if (given == null || given.isEmpty()) {
      throw ApiException.badRequest("messages", "'messages' must have at least one message");
    }
    List<ChatMessage> messages = new ArrayList<>();
    for (int i = 0; i < given.size(); i++) {
      messages.add(message(given.get(i), "messages[" + i + "]"));
    }
    return new Conversation(messages, tools(body));
  }

  boolean hasTools() {
    return tools != null;
  }

  /**
   * What the model is to go on with.
   *
   * @param texts looks at it before it is tokenised
   */
  Prompt prompt(Voice voice, String model, LongTexts texts) throws EofException {
    if (hasTools() && !voice.templateHas(ToolCalls.BEGIN)) {
      throw ApiException.unsupported(
          "tools",
          "'tools' is not supported for '"
              + model
              + "': its chat template has no form of tool calls that is known here, which is "
              + ToolCalls.BEGIN
              + "{\"name\": …, \"arguments\": …}"
              + ToolCalls.END);
    }
    try {
      String rendered = voice.rendered(messages, tools);
      texts.check(rendered);
      return voice.renderedPrompt(rendered);
    } catch (InputException e) {
      if (!voice.hasTemplate()) {
        throw ApiException.badRequest(
            "model",
            "'"
                + model
                + "' has no chat template, so it does not know conversations; /v1/completions"
                + " continues texts with it");
      }
      throw ApiException.badRequest(
          "messages", "The chat template of '" + model + "' refuses the conversation");
    }
  }

  private static ChatMessage message(Fields given, String where) {
    String role = given.word("role", null, ROLES);
    if (role == null) {
      throw ApiException.badRequest(where + ".role", "'" + where + ".role' is missing");
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    // What OpenAI calls developer since 2024 is what templates call system.
    fields.put("role", role.equals("developer") ? "system" : role);
    List<Fields> calls = role.equals("assistant") ? given.objects("tool_calls") : null;
    String content = content(given, where);
    if (content == null && (calls == null || calls.isEmpty())) {
      throw ApiException.badRequest(where + ".content", "'" + where + ".content' is missing");
    }
    fields.put("content", content == null ? "" : content);
    String name = given.text("name");
    if (name != null) {
      fields.put("name", name);
    }
    if (role.equals("tool")) {
      fields.put("tool_call_id", given.requiredText("tool_call_id"));
    }
    if (calls != null && !calls.isEmpty()) {
      fields.put("tool_calls", calls.stream().map(Conversation::call).toList());
    }
    if (role.equals("assistant")) {
      given.refuse("audio", "models here write texts");
      given.refuse("function_call", "use 'tool_calls'");
      given.any("refusal"); // of an answer that was none, which is sent back
    }
    given.refuseOthers();
    return new ChatMessage(fields);
  }

  /** A text, or parts of one. */
  private static String content(Fields given, String where) {
    JsonNode value = given.any("content");
    if (value == null || value.isTextual()) {
      return value == null ? null : value.textValue();
    }
    List<Fields> parts = given.objects("content");
    StringBuilder text = new StringBuilder();
    for (Fields part : parts) {
      String type = part.requiredText("type");
      if (!type.equals("text")) {
        throw ApiException.unsupported(
            where + ".content",
            "'"
                + where
                + ".content' has a part of type '"
                + type
                + "', which is not supported: models here read texts");
      }
      text.append(part.requiredText("text"));
      part.refuseOthers();
    }
    return text.toString();
  }

  /** Templates are given arguments as the object that they are. */
  private static Map<String, Object> call(Fields call) {
    Map<String, Object> made = new LinkedHashMap<>();
    made.put("id", call.requiredText("id"));
    made.put("type", call.word("type", "function", List.of("function")));
    Fields function = call.object("function");
    if (function == null) {
      throw ApiException.badRequest("messages", "A tool call has no 'function'");
    }
    Map<String, Object> what = new LinkedHashMap<>();
    what.put("name", function.requiredText("name"));
    String arguments = function.requiredText("arguments");
    try {
      what.put("arguments", JSON.convertValue(JSON.readTree(arguments), Object.class));
    } catch (JsonProcessingException e) {
      what.put("arguments", arguments);
    }
    function.refuseOthers();
    call.refuseOthers();
    made.put("function", what);
    return made;
  }

  private static List<?> tools(Fields body) {
    List<Fields> given = body.objects("tools");
    JsonNode choice = body.any("tool_choice");
    if (!body.flag("parallel_tool_calls", true)) {
      throw ApiException.unsupported(
          "parallel_tool_calls",
          "'parallel_tool_calls' is not supported but for true: how many calls a model makes is its"
              + " own choice");
    }
    boolean isNone = choice != null && choice.isTextual() && choice.asText().equals("none");
    if (choice != null && !isNone && !(choice.isTextual() && choice.asText().equals("auto"))) {
      throw ApiException.unsupported(
          "tool_choice",
          "'tool_choice' is not supported but for \"auto\" and \"none\": nothing here makes a model"
              + " call a tool");
    }
    if (given == null || given.isEmpty()) {
      return null;
    }
    List<Object> tools = new ArrayList<>();
    for (Fields tool : given) {
      Map<String, Object> made = new LinkedHashMap<>();
      String type = tool.requiredText("type");
      if (!type.equals("function")) {
        throw ApiException.unsupported(
            "tools", "'tools' has a tool of type '" + type + "'; only functions are supported");
      }
      made.put("type", type);
      Fields function = tool.object("function");
      if (function == null) {
        throw ApiException.badRequest("tools", "A tool has no 'function'");
      }
      Map<String, Object> what = new LinkedHashMap<>();
      what.put("name", function.requiredText("name"));
      String description = function.text("description");
      if (description != null) {
        what.put("description", description);
      }
      JsonNode parameters = function.any("parameters");
      what.put(
          "parameters",
          parameters == null ? Map.of() : JSON.convertValue(parameters, Object.class));
      if (function.flag("strict", false)) {
        throw ApiException.unsupported(
            "tools", "'strict' is not supported: nothing here makes a model keep to a schema");
      }
      function.refuseOthers();
      tool.refuseOthers();
      made.put("function", what);
      tools.add(made);
    }
    return isNone ? null : tools;
  }
}
