package dev.attune.data.parquet;

import java.util.ArrayList;
import java.util.List;

/**
 * A column, or a group of such, in the tree of a file's schema.
 *
 * @param maxDefinition level at which its values are there
 * @param maxRepetition lists that it stands in
 * @param type of its values; null: a group
 * @param children of a group
 * @param leaves the numbers of the first column below it and of the one after the last
 */
record SchemaNode(
    String name,
    Repetition repetition,
    int maxDefinition,
    int maxRepetition,
    ValueType type,
    boolean isList,
    boolean isMap,
    List<SchemaNode> children,
    int firstLeaf,
    int endLeaf) {
  enum Repetition {
    REQUIRED,
    OPTIONAL,
    REPEATED
  }

  private static final int MOST_NESTED = 64;
  private static final int CONVERTED_MAP = 1;
  private static final int CONVERTED_MAP_KEY_VALUE = 2;
  private static final int CONVERTED_LIST = 3;

  boolean isLeaf() {
    return type != null;
  }

  /** The columns below it, in file order. */
  List<SchemaNode> leafNodes() {
    if (isLeaf()) {
      return List.of(this);
    }
    return children.stream().flatMap(child -> child.leafNodes().stream()).toList();
  }

  /** The tree of the list in which a file has it, each group before its children. */
  static SchemaNode of(List<Thrift.Struct> elements) {
    Builder builder = new Builder(elements);
    SchemaNode root = builder.node(0, 0, 0);
    if (builder.next != elements.size()) {
      throw new DamagedException("columns beyond the schema");
    }
    return root;
  }

  private static final class Builder {
    private final List<Thrift.Struct> elements;
    private int next;
    private int leaves;

    Builder(List<Thrift.Struct> elements) {
      this.elements = elements;
    }

    SchemaNode node(int definition, int repetition, int nested) {
      if (next >= elements.size() || nested > MOST_NESTED) {
        throw new DamagedException("a schema that does not end");
      }
      Thrift.Struct element = elements.get(next++);
      Repetition repeated =
          nested == 0 ? Repetition.REQUIRED : Repetition.values()[element.small(3, 0)];
      int ownDefinition = definition + (repeated == Repetition.REQUIRED ? 0 : 1);
      int ownRepetition = repetition + (repeated == Repetition.REPEATED ? 1 : 0);
      Thrift.Struct logical = element.struct(10);
      int converted = element.small(6, -1);
      String name = String.valueOf(element.text(4));
      int first = leaves;
      List<SchemaNode> children = new ArrayList<>();
      boolean isLeaf = element.has(1);
      if (isLeaf) {
        leaves++;
      }
      for (int i = isLeaf ? 0 : element.small(5, 0); i > 0; i--) {
        children.add(node(ownDefinition, ownRepetition, nested + 1));
      }
      if (!isLeaf && children.isEmpty()) {
        throw new DamagedException("the group " + name + " without columns");
      }
      return new SchemaNode(
          name,
          repeated,
          ownDefinition,
          ownRepetition,
          isLeaf ? ValueType.of(element) : null,
          logical.has(3) || converted == CONVERTED_LIST,
          logical.has(2) || converted == CONVERTED_MAP || converted == CONVERTED_MAP_KEY_VALUE,
          List.copyOf(children),
          first,
          leaves);
    }
  }
}
