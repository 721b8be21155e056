package dev.attune.data.parquet;

import dev.attune.data.parquet.SchemaNode.Repetition;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Puts rows together from the columns of a row group: what is optional is there where the first
 * column below it is defined deep enough, and a list goes on while that column repeats at its
 * level.
 */
final class RowAssembly {
  private final SchemaNode root;
  private final List<Column> columns;

  RowAssembly(SchemaNode root, List<Column> columns) {
    this.root = root;
    this.columns = columns;
  }

  /** The next row. */
  Map<String, Object> next() {
    return group(root);
  }

  /** Whether all columns are at their end. */
  boolean isAtEnd() {
    return columns.stream().allMatch(Column::isAtEnd);
  }

  private Map<String, Object> group(SchemaNode node) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (SchemaNode child : node.children()) {
      fields.put(child.name(), field(child));
    }
    return fields;
  }

  private Object field(SchemaNode node) {
    if (node.repetition() == Repetition.REPEATED) {
      return repeated(node, false);
    }
    if (node.repetition() == Repetition.OPTIONAL && isAbsent(node)) {
      return null;
    }
    return content(node);
  }

  private Object content(SchemaNode node) {
    if (node.isLeaf()) {
      return columns.get(node.firstLeaf()).next();
    }
    SchemaNode only = node.children().size() == 1 ? node.children().get(0) : null;
    boolean holdsRepeated = only != null && only.repetition() == Repetition.REPEATED;
    if (node.isMap() && holdsRepeated) {
      return map(repeated(only, false));
    }
    return node.isList() && holdsRepeated ? repeated(only, isWrapper(node, only)) : group(node);
  }

  /**
   * Whether a list's repeated group only holds the element, by the format's rules for old files.
   */
  private static boolean isWrapper(SchemaNode list, SchemaNode repeated) {
    return !repeated.isLeaf()
        && repeated.children().size() == 1
        && !repeated.name().equals("array")
        && !repeated.name().equals(list.name() + "_tuple");
  }

  private List<Object> repeated(SchemaNode node, boolean wrapper) {
    List<Object> list = new ArrayList<>();
    if (isAbsent(node)) {
      return list;
    }
    Column first = columns.get(node.firstLeaf());
    do {
      list.add(wrapper ? field(node.children().get(0)) : content(node));
    } while (first.repetition() == node.maxRepetition());
    return list;
  }

  /** Whether nothing of it is there; then the entries that say so are behind us. */
  private boolean isAbsent(SchemaNode node) {
    if (columns.get(node.firstLeaf()).definition() >= node.maxDefinition()) {
      return false;
    }
    for (int leaf = node.firstLeaf(); leaf < node.endLeaf(); leaf++) {
      Column column = columns.get(leaf);
      if (column.definition() >= node.maxDefinition()) {
        throw new DamagedException("columns that disagree on what is there");
      }
      column.next();
    }
    return true;
  }

  private static Map<String, Object> map(List<Object> entries) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (Object entry : entries) {
      Map<?, ?> fields = (Map<?, ?>) entry;
      List<Object> parts = new ArrayList<>(fields.values());
      map.put(String.valueOf(parts.get(0)), parts.size() < 2 ? null : parts.get(1));
    }
    return map;
  }
}
