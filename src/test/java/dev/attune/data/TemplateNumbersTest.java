package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.text.ChatTemplate;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Numbers of calls and tools, in objects and in texts: templates write them as Python does. */
class TemplateNumbersTest extends FormatTrial {
  private static final String GIVEN =
      "{\"a\": 2147483647, \"b\": 2147483648, \"c\": 1700000000, \"d\": 1234567890123456789,"
          + " \"e\": 12345678901234567890123, \"f\": 0.0001, \"g\": 0.00001, \"h\": 0.10,"
          + " \"i\": 1e22, \"j\": 1.0, \"k\": -0, \"l\": 1E3, \"m\": 0.1000000000000000055}";

  /** {@code json.dumps(json.loads(GIVEN))} of Python 3.12. */
  private static final String DUMPED =
      "{\"a\": 2147483647, \"b\": 2147483648, \"c\": 1700000000, \"d\": 1234567890123456789,"
          + " \"e\": 12345678901234567890123, \"f\": 0.0001, \"g\": 1e-05, \"h\": 0.1,"
          + " \"i\": 1e+22, \"j\": 1.0, \"k\": 0, \"l\": 1000.0, \"m\": 0.1}";

  private static String text(String json) {
    return '"' + json.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private String rendered(String template, String arguments, String tools) {
    file("m/chat_template.jinja", template);
    String row =
        "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"name\":"
            + " \"f\", \"arguments\": %s}]}], \"tools\": %s}\n";
    Dataset data = read(file("a.jsonl", row.formatted(arguments, tools)));
    return ChatTemplate.open(temp.resolve("m"))
        .render(data.get(0).messages(), data.tools(data.get(0)), false);
  }

  @Test
  void areWrittenAsPythonWritesThem() {
    String template =
        "{{ messages[0].tool_calls[0].arguments | tojson }}{{ tools[0].parameters | tojson }}";
    String tools = "[{\"type\": \"function\", \"parameters\": " + GIVEN + "}]";
    String python = GIVEN.replace('"', '\'');
    for (String arguments : List.of(GIVEN, text(GIVEN), text(python))) {
      for (String schemas : List.of(tools, text(tools), text(tools.replace('"', '\'')))) {
        assertEquals(DUMPED + DUMPED, rendered(template, arguments, schemas));
      }
    }
  }

  @Test
  void areNumbersToTheTemplate() {
    String template =
        "{% set a = messages[0].tool_calls[0].arguments %}{{ a.c + 1 }} {{ a.f < a.d }} {{ a.g }}";
    assertEquals("1700000001 True 1e-05", rendered(template, text(GIVEN), "[]"));
    assertEquals("1700000001 True 1e-05", rendered(template, GIVEN, "[]"));
  }

  @Test
  void toolsMayBeDeepAndSayAFieldTwice() {
    String tools = "[{\"a\": 1, \"a\": 2, \"b\": " + "[".repeat(90) + "]".repeat(90) + "}]";
    assertEquals("2", rendered("{{ tools[0].a }}", "{}", text(tools)));
  }
}
