package dev.attune.folder;

import dev.attune.model.Model;
import dev.attune.model.Names;
import dev.attune.store.Segment;
import dev.attune.weights.TensorInfo;
import dev.attune.weights.WeightSource;
import java.nio.FloatBuffer;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Weights of a folder that has the names of the program that made the model first, under the names
 * that they have here: rows of one tensor may be several.
 */
final class OriginalSource implements WeightSource {
  private final WeightSource source;
  private final Map<String, Names.Share> shares; // by the name here; prefixes are in the names
  private final Set<String> names = new LinkedHashSet<>();

  private OriginalSource(WeightSource source, Map<String, Names.Share> shares) {
    this.source = source;
    this.shares = shares;
    names.addAll(source.names());
    shares.values().forEach(share -> names.remove(share.name()));
    names.addAll(shares.keySet());
  }

  /**
   * The weights as the model calls them.
   *
   * @param wrapper what every name of the source begins with
   * @return the source itself where it has none of the other names
   */
  static WeightSource of(WeightSource source, Model model, String wrapper) {
    Map<String, Names.Share> shares = new LinkedHashMap<>();
    for (Segment segment : model.parameters().segments()) {
      String here = wrapper + segment.name();
      if (source.names().contains(here)) {
        continue;
      }
      model
          .originalShare(segment.name())
          .ifPresent(
              share -> {
                for (String prefix : List.of(model.bodyPrefix(), share.prefix(), "")) {
                  String name = wrapper + prefix + share.name();
                  if (source.names().contains(name)) {
                    shares.put(here, new Names.Share("", name, share.share(), share.shares()));
                    return;
                  }
                }
              });
    }
    return shares.isEmpty() ? source : new OriginalSource(source, shares);
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(names);
  }

  @Override
  public TensorInfo info(String name) {
    Names.Share share = shares.get(name);
    if (share == null) {
      return source.info(name);
    }
    TensorInfo whole = source.info(share.name());
    long[] shape = whole.shape();
    if (shape.length > 0 && shape[0] % share.shares() == 0) {
      shape[0] /= share.shares();
    }
    return new TensorInfo(whole.name(), whole.dtype(), shape);
  }

  @Override
  public void read(String name, long first, FloatBuffer out) {
    Names.Share share = shares.get(name);
    if (share == null) {
      source.read(name, first, out);
    } else {
      source.read(share.name(), share.share() * info(name).elements() + first, out);
    }
  }

  @Override
  public void close() {
    source.close();
  }
}
