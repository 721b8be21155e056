package dev.attune.jinja;

import dev.attune.jinja.Statement.Flow;
import dev.attune.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Tokens to statements: the blocks of the language. {@link ExpressionParser} does the rest. */
final class Parser {
  /** Where a value goes: a name, names for the items of a list, or a field of a namespace. */
  private interface Target {
    void set(Scope scope, Object value);
  }

  private final ExpressionParser tokens;
  private int loops;
  private int depth;

  Parser(List<Token> tokens) {
    this.tokens = new ExpressionParser(tokens);
  }

  Statement parse() {
    Statement all = body(Set.of());
    if (!tokens.isAt(Kind.END)) {
      throw tokens.unexpected();
    }
    return all;
  }

  /** Statements up to a block with one of the given names, whose begin and name are taken. */
  private Statement body(Set<String> ends) {
    if (++depth > Budget.DEEPEST) {
      throw TemplateException.of("blocks nest more than %d deep", Budget.DEEPEST);
    }
    List<Statement> all = new ArrayList<>();
    while (!tokens.isAt(Kind.END)) {
      if (tokens.isAt(Kind.DATA)) {
        String text = tokens.take().text();
        all.add(
            (scope, out) -> {
              out.write(text);
              return Flow.NEXT;
            });
      } else if (tokens.isAt(Kind.VARIABLE_BEGIN)) {
        tokens.take();
        all.add(print(tokens.expressions()));
        tokens.expect(Kind.VARIABLE_END, "");
      } else {
        tokens.expect(Kind.BLOCK_BEGIN, "");
        if (tokens.isAt(Kind.NAME) && ends.contains(tokens.peek().text())) {
          depth--;
          return sequence(all);
        }
        all.add(block());
      }
    }
    if (!ends.isEmpty()) {
      throw TemplateException.of(
          "the template ends where %s should come", String.join(" or ", ends));
    }
    depth--;
    return sequence(all);
  }

  private static Statement sequence(List<Statement> all) {
    Statement[] statements = all.toArray(Statement[]::new);
    return (scope, out) -> {
      for (Statement statement : statements) {
        scope.budget().step();
        Flow flow = statement.render(scope, out);
        if (flow != Flow.NEXT) {
          return flow;
        }
      }
      return Flow.NEXT;
    };
  }

  private static Statement print(Expression expression) {
    return (scope, out) -> {
      out.write(Values.string(expression.value(scope)));
      return Flow.NEXT;
    };
  }

  private Statement block() {
    Token name = tokens.expect(Kind.NAME, null);
    return switch (name.text()) {
      case "if" -> conditional();
      case "for" -> loop();
      case "set" -> assignment();
      case "macro" -> macro();
      case "filter" -> filtered();
      case "generation" -> generation();
      case "break", "continue" -> leave(name);
      default ->
          throw TemplateException.of(
              "line %d: the block {%% %s %%} is unknown here", name.line(), name.text());
    };
  }

  /** Takes the end of the block and its body, up to the named end, which is taken too. */
  private Statement bodyUntil(String end) {
    tokens.expect(Kind.BLOCK_END, "");
    Statement body = body(Set.of(end));
    tokens.take();
    tokens.expect(Kind.BLOCK_END, "");
    return body;
  }

  private Statement conditional() {
    Expression condition = tokens.expressions();
    tokens.expect(Kind.BLOCK_END, "");
    Statement then = body(Set.of("elif", "else", "endif"));
    String next = tokens.take().text();
    Statement otherwise =
        switch (next) {
          case "elif" -> conditional();
          case "else" -> bodyUntil("endif");
          default -> {
            tokens.expect(Kind.BLOCK_END, "");
            yield sequence(List.of());
          }
        };
    return (scope, out) ->
        (Values.isTrue(condition.value(scope)) ? then : otherwise).render(scope, out);
  }

  private Statement loop() {
    Target target = target();
    tokens.expect(Kind.NAME, "in");
    Expression items = tokens.expressionsWithoutCondition();
    Expression filter = tokens.takes(Kind.NAME, "if") ? tokens.expression() : null;
    if (tokens.isAt(Kind.NAME)) {
      throw TemplateException.of("line %d: recursive loops are unknown here", tokens.peek().line());
    }
    tokens.expect(Kind.BLOCK_END, "");
    loops++;
    Statement body = body(Set.of("else", "endfor"));
    loops--;
    boolean hasElse = tokens.take().text().equals("else");
    Statement otherwise = hasElse ? bodyUntil("endfor") : sequence(List.of());
    if (!hasElse) {
      tokens.expect(Kind.BLOCK_END, "");
    }
    return (scope, out) -> {
      List<Object> all = Values.items(items.value(scope));
      if (filter != null) {
        Budget.spendItems(all.size());
        all.removeIf(item -> !Values.isTrue(filter.value(inside(scope, target, item))));
      }
      if (all.isEmpty()) {
        return otherwise.render(scope.inner(), out);
      }
      Loop loop = new Loop(all);
      for (int i = 0; i < all.size(); i++) {
        scope.budget().step();
        loop.moveTo(i);
        Scope inner = inside(scope, target, all.get(i));
        inner.set("loop", loop);
        if (body.render(inner, out) == Flow.BREAK) {
          break;
        }
      }
      return Flow.NEXT;
    };
  }

  private static Scope inside(Scope scope, Target target, Object item) {
    Scope inner = scope.inner();
    target.set(inner, item);
    return inner;
  }

  /** {@code name}, {@code a, b} or {@code (a, b)}. */
  private Target target() {
    List<Target> all = new ArrayList<>();
    boolean group = false;
    do {
      if (tokens.takes(Kind.OPERATOR, "(")) {
        all.add(target());
        tokens.expect(Kind.OPERATOR, ")");
      } else {
        String name = tokens.expect(Kind.NAME, null).text();
        all.add((scope, value) -> scope.set(name, value));
      }
      group |= tokens.peek().is(Kind.OPERATOR, ",");
    } while (tokens.takes(Kind.OPERATOR, ",") && !tokens.peek().is(Kind.NAME, "in"));
    if (!group) {
      return all.get(0);
    }
    return (scope, value) -> {
      List<Object> items = Values.items(value);
      if (items.size() != all.size()) {
        throw TemplateException.of("%d values for %d names", items.size(), all.size());
      }
      for (int i = 0; i < all.size(); i++) {
        all.get(i).set(scope, items.get(i));
      }
    };
  }

  private Statement assignment() {
    Target target = target();
    if (tokens.takes(Kind.OPERATOR, ".")) {
      target = field();
    }
    Target where = target;
    if (tokens.takes(Kind.OPERATOR, "=")) {
      Expression value = tokens.expressions();
      tokens.expect(Kind.BLOCK_END, "");
      return (scope, out) -> {
        where.set(scope, value.value(scope));
        return Flow.NEXT;
      };
    }
    Expression caught = tokens.filtersOf(scope -> scope.get(CAUGHT));
    Statement body = bodyUntil("endset");
    return (scope, out) -> {
      where.set(scope, caughtValue(scope, body, caught));
      return Flow.NEXT;
    };
  }

  /** No template can spell this name. */
  private static final String CAUGHT = " caught";

  private static Object caughtValue(Scope scope, Statement body, Expression filters) {
    Scope inner = scope.inner();
    Output caught = new Output(scope.budget());
    body.render(inner, caught);
    inner.set(CAUGHT, caught.text());
    return filters.value(inner);
  }

  private Target field() {
    Token owner = tokens.previous(2);
    String name = tokens.expect(Kind.NAME, null).text();
    return (scope, value) -> {
      if (!(scope.get(owner.text()) instanceof Namespace namespace)) {
        throw TemplateException.of(
            "line %d: '%s' is no namespace, so its field cannot be set",
            owner.line(), owner.text());
      }
      namespace.fields().put(name, value);
    };
  }

  private Statement filtered() {
    Expression filters = tokens.namedFilter(scope -> scope.get(CAUGHT));
    Statement body = bodyUntil("endfilter");
    return (scope, out) -> {
      out.write(Values.string(caughtValue(scope, body, filters)));
      return Flow.NEXT;
    };
  }

  private Statement generation() {
    int outer = loops;
    loops = 0;
    Statement body = bodyUntil("endgeneration");
    loops = outer;
    return (scope, out) -> {
      int begin = out.length();
      body.render(scope.inner(), out);
      out.generated(begin);
      return Flow.NEXT;
    };
  }

  private Statement leave(Token name) {
    if (loops == 0) {
      throw TemplateException.of("line %d: %s outside of a loop", name.line(), name.text());
    }
    tokens.expect(Kind.BLOCK_END, "");
    Flow flow = name.text().equals("break") ? Flow.BREAK : Flow.CONTINUE;
    return (scope, out) -> flow;
  }

  private Statement macro() {
    String name = tokens.expect(Kind.NAME, null).text();
    Map<String, Expression> parameters = new LinkedHashMap<>();
    tokens.expect(Kind.OPERATOR, "(");
    while (!tokens.takes(Kind.OPERATOR, ")")) {
      String parameter = tokens.expect(Kind.NAME, null).text();
      boolean optional = tokens.takes(Kind.OPERATOR, "=");
      parameters.put(
          parameter,
          optional
              ? tokens.expression()
              : scope -> new Undefined("the argument '" + parameter + "' of " + name));
      if (!tokens.peek().is(Kind.OPERATOR, ")")) {
        tokens.expect(Kind.OPERATOR, ",");
      }
    }
    int outer = loops;
    loops = 0;
    Statement body = bodyUntil("endmacro");
    loops = outer;
    return (scope, out) -> {
      scope.set(name, (Callable) arguments -> call(name, parameters, body, scope, arguments));
      return Flow.NEXT;
    };
  }

  private static Object call(
      String name,
      Map<String, Expression> parameters,
      Statement body,
      Scope scope,
      CallArguments arguments) {
    if (arguments.values().size() > parameters.size()
        || !parameters.keySet().containsAll(arguments.named().keySet())) {
      throw TemplateException.of(
          "macro %s takes %s, not %d arguments and %s",
          name, parameters.keySet(), arguments.values().size(), arguments.named().keySet());
    }
    Scope inner = scope.inner();
    int position = 0;
    for (Map.Entry<String, Expression> parameter : parameters.entrySet()) {
      Object value = arguments.get(position++, parameter.getKey(), parameters);
      boolean absent = value == parameters;
      inner.set(parameter.getKey(), absent ? parameter.getValue().value(inner) : value);
    }
    Output out = new Output(scope.budget());
    scope.budget().enter();
    body.render(inner, out);
    scope.budget().leave();
    return out.text();
  }
}
