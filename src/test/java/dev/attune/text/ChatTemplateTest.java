package dev.attune.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ChatTemplateTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final LocalDateTime THEN = LocalDateTime.of(2026, 11, 3, 15, 4, 5);

  @TempDir Path temp;

  private static String resource(String name) throws IOException {
    try (InputStream in = ChatTemplateTest.class.getResourceAsStream("/chat_templates/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private ChatTemplate template(String source) throws IOException {
    ObjectNode config = JSON.createObjectNode().put("chat_template", source);
    config.put("bos_token", "<s>").putObject("eos_token").put("content", "</s>");
    Files.writeString(temp.resolve("tokenizer_config.json"), config.toString());
    return ChatTemplate.open(temp, THEN);
  }

  private static List<ChatMessage> messages(JsonNode node) {
    List<ChatMessage> out = new ArrayList<>();
    node.forEach(
        turn ->
            out.add(
                new ChatMessage(
                    JSON.convertValue(turn, new TypeReference<Map<String, Object>>() {}))));
    return out;
  }

  private static List<String> parts(ChatTemplate.Conversation conversation) {
    return conversation.learned().stream()
        .map(span -> conversation.text().substring(span[0], span[1]))
        .toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"chatml.jinja", "chatml_generation.jinja", "llama3.jinja"})
  void turnsOfWeightZeroAreNotLearned(String name) throws IOException {
    ChatMessage left =
        new ChatMessage(Map.of("role", "assistant", "content", "left out", "weight", 0));
    List<ChatMessage> messages =
        List.of(
            ChatMessage.of("user", "a"),
            left,
            ChatMessage.of("user", "b"),
            new ChatMessage(Map.of("role", "assistant", "content", "learned", "weight", 1)));
    List<String> parts = parts(template(resource(name)).conversation(messages, null));
    assertEquals(1, parts.size(), parts::toString);
    assertTrue(parts.get(0).contains("learned"), parts::toString);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "chatml.jinja",
        "chatml_generation.jinja",
        "llama3.jinja",
        "mistral.jinja",
        "chatml_tools.jinja",
        "chatml_thinking.jinja",
        "zephyr.jinja"
      })
  void rendersEveryConversationAsTransformersDoes(String name) throws IOException {
    ChatTemplate template = template(resource(name));
    int cases = 0;
    for (JsonNode golden : Goldens.resource("chat_templates/goldens.json")) {
      if (!golden.get("template").asText().equals(name)) {
        continue;
      }
      cases++;
      List<ChatMessage> messages = messages(golden.get("messages"));
      List<?> tools =
          golden.get("tools").isNull() ? null : JSON.convertValue(golden.get("tools"), List.class);
      boolean prompt = golden.get("add_generation_prompt").asBoolean();
      String title = name + " " + golden.get("title").asText();
      if (golden.has("error")) {
        InputException e =
            assertThrows(
                InputException.class, () -> template.render(messages, tools, prompt), title);
        assertTrue(e.getMessage().contains("refuses the conversation"), e::getMessage);
      } else {
        String text = golden.get("text").asText();
        assertEquals(text, template.render(messages, tools, prompt), title);
        if (golden.has("spans") && !prompt) {
          List<String> expected = new ArrayList<>();
          for (JsonNode span : golden.get("spans")) {
            expected.add(
                text.substring(
                    text.offsetByCodePoints(0, span.get(0).asInt()),
                    text.offsetByCodePoints(0, span.get(1).asInt())));
          }
          assertEquals(expected, parts(template.conversation(messages, tools)), title);
        }
      }
    }
    assertEquals(36, cases);
  }

  @Test
  void theAssistantsTurnsAreFoundByPrefixes() throws IOException {
    List<ChatMessage> messages =
        List.of(
            ChatMessage.of("system", "s"),
            ChatMessage.of("user", "a"),
            ChatMessage.of("assistant", "b"),
            ChatMessage.of("user", "😀"),
            ChatMessage.of("assistant", "d"));
    assertEquals(
        List.of("b<|im_end|>\n", "d<|im_end|>\n"),
        parts(template(resource("chatml.jinja")).conversation(messages, null)));
    assertEquals(
        List.of("b<|eot_id|>", "d<|eot_id|>"),
        parts(template(resource("llama3.jinja")).conversation(messages, null)));
    assertEquals(
        List.of("b<|im_end|>\n", "d<|im_end|>\n"),
        parts(template(resource("chatml_tools.jinja")).conversation(messages, null)));
  }

  @Test
  void turnsThatLoseTheirReasoningLaterAreFoundByAMark() throws IOException {
    ChatTemplate template = template(resource("chatml_thinking.jinja"));
    List<ChatMessage> messages =
        List.of(
            ChatMessage.of("user", "a"),
            ChatMessage.of("assistant", "<think>\nhm\n</think>\n\nb b"),
            ChatMessage.of("user", "b b"),
            ChatMessage.of("assistant", "c"),
            ChatMessage.of("user", "d"),
            ChatMessage.of("assistant", "<think>\nso\n</think>\n\ne"));
    assertEquals(
        List.of("b b<|im_end|>\n", "c<|im_end|>\n", "<think>\nso\n</think>\n\ne<|im_end|>\n"),
        parts(template.conversation(messages, null)));
    assertEquals(
        List.of("<think>\n\n</think>\n\nb<|im_end|>\n"),
        parts(
            template.conversation(
                List.of(ChatMessage.of("user", "a"), ChatMessage.of("assistant", "b")), null)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        // drops earlier answers
        "{% for m in messages %}{% if m.role == 'user' or loop.last %}<{{ m.content }}>{% endif %}"
            + "{% endfor %}",
        // announces an answer with what it does not contain
        "{% for m in messages %}<{{ m.content }}>{% endfor %}{% if add_generation_prompt %}[think]"
            + "{% endif %}",
        // counts turns first
        "{{ messages | length }}{% for m in messages %}<{{ m.content }}>{% endfor %}",
        // closes an answer otherwise when it is the last
        "{% for m in messages %}<{{ m.content }}{{ '>>' if loop.last else '>' }}{% endfor %}"
      })
  void templatesWhoseTurnsCannotBeToldApartAreRefusedWithAWayOut(String source) throws IOException {
    ChatTemplate template = template(source);
    List<ChatMessage> twice =
        List.of(
            ChatMessage.of("user", "a"),
            ChatMessage.of("assistant", "b"),
            ChatMessage.of("user", "c"),
            ChatMessage.of("assistant", "d"));
    InputException e = assertThrows(InputException.class, () -> template.conversation(twice, null));
    assertTrue(e.getMessage().contains("writes turn 2 differently"), e::getMessage);
    assertTrue(e.getMessage().contains("{% generation %}"), e::getMessage);
  }

  @Test
  void aJinjaFileWinsOverTheConfig() throws IOException {
    template("config");
    Files.writeString(temp.resolve("chat_template.jinja"), "file {{ messages | length }}");
    assertEquals(
        "file 1",
        ChatTemplate.open(temp).render(List.of(ChatMessage.of("user", "x")), null, false));
  }

  @Test
  void namedTemplatesAreChosenByTools() throws IOException {
    Files.writeString(
        temp.resolve("tokenizer_config.json"),
        "{\"chat_template\": [{\"name\": \"default\", \"template\": \"plain\"}, {\"name\":"
            + " \"tool_use\", \"template\": \"tools {{ tools | length }}\"}]}");
    ChatTemplate template = ChatTemplate.open(temp);
    List<ChatMessage> messages = List.of(ChatMessage.of("user", "x"));
    assertEquals("plain", template.render(messages, null, false));
    assertEquals("tools 1", template.render(messages, List.of(Map.of("name", "f")), false));
    Files.writeString(
        temp.resolve("tokenizer_config.json"),
        "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"x\"}]}");
    assertTrue(
        assertThrows(
                InputException.class, () -> ChatTemplate.open(temp).render(messages, null, false))
            .getMessage()
            .endsWith("no chat template named \"default\"; it has rag"));
  }

  @Test
  void datesAreWrittenAsPythonDoes() throws IOException {
    ChatTemplate template =
        template(
            "{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%H:%M:%S %A %B %j %p %I %y %%') }}");
    assertEquals(
        "03 Nov 2026|15:04:05 Tuesday November 307 PM 03 26 %",
        template.render(List.of(ChatMessage.of("user", "x")), null, false));
    assertThrows(
        InputException.class,
        () ->
            template("{{ strftime_now('%Q') }}")
                .render(List.of(ChatMessage.of("user", "x")), null, false));
  }

  @Test
  void absentAndBrokenTemplatesAreExplained() throws IOException {
    InputException absent = assertThrows(InputException.class, () -> ChatTemplate.open(temp));
    assertTrue(
        absent.getMessage().contains("has no chat template: there is no chat_template.jinja")
            && absent.getMessage().contains("as chat_template.jinja"),
        absent::getMessage);
    InputException broken = assertThrows(InputException.class, () -> template("{% if %}"));
    assertTrue(
        broken
            .getMessage()
            .contains("tokenizer_config.json: the chat template cannot be read: line"),
        broken::getMessage);
    InputException shape =
        assertThrows(
            InputException.class,
            () -> {
              Files.writeString(
                  temp.resolve("tokenizer_config.json"), "{\"chat_template\": [\"x\"]}");
              ChatTemplate.open(temp);
            });
    assertTrue(shape.getMessage().contains("must be a string or a list"), shape::getMessage);
  }
}
