package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A hub on this machine with a model on it, and a cache to fetch it to. */
abstract class HubTrial {
  static final String NAME = "some-org/tiny.model";

  @TempDir Path home;
  FakeHub server;
  final List<String> reports = new ArrayList<>();
  final List<Long> pauses = new ArrayList<>();
  final Map<String, String> environment = new HashMap<>();

  @BeforeEach
  void start() throws IOException {
    server = new FakeHub();
    environment.put("HF_HOME", home.toString());
    environment.put("HF_ENDPOINT", server.address());
    environment.put("HF_HUB_DOWNLOAD_TIMEOUT", "2");
  }

  @AfterEach
  void stop() {
    server.close();
  }

  static byte[] bytes(int size, int seed) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** A repository as they are: the same weights in many forms, and what nobody reads. */
  static Map<String, byte[]> files() {
    Map<String, byte[]> files = new HashMap<>();
    files.put("config.json", "{\"model_type\":\"bert\"}".getBytes(UTF_8));
    files.put("tokenizer.json", bytes(5000, 1));
    files.put("tokenizer_config.json", "{}".getBytes(UTF_8));
    files.put("vocab.txt", "a\nb\n".getBytes(UTF_8));
    files.put("model.safetensors", bytes(3_000_000, 2));
    files.put("1_Pooling/config.json", "{\"pooling\":1}".getBytes(UTF_8));
    for (String other :
        List.of(
            "pytorch_model.bin",
            "tf_model.h5",
            "flax_model.msgpack",
            "onnx/model.onnx",
            "original/model.safetensors",
            "model.gguf",
            "README.md",
            "rust_model.ot",
            ".gitattributes")) {
      files.put(other, bytes(2000, other.hashCode()));
    }
    return files;
  }

  static final Set<String> WANTED =
      new TreeSet<>(
          Set.of(
              "1_Pooling/config.json",
              "config.json",
              "model.safetensors",
              "tokenizer.json",
              "tokenizer_config.json",
              "vocab.txt"));

  HubSettings settings() {
    return HubSettings.of(environment, home.toString());
  }

  HubFetch fetch(FileOps files) {
    return new HubFetch(settings(), files, pauses::add, reports::add);
  }

  Path model(String name) {
    return fetch(FileOps.SYSTEM).model(HubName.ofModel(name).orElseThrow(), folder -> {});
  }

  String refusal(String name) {
    return assertThrows(InputException.class, () -> model(name)).getMessage();
  }

  String failure(String name) {
    return assertThrows(UncheckedIOException.class, () -> model(name)).getMessage();
  }

  static Set<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      Set<String> out = new TreeSet<>();
      files
          .filter(Files::isRegularFile)
          .forEach(file -> out.add(folder.relativize(file).toString().replace('\\', '/')));
      return out;
    }
  }

  Path repository() {
    return home.resolve("hub/models--some-org--tiny.model");
  }

  /** Every file that is wanted, with its bytes; and nothing that is not whole. */
  void assertWhole(Path folder, Map<String, byte[]> files) throws IOException {
    assertEquals(WANTED, names(folder));
    for (String name : WANTED) {
      assertArrayEquals(files.get(name), Files.readAllBytes(folder.resolve(name)), name);
    }
    assertNoRests();
  }

  void assertNoRests() throws IOException {
    try (Stream<Path> all = Files.walk(home.resolve("hub"))) {
      assertEquals(
          List.of(),
          all.filter(f -> f.toString().endsWith(".incomplete") || f.toString().endsWith(".tmp"))
              .toList());
    }
  }

  /** Takes the next so many requests whose path has this in it. */
  void fault(String part, int times, FakeHub.Fault fault) {
    AtomicInteger left = new AtomicInteger(times);
    server.faults.add(
        exchange ->
            exchange.getRequestURI().toString().contains(part)
                && left.getAndDecrement() > 0
                && fault.takes(exchange));
  }
}
