package dev.attune.jinja;

import dev.attune.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Tokens to expressions, in jinja2's order of precedence. */
final class ExpressionParser extends TokenReader {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
  private static final Set<String> NO_ARGUMENT = Set.of("else", "or", "and", "if", "in", "is");

  private int depth;

  ExpressionParser(List<Token> tokens) {
    super(tokens);
  }

  private boolean takesOperator(String text) {
    return takes(Kind.OPERATOR, text);
  }

  private boolean takesName(String text) {
    return takes(Kind.NAME, text);
  }

  // ---- expressions

  /** One expression, or several with commas between them: a tuple. */
  Expression expressions() {
    return tuple(true);
  }

  /** The same before an {@code if} that belongs to the loop. */
  Expression expressionsWithoutCondition() {
    return tuple(false);
  }

  private Expression tuple(boolean conditions) {
    List<Expression> all = new ArrayList<>();
    boolean group = false;
    do {
      if (!all.isEmpty() && (isEnd() || peek().is(Kind.OPERATOR, ")"))) {
        break;
      }
      all.add(conditions ? expression() : or());
      group |= peek().is(Kind.OPERATOR, ",");
    } while (takesOperator(","));
    return group ? tupleOf(all) : all.get(0);
  }

  private boolean isEnd() {
    return isAt(Kind.VARIABLE_END) || isAt(Kind.BLOCK_END);
  }

  private static Expression list(List<Expression> items) {
    return scope -> {
      List<Object> out = new ArrayList<>(items.size());
      for (Expression item : items) {
        out.add(item.value(scope));
      }
      return out;
    };
  }

  private static Expression tupleOf(List<Expression> items) {
    Expression list = list(items);
    return scope -> new Tuple((List<?>) list.value(scope));
  }

  Expression expression() {
    if (++depth > Budget.DEEPEST) {
      throw TemplateException.of("an expression nests more than %d deep", Budget.DEEPEST);
    }
    Expression value = or();
    while (takesName("if")) {
      Expression then = value;
      Expression condition = or();
      Expression otherwise =
          takesName("else") ? expression() : scope -> new Undefined("the inline if-expression");
      value =
          scope ->
              Values.isTrue(condition.value(scope)) ? then.value(scope) : otherwise.value(scope);
    }
    depth--;
    return value;
  }

  private Expression or() {
    Expression value = and();
    while (takesName("or")) {
      Expression left = value;
      Expression right = and();
      value =
          scope -> {
            Object first = left.value(scope);
            return Values.isTrue(first) ? first : right.value(scope);
          };
    }
    return value;
  }

  private Expression and() {
    Expression value = not();
    while (takesName("and")) {
      Expression left = value;
      Expression right = not();
      value =
          scope -> {
            Object first = left.value(scope);
            return Values.isTrue(first) ? right.value(scope) : first;
          };
    }
    return value;
  }

  private Expression not() {
    if (takesName("not")) {
      Expression value = not();
      return scope -> !Values.isTrue(value.value(scope));
    }
    return comparison();
  }

  private Expression comparison() {
    Expression first = sum();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    while (true) {
      boolean notIn = peek().is(Kind.NAME, "not") && next().is(Kind.NAME, "in");
      if (isAt(Kind.OPERATOR) && COMPARISONS.contains(peek().text())) {
        operators.add(take().text());
      } else if (notIn || peek().is(Kind.NAME, "in")) {
        skip(notIn ? 2 : 1);
        operators.add(notIn ? "not in" : "in");
      } else {
        break;
      }
      others.add(sum());
    }
    if (operators.isEmpty()) {
      return first;
    }
    return scope -> {
      Object left = first.value(scope);
      for (int i = 0; i < operators.size(); i++) {
        Object right = others.get(i).value(scope);
        boolean holds =
            switch (operators.get(i)) {
              case "in" -> Values.contains(right, left);
              case "not in" -> !Values.contains(right, left);
              default -> Functions.compared(operators.get(i), left, right);
            };
        if (!holds) {
          return false;
        }
        left = right;
      }
      return true;
    };
  }

  private Expression sum() {
    Expression value = concatenation();
    while (isOperator("+", "-")) {
      value = binary(take().text(), value, concatenation());
    }
    return value;
  }

  private Expression concatenation() {
    Expression value = product();
    while (takesOperator("~")) {
      Expression left = value;
      Expression right = product();
      value =
          scope -> {
            String first = Values.string(left.value(scope));
            return made(scope, Arithmetic.apply("+", first, Values.string(right.value(scope))));
          };
    }
    return value;
  }

  private Expression product() {
    Expression value = power();
    while (isOperator("*", "/", "//", "%")) {
      value = binary(take().text(), value, power());
    }
    return value;
  }

  private Expression power() {
    Expression value = unary(true);
    while (isOperator("**")) {
      value = binary(take().text(), value, unary(true));
    }
    return value;
  }

  private boolean isOperator(String... wanted) {
    return isAt(Kind.OPERATOR) && Set.of(wanted).contains(peek().text());
  }

  private static Expression binary(String operator, Expression left, Expression right) {
    return scope -> {
      scope.budget().step();
      return made(scope, Arithmetic.apply(operator, left.value(scope), right.value(scope)));
    };
  }

  /** Counts a value that an operator or a function made. */
  private static Object made(Scope scope, Object value) {
    scope.budget().made(value);
    return value;
  }

  private Expression unary(boolean withFilters) {
    Expression value;
    if (isOperator("-", "+")) {
      String sign = take().text();
      value = binary(sign, scope -> 0L, unary(false));
    } else {
      value = primary();
    }
    value = postfix(value);
    return withFilters ? filtersOf(value) : value;
  }

  private Expression primary() {
    Token token = take();
    switch (token.kind()) {
      case NAME -> {
        Object constant =
            switch (token.text()) {
              case "true", "True" -> true;
              case "false", "False" -> false;
              case "none", "None" -> null;
              default -> token;
            };
        return constant == token ? scope -> scope.get(token.text()) : scope -> constant;
      }
      case STRING -> {
        StringBuilder text = new StringBuilder(token.text());
        while (isAt(Kind.STRING)) {
          text.append(take().text());
        }
        String all = text.toString();
        return scope -> all;
      }
      case INTEGER -> {
        long number = whole(token);
        return scope -> number;
      }
      case FLOAT -> {
        double number = Double.parseDouble(token.text());
        return scope -> number;
      }
      case OPERATOR -> {
        switch (token.text()) {
          case "(" -> {
            if (takesOperator(")")) {
              return tupleOf(List.of());
            }
            Expression value = expressions();
            expect(Kind.OPERATOR, ")");
            return value;
          }
          case "[" -> {
            return list(items("]"));
          }
          case "{" -> {
            return map();
          }
          default -> {}
        }
      }
      default -> {}
    }
    back();
    throw unexpected();
  }

  private static long whole(Token token) {
    try {
      return Long.parseLong(token.text());
    } catch (NumberFormatException e) {
      throw TemplateException.of("line %d: the number %s is too large", token.line(), token.text());
    }
  }

  private List<Expression> items(String close) {
    List<Expression> out = new ArrayList<>();
    while (!takesOperator(close)) {
      out.add(expression());
      if (!peek().is(Kind.OPERATOR, close)) {
        expect(Kind.OPERATOR, ",");
      }
    }
    return out;
  }

  private Expression map() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!takesOperator("}")) {
      keys.add(expression());
      expect(Kind.OPERATOR, ":");
      values.add(expression());
      if (!peek().is(Kind.OPERATOR, "}")) {
        expect(Kind.OPERATOR, ",");
      }
    }
    return scope -> {
      Map<Object, Object> out = new LinkedHashMap<>();
      for (int i = 0; i < keys.size(); i++) {
        out.put(keys.get(i).value(scope), values.get(i).value(scope));
      }
      return out;
    };
  }

  // ---- what follows a value

  private Expression postfix(Expression start) {
    Expression value = start;
    while (true) {
      Expression owner = value;
      if (takesOperator(".")) {
        Token name = take();
        if (name.kind() == Kind.INTEGER) {
          long index = whole(name);
          value = scope -> Access.item(owner.value(scope), index);
        } else if (name.kind() == Kind.NAME) {
          value = scope -> Access.attribute(owner.value(scope), name.text());
        } else {
          back();
          throw unexpected();
        }
      } else if (takesOperator("[")) {
        value = subscript(owner);
      } else if (peek().is(Kind.OPERATOR, "(")) {
        value = call(owner);
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Expression owner) {
    Expression[] parts = new Expression[3];
    int part = 0;
    while (!takesOperator("]")) {
      if (takesOperator(":")) {
        part++;
      } else if (part < 3 && parts[part] == null) {
        parts[part] = expression();
      } else {
        throw unexpected();
      }
      if (part > 2) {
        throw unexpected();
      }
    }
    if (part > 0) {
      return scope ->
          made(
              scope,
              Access.slice(
                  owner.value(scope),
                  parts[0] == null ? null : parts[0].value(scope),
                  parts[1] == null ? null : parts[1].value(scope),
                  parts[2] == null ? null : parts[2].value(scope)));
    }
    if (parts[0] == null) {
      throw TemplateException.of("line %d: an empty []", previous(1).line());
    }
    return scope -> Access.item(owner.value(scope), parts[0].value(scope));
  }

  private Expression call(Expression owner) {
    int line = peek().line();
    Calling calling = arguments();
    return scope -> {
      scope.budget().step();
      Object function = owner.value(scope);
      if (function instanceof Undefined undefined) {
        throw undefined.refuse();
      }
      if (!(function instanceof Callable callable)) {
        throw TemplateException.of(
            "line %d: '%s' object is not callable", line, Values.type(function));
      }
      return made(scope, callable.call(calling.arguments(scope, List.of())));
    };
  }

  /** CallArguments as written. */
  private record Calling(List<Expression> values, Map<String, Expression> named) {
    CallArguments arguments(Scope scope, List<Object> first) {
      List<Object> all = new ArrayList<>(first);
      values.forEach(value -> all.add(value.value(scope)));
      Map<String, Object> byName = new LinkedHashMap<>();
      named.forEach((name, value) -> byName.put(name, value.value(scope)));
      return new CallArguments(all, byName);
    }
  }

  private Calling arguments() {
    expect(Kind.OPERATOR, "(");
    List<Expression> values = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    while (!takesOperator(")")) {
      if (isAt(Kind.NAME) && next().is(Kind.OPERATOR, "=")) {
        String name = take().text();
        take();
        named.put(name, expression());
      } else {
        values.add(expression());
      }
      if (!peek().is(Kind.OPERATOR, ")")) {
        expect(Kind.OPERATOR, ",");
      }
    }
    return new Calling(values, named);
  }

  /** Filters, tests and calls behind a value. */
  Expression filtersOf(Expression start) {
    Expression value = start;
    while (true) {
      if (takesOperator("|")) {
        value = filter(value);
      } else if (takesName("is")) {
        value = test(value);
      } else if (peek().is(Kind.OPERATOR, "(")) {
        value = call(value);
      } else {
        return value;
      }
    }
  }

  /** A filter's name without a bar before it, and further filters. */
  Expression namedFilter(Expression value) {
    return filtersOf(filter(value));
  }

  private Expression filter(Expression value) {
    Token name = expect(Kind.NAME, null);
    Callable filter = known(Functions.FILTERS, "filter", name);
    return applied(filter, value, argumentsIfAny());
  }

  private static Callable known(Map<String, Callable> all, String kind, Token name) {
    Callable found = all.get(name.text());
    if (found == null) {
      throw TemplateException.of("line %d: no %s named '%s'", name.line(), kind, name.text());
    }
    return found;
  }

  private Calling argumentsIfAny() {
    return peek().is(Kind.OPERATOR, "(") ? arguments() : new Calling(List.of(), Map.of());
  }

  private static Expression applied(Callable function, Expression value, Calling calling) {
    return scope -> {
      scope.budget().step();
      List<Object> first = new ArrayList<>();
      first.add(value.value(scope));
      Budget.spendOn(first.get(0));
      return made(scope, function.call(calling.arguments(scope, first)));
    };
  }

  private Expression test(Expression value) {
    boolean negated = takesName("not");
    Callable test = known(Functions.TESTS, "test", expect(Kind.NAME, null));
    Calling calling = argumentsIfAny();
    Kind next = peek().kind();
    boolean bare =
        next == Kind.STRING
            || next == Kind.INTEGER
            || next == Kind.FLOAT
            || (next == Kind.NAME && !NO_ARGUMENT.contains(peek().text()))
            || (next == Kind.OPERATOR && (peek().text().equals("[") || peek().text().equals("{")));
    if (calling.values().isEmpty() && bare) {
      calling = new Calling(List.of(postfix(primary())), Map.of());
    }
    Expression answer = applied(test, value, calling);
    return negated ? scope -> !Values.isTrue(answer.value(scope)) : answer;
  }
}
