package dev.attune.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** A parsed template. Safe for use by several threads. */
public final class Template {
  /**
   * What came out.
   *
   * @param generated where the {@code generation} blocks stand: begin and end as char indices
   */
  public record Rendered(String text, List<int[]> generated) {}

  private static final String TOO_DEEP = "the template nests too deep";

  private final Statement root;

  private Template(Statement root) {
    this.root = root;
  }

  /**
   * Parses a template.
   *
   * @throws TemplateException with the line of what is wrong
   */
  public static Template parse(String source) {
    try {
      return new Template(new Parser(Lexer.tokens(source)).parse());
    } catch (StackOverflowError e) {
      throw new TemplateException(TOO_DEEP);
    }
  }

  /**
   * Renders it.
   *
   * @param variables strings, numbers, booleans, lists, maps, nulls; those that are left out are
   *     undefined
   * @param functions of one string argument, by name
   * @throws TemplateException where the template refuses its input, or asks too much
   */
  public Rendered render(
      Map<String, ?> variables, Map<String, Function<String, String>> functions) {
    Budget budget = new Budget();
    Map<String, Object> all = new HashMap<>();
    functions.forEach(
        (name, function) -> all.put(name, (Callable) a -> function.apply(a.string(0, "argument"))));
    variables.forEach((name, value) -> all.put(name, Values.of(value)));
    Output out = new Output(budget);
    try {
      budget.pay(() -> root.render(new Scope(all, budget), out));
    } catch (StackOverflowError e) {
      throw new TemplateException(TOO_DEEP);
    }
    return new Rendered(out.text(), out.spans());
  }
}
