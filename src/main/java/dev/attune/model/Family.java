package dev.attune.model;

import java.util.EnumMap;
import java.util.Map;

/**
 * What a family makes of a config.json.
 *
 * @param config of the body
 * @param names of the body's tensors, and of the last product of a language model
 * @param heads the heads it can carry besides the vocabulary
 */
public record Family(TransformerConfig config, Names names, Map<HeadKind, Head.Spec> heads) {
  /** A body without heads. */
  public Family(TransformerConfig config, Names names) {
    this(config, names, Map.of());
  }

  /** With a head. */
  public Family head(HeadKind kind, Head.Spec spec) {
    Map<HeadKind, Head.Spec> more = new EnumMap<>(HeadKind.class);
    more.putAll(heads);
    more.put(kind, spec);
    return new Family(config, names, more);
  }
}
