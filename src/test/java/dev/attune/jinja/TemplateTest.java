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
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
  @Timeout(120)
  void templatesThatAskTooMuchAreStopped(String template) {
    assertThrows(TemplateException.class, () -> rendered(template, Map.of()));
  }

  /** Their cost hides in single steps: comparing, searching, copying, printing. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        NESTED + "{{ ns.l }}",
        NESTED + "{{ ns.l | string | length }}",
        NESTED + "{{ ns.l | tojson | length }}",
        NESTED + "{{ ns.l == [ns.l[0], ns.l[1]] }}",
        NESTED + "{{ ns.l in [[ns.l[0], ns.l[1]]] }}",
        NESTED + "{{ {'a': 1}.get(ns.l) }}",
        NESTED + "{{ {'a': 1}[ns.l] }}",
        "{% set t = 'a' * 9999999 %}{{ ('a' * 4999999 ~ 'b') in t }}{{ t.rfind('b' ~ 'a' * 4999999) }}"
            + "{% for i in range(99) %}{{ t.find('a' * 999999 ~ 'b') }}{% endfor %}",
        "{% set t = 'a' * 9999999 %}{% set u = 'a' * 9999999 %}"
            + "{% for i in range(99999) %}{{ t == u }}{% endfor %}",
        "{% set t = 'a' * 9999999 %}{% for i in range(99999) %}{{ t[9999998] }}{% endfor %}",
        "{% set t = 'a' * 9999999 %}{% for i in range(99999) %}{{ t[:9999998] | length }}{% endfor %}",
        "{% set l = range(99999) | list %}{% for i in range(99999) %}{{ l[1:] | length }}{% endfor %}",
        "{% set l = range(99999) | list %}{% for i in range(99999) %}{{ -1 in l }}{% endfor %}",
        "{{ range(99999) | unique | list | length }}",
        "{{ ('x ' * 4999999).split() | length }}",
        "{{ ('x' * 9999999).split('x') | length }}",
        "{{ '9' * 9999999 | int }}{{ ('9' * 9999999) | int }}{{ ('\u0001' * 9999999) | string }}"
            + "{{ [('\u0001' * 9999999)] }}",
        "{{ ('a\n' * 999999) | indent(100) | length }}",
        "{{ ('ab' * 4999999).strip('b' * 4999999 ~ 'a') }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}"
            + "{% set ns.l = ns.l + ['x' * 999999] %}{% endfor %}",
      })
  @Timeout(120)
  void workInsideAStepIsBoundedToo(String template) {
    assertThrows(TemplateException.class, () -> rendered(template, Map.of()));
  }

  /** A list of two that are one list of two, forty deep. */
  private static final String NESTED =
      "{% set ns = namespace(l=['x']) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}"
          + "{% endfor %}";

  @ParameterizedTest
  @CsvSource(
      delimiter = '^',
      value = {
        "{{ [1, 2, 3][1::9223372036854775807] }}^[2]",
        "{{ [1, 2, 3][::-9223372036854775807] }}^[3]",
        "{{ 'abcabc'.rfind('bc') }}{{ 'abcabc'.find('abcabcabcabcabcabcabc') }}^4-1",
        "{{ ('ab' * 20).find('ab' * 10) }} {{ ('ab' * 20).rfind('ab' * 10) }}^0 20",
        "{{ ('ab' * 20).replace('ab' * 10, 'c') }}^cc",
        "{{ 'abcab'.rfind('') }}{{ 'abcab'.find('') }}^50",
        "{{ ' a  b c '.split() }}{{ ' a  b c '.split(none, 1) }}^['a', 'b', 'c']['a', 'b c ']",
        "{{ 'xay'.strip('xy') }}^a",
        "{{ [[1, 'a'], [1, 'A']] | unique | list }}^[[1, 'a'], [1, 'A']]",
        "{{ ['a', 'A', 'b'] | unique | list }}^['a', 'b']",
        "{{ {2: 'x', 1: 'y'} | tojson(sort_keys=true) }}^{\"1\": \"y\", \"2\": \"x\"}",
      })
  void whatIsBoundedStaysAsItWas(String template, String expected) {
    assertEquals(expected, rendered(template, Map.of()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ {1: 2, 'a': 3} | tojson(sort_keys=true) }}",
        "{{ 'a' | trim(1) }}",
        "{% for i in [1] %}{{ loop.cycle() }}{% endfor %}",
      })
  void wrongArgumentsAreErrorsOfTheTemplate(String template) {
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
