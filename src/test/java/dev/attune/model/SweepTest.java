package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.AdapterConfig;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import dev.attune.testkit.TestTasks;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tiny models and adapters whose config.json or adapter_config.json says something else than it
 * did, key by key and in pairs: the numbers are those of Transformers and PEFT, or the folder is
 * refused by the name of a key. What is refused is listed in refused.txt, so that neither a refusal
 * nor a support comes unseen.
 */
class SweepTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int FEW = 5;
  private static final double TOLERANCE = 1e-5;

  @TempDir private Path scratch;

  private final Map<String, JsonNode> plain = new HashMap<>();
  private final List<String> wrong = new ArrayList<>();
  private final Map<String, List<String>> refused = new LinkedHashMap<>(); // folders by keys

  @Test
  void everyKeyOfAModelCountsOrIsRefused() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      for (String line : Goldens.lines("sweep/configs.jsonl")) {
        JsonNode item = JSON.readTree(line);
        Path source = Goldens.own(item.get("folder").asText());
        Path folder = copy(source, "config.json", "model.safetensors", item);
        check(item, () -> model(backend, source, folder));
      }
    }
    assertEquals(List.of(), wrong);
    assertEquals(listed("config"), refused());
  }

  @Test
  void everyKeyOfAnAdapterCountsOrIsRefused() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      for (String line : Goldens.lines("sweep/adapters.jsonl")) {
        JsonNode item = JSON.readTree(line);
        String name = item.get("folder").asText();
        Path source = Goldens.unpacked("adapters/" + name);
        Path folder = copy(source, "adapter_config.json", "adapter_model.safetensors", item);
        Path base =
            Goldens.own(
                Goldens.json(source.resolve("golden.json"))
                    .path("family")
                    .asText(name.replace("_dora", "")));
        check(item, () -> adapter(backend, base, folder));
      }
    }
    assertEquals(List.of(), wrong);
    assertEquals(listed("adapter_config"), refused());
  }

  private interface Logits {
    /** Of each sequence the first logits of its last row. */
    List<Float> get();
  }

  private void check(JsonNode item, Logits logits) {
    String folder = item.get("folder").asText();
    String changes = item.get("set").toString() + item.path("drop");
    String name = folder + " " + changes;
    if (item.get("set").isEmpty() && !item.has("drop")) {
      plain.put(folder, item.get("logits"));
    }
    List<Float> actual;
    try {
      actual = logits.get();
    } catch (InputException e) {
      refused.computeIfAbsent(changes, key -> new ArrayList<>()).add(folder);
      List<String> keys = new ArrayList<>();
      item.get("set").fieldNames().forEachRemaining(keys::add);
      item.path("drop").forEach(key -> keys.add(key.asText()));
      if (keys.stream().noneMatch(e.getMessage()::contains) && !item.has("unfit")) {
        wrong.add(name + " names no key: " + e.getMessage());
      }
      return;
    }
    if (item.has("unfit")) {
      wrong.add(name + ": taken, though tensors and config do not go together");
      return;
    }
    JsonNode expected = item.path("logits");
    if (expected.isMissingNode()) {
      expected = plain.get(folder);
    }
    assertEquals(expected.size(), actual.size(), name);
    for (int i = 0; i < actual.size(); i++) {
      double value = expected.get(i).doubleValue();
      if (!(Math.abs(value - actual.get(i)) <= TOLERANCE * Math.max(1, Math.abs(value)))) {
        wrong.add(name + ": number " + i + " is " + actual.get(i) + ", not " + value);
        return;
      }
    }
  }

  private static List<Float> model(Backend backend, Path source, Path folder) {
    Task task = GoldenBatch.task(source);
    ObjectNode config = ModelFolder.open(folder, null).config();
    try (Model model = Families.create(backend, config, task.head(), FEW, null)) {
      assertEquals(List.of(), ModelWeights.load(folder, model, 0).created());
      return lastRows(backend, model, task, source);
    }
  }

  private static List<Float> adapter(Backend backend, Path base, Path folder) {
    Task task = base.endsWith("bert") ? TestTasks.CLASSIFICATION : TestTasks.CAUSAL_LM;
    AdapterConfig adapter = AdapterConfig.read(folder);
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    builder.adapt(adapter.lora(), folder.toString());
    ObjectNode config = ModelFolder.open(folder, base.toString()).config();
    try (Model model = Families.create(backend, config, task.head(), FEW, null, builder)) {
      AdapterWeights.load(folder, adapter, base, model);
      return lastRows(backend, model, task, base);
    }
  }

  private static List<Float> lastRows(Backend backend, Model model, Task task, Path source) {
    Goldens.Tensors golden = new Goldens.Tensors(source.resolve("golden.safetensors"));
    try (Tape tape = new Tape(backend, new Arena(backend, 8 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      tape.begin(false);
      Tensor out =
          model.forward(
              tape,
              staging.stage(
                  GoldenBatch.of(golden, task, model.positionOffset()), model.batchRotaries()));
      if (task.head() == HeadKind.LANGUAGE_MODEL) {
        out = LanguageModels.logits(tape, model, out);
      }
      FloatBuffer values = Host.floats(backend, out.address(), out.sizeBytes());
      List<Float> rows = new ArrayList<>();
      int end = 0;
      for (int s = 0; s < GoldenBatch.SEQUENCES; s++) {
        end += task.head() == HeadKind.SEQUENCE ? 1 : golden.ints("input_ids." + s).length;
        for (int k = 0; k < FEW; k++) {
          rows.add(values.get(Math.toIntExact((end - 1) * out.cols() + k)));
        }
      }
      return rows;
    }
  }

  /** A copy of the folder with another config. */
  private Path copy(Path source, String config, String weights, JsonNode item) throws IOException {
    Path folder = Files.createDirectories(scratch.resolve(source.getFileName()));
    if (Files.notExists(folder.resolve(weights))) {
      Files.copy(source.resolve(weights), folder.resolve(weights));
    }
    ObjectNode json = (ObjectNode) Goldens.json(source.resolve(config));
    json.setAll((ObjectNode) item.get("set"));
    item.path("drop").forEach(key -> json.remove(key.asText()));
    Files.writeString(folder.resolve(config), json.toString());
    return folder;
  }

  private String refused() {
    StringBuilder lines = new StringBuilder();
    refused.forEach(
        (changes, folders) ->
            lines.append(changes).append(": ").append(String.join(" ", folders)).append('\n'));
    return lines.toString();
  }

  private static String listed(String file) {
    StringBuilder lines = new StringBuilder();
    for (String line : Goldens.lines("sweep/refused.txt")) {
      if (line.startsWith(file + " ")) {
        lines.append(line.substring(file.length() + 1)).append('\n');
      }
    }
    return lines.toString();
  }
}
