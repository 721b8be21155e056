package dev.attune.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;

/** Finds the weight files of a Hugging Face folder, sharded or not. */
public final class WeightFolder {
  private static final String SAFETENSORS = "model.safetensors";
  private static final String TORCH = "pytorch_model.bin";
  private static final String INDEX = ".index.json";

  private WeightFolder() {}

  /**
   * Opens the weights of a Hugging Face folder: model.safetensors, else the shards of
   * model.safetensors.index.json, else pytorch_model.bin, else the shards of
   * pytorch_model.bin.index.json.
   *
   * @throws InputException when there are none, or they are damaged
   */
  public static WeightSource open(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw Messages.bad(folder, Files.exists(folder) ? "is not a folder" : "folder not found");
    }
    if (Files.exists(folder.resolve(SAFETENSORS))) {
      return Safetensors.open(folder.resolve(SAFETENSORS));
    }
    if (Files.exists(folder.resolve(SAFETENSORS + INDEX))) {
      return openShards(folder, SAFETENSORS + INDEX, Safetensors::open);
    }
    if (Files.exists(folder.resolve(TORCH))) {
      return TorchBin.open(folder.resolve(TORCH));
    }
    if (Files.exists(folder.resolve(TORCH + INDEX))) {
      return openShards(folder, TORCH + INDEX, TorchBin::open);
    }
    throw none(folder);
  }

  /**
   * The names of the files that {@link #open} reads, an index before its shards.
   *
   * @throws InputException when there are none, or a shard is missing
   */
  public static List<String> files(Path folder) {
    for (String name : List.of(SAFETENSORS, SAFETENSORS + INDEX, TORCH, TORCH + INDEX)) {
      if (!Files.exists(folder.resolve(name))) {
        continue;
      }
      List<String> names = new ArrayList<>(List.of(name));
      if (name.endsWith(INDEX)) {
        Path index = folder.resolve(name);
        Set<String> shards = new TreeSet<>(readIndex(index).values());
        shards.forEach(shard -> checkShard(folder, index, shard, shards.size()));
        names.addAll(shards);
      }
      return names;
    }
    throw none(folder);
  }

  private static void checkShard(Path folder, Path index, String shard, int count) {
    if (!Files.exists(folder.resolve(shard))) {
      throw Messages.bad(
          index,
          "names the shard %s, which is not in the folder; copy all %d shards",
          Messages.shown(shard),
          count);
    }
  }

  private static InputException none(Path folder) {
    return Messages.bad(
        folder,
        "holds no weights: expected %s, %s or %s; it holds %s",
        SAFETENSORS,
        SAFETENSORS + INDEX,
        TORCH,
        listing(folder));
  }

  private static String listing(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names = files.map(f -> f.getFileName().toString()).sorted().limit(20).toList();
      return names.isEmpty() ? "nothing" : String.join(", ", names);
    } catch (IOException e) {
      return "files that cannot be listed";
    }
  }

  private static WeightSource openShards(
      Path folder, String indexName, Function<Path, WeightSource> opener) {
    Path index = folder.resolve(indexName);
    Map<String, String> map = readIndex(index);
    Map<String, WeightSource> shards = new TreeMap<>();
    List<String> order = new ArrayList<>(new TreeSet<>(map.values()));
    ShardedSource opened = null;
    try {
      for (String shard : order) {
        checkShard(folder, index, shard, order.size());
        shards.put(shard, opener.apply(folder.resolve(shard)));
      }
      opened = new ShardedSource(index, shards, map);
      return opened;
    } finally {
      if (opened == null) {
        shards.values().forEach(WeightSource::close);
      }
    }
  }

  private static Map<String, String> readIndex(Path index) {
    JsonNode root;
    try {
      root =
          JsonMapper.builder()
              .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
              .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
              .build()
              .readTree(Files.readAllBytes(index));
    } catch (JsonProcessingException e) {
      throw new InputException(index + ": not valid JSON: " + JsonProblem.of(e), e);
    } catch (IOException e) {
      throw Messages.unreadable(index, e);
    }
    JsonNode weightMap = root.path("weight_map");
    if (!weightMap.isObject() || weightMap.isEmpty()) {
      throw Messages.bad(index, "has no \"weight_map\" object from tensor names to file names");
    }
    Map<String, String> map = new TreeMap<>();
    weightMap
        .properties()
        .forEach(
            e -> {
              String shard = e.getValue().asText();
              if (!e.getValue().isTextual() || !isPlainFileName(shard)) {
                throw Messages.bad(
                    index,
                    "sends tensor %s to %s; a shard is a plain file name in the same folder",
                    Messages.shown(e.getKey()),
                    Messages.shown(e.getValue().toString()));
              }
              map.put(e.getKey(), shard);
            });
    return map;
  }

  // A downloaded index must not make us open files outside its folder.
  private static boolean isPlainFileName(String name) {
    return !name.isBlank()
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ')
        && !name.equals(".")
        && !name.equals("..");
  }
}
