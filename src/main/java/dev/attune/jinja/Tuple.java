package dev.attune.jinja;

import java.util.ArrayList;
import java.util.Collection;

/** A list that prints with round brackets and equals no other kind of list. */
final class Tuple extends ArrayList<Object> {
  private static final long serialVersionUID = 1;

  Tuple(Collection<?> items) {
    super(items);
  }
}
