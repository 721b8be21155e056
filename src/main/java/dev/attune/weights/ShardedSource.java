package dev.attune.weights;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Several files that act as one. The index must hold true; tensors it forgot are served too. */
final class ShardedSource implements WeightSource {
  private final Path index;
  private final Map<String, WeightSource> shards;
  private final Map<String, WeightSource> byTensor = new LinkedHashMap<>();

  ShardedSource(Path index, Map<String, WeightSource> shards, Map<String, String> weightMap) {
    this.index = index;
    this.shards = shards;
    Map<String, String> seen = new LinkedHashMap<>();
    shards.forEach(
        (shard, source) -> {
          for (String name : source.names()) {
            String other = seen.put(name, shard);
            if (other != null) {
              throw Messages.bad(
                  index, "tensor %s is in both %s and %s", Messages.shown(name), other, shard);
            }
            byTensor.put(name, source);
          }
        });
    weightMap.forEach(
        (name, shard) -> {
          if (!shard.equals(seen.get(name))) {
            throw Messages.bad(
                index,
                "says that tensor %s is in %s, but it is %s; index and shards belong to"
                    + " different models",
                Messages.shown(name),
                shard,
                seen.containsKey(name) ? "in " + seen.get(name) : "in none of the shards");
          }
        });
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(byTensor.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return source(name).info(name);
  }

  @Override
  public void read(String name, long first, FloatBuffer out) {
    source(name).read(name, first, out);
  }

  @Override
  public void close() {
    shards.values().forEach(WeightSource::close);
  }

  private WeightSource source(String name) {
    WeightSource source = byTensor.get(name);
    if (source == null) {
      throw Messages.unknown(index, name, byTensor.size());
    }
    return source;
  }
}
