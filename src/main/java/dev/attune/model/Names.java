package dev.attune.model;

import dev.attune.core.Check;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Hugging Face's names of a family's modules, to which {@code .weight} and {@code .bias} are added.
 * Those of a layer have {@link TransformerConfig.Layer#label} in them.
 */
public final class Names {
  /** What has a name. */
  public enum Module {
    WORD,
    POSITION,
    TYPE,
    /** What a text is for: a row that all its tokens get. */
    TASK,
    EMBEDDING_NORM,
    /** From the width of the embeddings to that of the model. */
    EMBEDDING_PROJECTION,
    /** Numbers by distance that the scores of all layers get. */
    RELATIVE_POSITION,
    /** On rows by distance, where these are rows. */
    RELATIVE_NORM,
    FINAL_NORM,
    /** The last product of a language model; outside the body. */
    VOCABULARY,
    /** Outside too: what the bias of that product is of, where the product shares its weight. */
    VOCABULARY_BIAS,
    /** Before attention; with norms after sub-layers alone, that after attention. */
    ATTENTION_NORM,
    /** On what attention gives, where norms stand on both sides. */
    ATTENTION_OUT_NORM,
    QUERY,
    KEY,
    VALUE,
    /** Query, key and value in one. */
    QUERY_KEY_VALUE,
    QUERY_NORM,
    KEY_NORM,
    /** What queries are to rows by distance. */
    POSITION_QUERY,
    /** What keys are to rows by distance. */
    POSITION_KEY,
    ATTENTION_OUT,
    /** Before the feed-forward part; with norms after sub-layers alone, that after it. */
    FEED_FORWARD_NORM,
    /** On what the feed-forward part gives, where norms stand on both sides. */
    FEED_FORWARD_OUT_NORM,
    GATE,
    UP,
    /** Gate and up in one. */
    GATE_UP,
    DOWN;

    private boolean isOfLayer() {
      return compareTo(VOCABULARY_BIAS) > 0;
    }

    private boolean isOutside() {
      return this == VOCABULARY || this == VOCABULARY_BIAS;
    }
  }

  /** How folders store the weights of products. */
  private enum Storage {
    PLAIN,
    /** (in, out): GPT-2's Conv1D. */
    CONV1D,
    /** Query, key and value head by head: GPT-NeoX. */
    HEAD_BY_HEAD
  }

  private final String body;
  private final String layers;
  private final Storage storage;
  private final Map<Module, String> names;
  private final String storedVocabulary; // null: as it is called
  private final Names original; // null: those of the program that made the model are these

  private Names(
      String body,
      String layers,
      Storage storage,
      Map<Module, String> names,
      String storedVocabulary,
      Names original) {
    this.body = body;
    this.layers = layers;
    this.storage = storage;
    this.names = names;
    this.storedVocabulary = storedVocabulary;
    this.original = original;
  }

  /**
   * Rows of a tensor: one of some equal shares.
   *
   * @param prefix of the body's names, with the dot
   * @param name of the tensor, without the prefix
   * @param share from 0
   * @param shares 1: the whole tensor
   */
  public record Share(String prefix, String name, int share, int shares) {}

  /**
   * Begins a table.
   *
   * @param body prefix of all but the heads, without the dot: "bert"
   * @param layers prefix of a layer inside the body; {@code %s} stands for the layer's label
   */
  public static Names of(String body, String layers) {
    return new Names(body, layers, Storage.PLAIN, new EnumMap<>(Module.class), null, null);
  }

  /** With a name: of a layer's module inside the layer, of others inside the body. */
  public Names with(Module module, String name) {
    Map<Module, String> more = new EnumMap<>(Module.class);
    more.putAll(names);
    more.put(module, name);
    return new Names(body, layers, storage, more, storedVocabulary, original);
  }

  /** Products are stored as (in, out). */
  public Names conv1d() {
    return new Names(body, layers, Storage.CONV1D, names, storedVocabulary, original);
  }

  /** The one module of query, key and value goes head by head. */
  public Names headByHead() {
    return new Names(body, layers, Storage.HEAD_BY_HEAD, names, storedVocabulary, original);
  }

  /** Folders of models call the last product so; adapters, and programs, as it is called here. */
  public Names vocabularyStoredAs(String name) {
    return new Names(body, layers, storage, names, name, original);
  }

  /**
   * Folders may also have the names of the program that made the model first.
   *
   * @param program modules of the body; query, key and value may be in one
   */
  public Names original(Names program) {
    return new Names(body, layers, storage, names, storedVocabulary, program);
  }

  /** Where a folder with the names of the first program has a tensor of the body. */
  Optional<Share> original(String tensorName) {
    int end = tensorName.lastIndexOf('.');
    if (original == null || end < 0) {
      return Optional.empty();
    }
    String moduleName = tensorName.substring(0, end);
    for (Module module : names.keySet()) {
      Optional<String> label = label(module, moduleName);
      if (label.isPresent()) {
        return Optional.of(original.share(module, label.get(), tensorName.substring(end)));
      }
    }
    return Optional.empty();
  }

  /** The label of the layer whose module is called so; that of one that stands once is empty. */
  private Optional<String> label(Module module, String moduleName) {
    if (module.isOutside()) {
      return Optional.empty();
    }
    if (!module.isOfLayer()) {
      return of(module).equals(moduleName) ? Optional.of("") : Optional.empty();
    }
    int hole = layers.indexOf("%s");
    String before = bodyPrefix() + layers.substring(0, hole);
    String after = layers.substring(hole + 2) + name(module);
    return moduleName.length() > before.length() + after.length()
            && moduleName.startsWith(before)
            && moduleName.endsWith(after)
        ? Optional.of(moduleName.substring(before.length(), moduleName.length() - after.length()))
        : Optional.empty();
  }

  private Share share(Module module, String label, String kind) {
    List<Module> together = List.of(Module.QUERY, Module.KEY, Module.VALUE);
    boolean isPart = !names.containsKey(module) && together.contains(module);
    Module stored = isPart ? Module.QUERY_KEY_VALUE : module;
    String name = (stored.isOfLayer() ? layers.formatted(label) : "") + name(stored) + kind;
    return isPart
        ? new Share(bodyPrefix(), name, together.indexOf(module), together.size())
        : new Share(bodyPrefix(), name, 0, 1);
  }

  /** How a folder of the model calls a tensor. */
  String stored(String tensorName) {
    String last = storedVocabulary == null ? null : name(Module.VOCABULARY) + ".";
    return last != null && tensorName.startsWith(last)
        ? storedVocabulary + "." + tensorName.substring(last.length())
        : tensorName;
  }

  boolean isConv1d() {
    return storage == Storage.CONV1D;
  }

  boolean isHeadByHead() {
    return storage == Storage.HEAD_BY_HEAD;
  }

  /** Prefix of the body's names, with the dot. */
  public String bodyPrefix() {
    return body + ".";
  }

  /** The full name of a module that stands once. */
  public String of(Module module) {
    Check.argument(!module.isOfLayer(), "%s is of a layer", module);
    return module.isOutside() ? name(module) : bodyPrefix() + name(module);
  }

  /** Whether the family has a module. */
  boolean has(Module module) {
    return names.containsKey(module);
  }

  /** The full name of a module of a layer. */
  String of(Module module, String label) {
    Check.argument(module.isOfLayer(), "%s is not of a layer", module);
    return bodyPrefix() + layers.formatted(label) + name(module);
  }

  private String name(Module module) {
    String name = names.get(module);
    Check.state(name != null, "%s has no name for %s", body, module);
    return name;
  }

  /** The full names of the modules of query, key and value: one, or three. */
  List<String> queryKeyValue(String label) {
    return names.containsKey(Module.QUERY_KEY_VALUE)
        ? List.of(of(Module.QUERY_KEY_VALUE, label))
        : List.of(of(Module.QUERY, label), of(Module.KEY, label), of(Module.VALUE, label));
  }

  /** The full names of the modules of gate and up: one, or two. */
  List<String> gateUp(String label) {
    return names.containsKey(Module.GATE_UP)
        ? List.of(of(Module.GATE_UP, label))
        : List.of(of(Module.GATE, label), of(Module.UP, label));
  }
}
