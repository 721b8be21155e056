package dev.attune.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables; those of loops, macros and blocks hide, and do not change, those around them. */
final class Scope {
  private final Scope outer;
  private final Map<String, Object> variables;
  private final Budget budget;

  Scope(Map<String, Object> variables, Budget budget) {
    this.outer = null;
    this.variables = variables;
    this.budget = budget;
  }

  private Scope(Scope outer) {
    this.outer = outer;
    this.variables = new HashMap<>();
    this.budget = outer.budget;
  }

  Scope inner() {
    return new Scope(this);
  }

  Budget budget() {
    return budget;
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  Object get(String name) {
    for (Scope scope = this; scope != null; scope = scope.outer) {
      if (scope.variables.containsKey(name)) {
        return scope.variables.get(name);
      }
    }
    Object builtIn = Functions.GLOBALS.get(name);
    return builtIn == null ? new Undefined("'" + name + "'") : builtIn;
  }
}
