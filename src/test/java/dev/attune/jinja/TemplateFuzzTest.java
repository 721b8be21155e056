package dev.attune.jinja;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Fuzz target of chat templates: text or a TemplateException, in bounded time and memory. */
class TemplateFuzzTest {
  private static final Map<String, Object> VARIABLES =
      Map.of(
          "messages",
          List.of(
              Map.of("role", "system", "content", "Be brief."),
              Map.of("role", "user", "content", "  Hello,\nyou <b>there</b>. "),
              Map.of("role", "assistant", "content", "Hm: 'quoted' \"twice\"")),
          "bos_token",
          "<s>",
          "eos_token",
          "</s>",
          "add_generation_prompt",
          true,
          "number",
          3,
          "real",
          2.5,
          "text",
          "one two three",
          "list",
          List.of(3, 1, 2));

  @FuzzTest
  void template(byte[] bytes) {
    try {
      Template.parse(new String(bytes, StandardCharsets.UTF_8))
          .render(VARIABLES, Map.of("strftime_now", format -> "03 Nov 2026"));
    } catch (TemplateException e) {
      // It is none, or refuses its input.
    }
  }
}
