package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnwrittenTurnsTest {
  private static final String TURNS =
      "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}<{{ m.role }}>{{ m.content"
          + " }}{% endif %}{% endfor %}";
  private static final String ALL =
      "{{ tools | tojson }}{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% for c in"
          + " m.tool_calls %}{{ c.function.name }}{% endfor %}{% endfor %}";
  private static final ChatMessage SYSTEM =
      ChatMessage.of("system", "You are a helpful assistant.");
  private static final ChatMessage ASKED = ChatMessage.of("user", "call f, assistant");
  private static final ChatMessage ANSWER = ChatMessage.of("assistant", "f");
  private static final Map<String, Object> FUNCTION =
      Map.of("type", "function", "function", Map.of("name", "f"));
  private static final ChatMessage CALL =
      new ChatMessage(Map.of("role", "assistant", "content", "", "tool_calls", List.of(FUNCTION)));

  @TempDir Path folder;

  private void check(String template, List<ChatMessage> messages, List<?> tools) {
    try {
      Files.writeString(folder.resolve("chat_template.jinja"), template);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    ChatTemplate chat = ChatTemplate.open(folder);
    UnwrittenTurns.refuse(chat, chat.render(messages, tools, false), messages, tools);
  }

  private String refusal(String template, List<ChatMessage> messages, List<?> tools) {
    String message =
        assertThrows(InputException.class, () -> check(template, messages, tools)).getMessage();
    String begin = "the model's chat template leaves ";
    assertTrue(message.startsWith(begin), message);
    return message.substring(begin.length(), message.indexOf(" out, "));
  }

  @Test
  void whatIsNotWrittenIsRefusedThoughItsWordsAre() {
    assertEquals(
        "turn 1, of the role \"system\",", refusal(TURNS, List.of(SYSTEM, ASKED, ANSWER), null));
    ChatMessage unlettered = ChatMessage.of("system", "你好");
    assertEquals(
        "turn 1, of the role \"system\",",
        refusal(TURNS, List.of(unlettered, ASKED, ANSWER), null));
    assertEquals("\"tools\"", refusal(TURNS, List.of(ASKED, ANSWER), List.of(FUNCTION)));
    String withoutCalls = ALL.replace("{{ c.function.name }}", "");
    assertEquals(
        "the call of a tool in turn 2",
        refusal(withoutCalls, List.of(ASKED, CALL), List.of(FUNCTION)));
  }

  @Test
  void whatIsWrittenIsNot() {
    check(
        ALL,
        List.of(SYSTEM, ASKED, CALL, ChatMessage.of("tool", " 3 "), ANSWER),
        List.of(FUNCTION));
    check(TURNS, List.of(ChatMessage.of("system", " "), ASKED, ANSWER), null);
  }

  @Test
  void aTemplateThatRefusesMarksIsToldByWords() {
    String strict =
        "{% for m in messages %}{% if m.role == 'system' and 'You' not in m.content %}{{"
            + " raise_exception('no') }}{% endif %}{% endfor %}";
    check(strict + ALL, List.of(SYSTEM, ASKED, ANSWER), null);
    assertEquals(
        "turn 1, of the role \"system\",",
        refusal(strict + TURNS, List.of(ChatMessage.of("system", "You there"), ASKED), null));
  }
}
