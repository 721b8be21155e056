package dev.attune.jinja;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.testkit.Goldens;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class TemplateTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static JsonNode goldens;

  private static JsonNode goldens() {
    if (goldens == null) {
      goldens = Goldens.resource("chat_templates/language.json");
    }
    return goldens;
  }

  static List<JsonNode> lines() {
    List<JsonNode> out = new ArrayList<>();
    goldens().get("cases").forEach(out::add);
    return out;
  }

  private static String rendered(String template, Map<String, ?> variables) {
    return Template.parse(template)
        .render(
            variables,
            Map.of("strftime_now", format -> format.equals("%d %b %Y") ? "03 Nov 2026" : "other"))
        .text();
  }

  @ParameterizedTest
  @MethodSource("lines")
  void theLanguageIsThatOfTransformersSandbox(JsonNode line) {
    Map<?, ?> given = JSON.convertValue(goldens().get("variables"), Map.class);
    Map<String, Object> variables = new java.util.HashMap<>();
    given.forEach((name, value) -> variables.put((String) name, value));
    String template = line.get("template").asText();
    if (line.has("error")) {
      assertThrows(TemplateException.class, () -> rendered(template, variables), template);
    } else if (!template.contains("strftime_now")) { // dates are ChatTemplate's
      assertEquals(line.get("text").asText(), rendered(template, variables), template);
    }
  }

  @Test
  void textOfAMessageIsNeverATemplate() {
    assertEquals("{{ 1 + 1 }}{% if %}", rendered("{{ a }}", Map.of("a", "{{ 1 + 1 }}{% if %}")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 99999999999 }}",
        "{% set ns = namespace(t='xxxxxxxxxx') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}"
            + "{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
        "{{ ('a' * 9999999) | replace('a', 'b' * 9999999) }}",
        "{{ (range(99999) | join) | map('replace', '1', 'x' * 99999) | join }}",
      })
  void templatesThatAskTooMuchAreStopped(String template) {
    assertThrows(TemplateException.class, () -> rendered(template, Map.of()));
  }

  @Test
  void deepNestingIsRefusedNotAStackOverflow() {
    String deep = "(".repeat(5000) + "1" + ")".repeat(5000);
    assertThrows(TemplateException.class, () -> Template.parse("{{ " + deep + " }}"));
    assertThrows(
        TemplateException.class,
        () -> Template.parse("{% if 1 %}".repeat(5000) + "{% endif %}".repeat(5000)));
    assertThrows(
        TemplateException.class, () -> rendered("{{ " + "-".repeat(20000) + "1 }}", Map.of()));
  }

  @Test
  void problemsNameTheLine() {
    TemplateException e =
        assertThrows(
            TemplateException.class, () -> Template.parse("a\n{% if true %}\nb\n{{ c | zz }}"));
    assertEquals("line 4: no filter named 'zz'", e.getMessage());
    assertTrue(
        assertThrows(TemplateException.class, () -> Template.parse("a\n{% include 'x' %}"))
            .getMessage()
            .startsWith("line 2: the block {% include %} is unknown"));
  }
}
