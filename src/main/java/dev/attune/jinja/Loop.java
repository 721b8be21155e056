package dev.attune.jinja;

import java.util.List;

/** The {@code loop} variable. */
final class Loop {
  private final List<Object> items;
  private int index;
  private Object changed = this;

  Loop(List<Object> items) {
    this.items = items;
  }

  void moveTo(int item) {
    index = item;
  }

  Object attribute(String name) {
    int size = items.size();
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) size - index;
      case "revindex0" -> size - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == size - 1;
      case "length" -> (long) size;
      case "depth" -> 1L; // only recursive loops count deeper
      case "depth0" -> 0L;
      case "previtem" ->
          index > 0 ? items.get(index - 1) : new Undefined("'loop.previtem' of the first item");
      case "nextitem" ->
          index + 1 < size
              ? items.get(index + 1)
              : new Undefined("'loop.nextitem' of the last item");
      case "cycle" ->
          (Callable)
              a -> {
                if (a.values().isEmpty()) {
                  throw new TemplateException("loop.cycle: there is nothing to go round in");
                }
                return a.values().get(index % a.values().size());
              };
      case "changed" -> (Callable) this::changed;
      default -> new Undefined("'loop." + name + "'");
    };
  }

  private Object changed(CallArguments arguments) {
    boolean differs = !Values.equal(changed, arguments.values());
    changed = arguments.values();
    return differs;
  }
}
