package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the pages say of families and their keys is what the code does: all of it, nothing else. */
class SupportPagesTest {
  private static final Path KEYS = Path.of("docs/config-keys.md");
  private static final Path MODELS = Path.of("docs/models.md");

  /** The configs of our goldens, by their model_type. */
  private static Map<String, List<ObjectNode>> configs() throws IOException {
    Map<String, List<ObjectNode>> byType = new TreeMap<>();
    try (Stream<Path> folders = Files.list(Path.of("src/test/resources/goldens"))) {
      for (Path folder : folders.filter(Files::isDirectory).sorted().toList()) {
        ObjectNode config = ModelFolder.readConfig(Goldens.own(folder.getFileName().toString()));
        byType
            .computeIfAbsent(config.path("model_type").asText(), t -> new ArrayList<>())
            .add(config);
      }
    }
    return byType;
  }

  private static String code(Collection<String> names) {
    return names.stream().map(name -> "`" + name + "`").collect(Collectors.joining(", "));
  }

  @Test
  void everyKeyOfEveryFamilyIsOnItsPage() throws IOException {
    Map<String, List<ObjectNode>> configs = configs();
    List<String> lines = new ArrayList<>();
    Set<String> readBySome = new TreeSet<>(FamilyConfig.harmlessKeys());
    readBySome.addAll(FamilyConfig.keysReadBySome());
    Set<String> countedAnywhere = new TreeSet<>();
    for (Families.Entry entry : Families.all()) {
      Set<String> counted = new TreeSet<>();
      Map<String, String> single = new TreeMap<>();
      Set<String> ignored = new TreeSet<>();
      for (ObjectNode config : configs.get(entry.modelType())) {
        FamilyConfig keys = new FamilyConfig(config, null);
        entry.reader().apply(keys);
        counted.addAll(keys.keys().counted());
        single.putAll(keys.keys().single());
        ignored.addAll(keys.keys().ignored());
      }
      counted.removeAll(single.keySet());
      countedAnywhere.addAll(counted);
      Set<String> values = new TreeSet<>();
      single.forEach(
          (key, value) ->
              values.add(
                  key
                      + ": "
                      + (value.matches("[1-9]\\d*") ? "what follows from the sizes" : value)));
      lines.add(
          "| `%s` | %s | %s | %s |"
              .formatted(entry.modelType(), code(counted), code(values), code(ignored)));
    }
    readBySome.retainAll(countedAnywhere);
    assertEquals(readBySome, FamilyConfig.keysReadBySome(), "read by some, harmless in others");
    lines.add(code(FamilyConfig.harmlessKeys()));
    lines.add(code(FamilyConfig.keysReadBySome()));
    List<String> page = Files.readAllLines(KEYS);
    lines.removeAll(page);
    assertEquals("", String.join("\n", lines), "lines that " + KEYS + " lacks");
    assertEquals(
        Families.all().size(),
        page.stream().filter(line -> line.startsWith("| `")).count(),
        "rows of " + KEYS);
  }

  /** A row a family, or several: classification, tokens, answers, language model, masked. */
  @Test
  void theTableOfFamiliesSaysWhichHeadsThereAre() throws IOException {
    Map<String, String> rows = new TreeMap<>();
    for (String line : Files.readAllLines(MODELS)) {
      if (line.matches("\\| `.*") && line.split("\\|").length == 7) {
        String[] cells = line.split("\\|");
        for (String type : cells[1].replace("`", "").split(",")) {
          rows.put(type.strip(), String.join("|", List.of(cells).subList(2, 7)));
        }
      }
    }
    Map<String, List<ObjectNode>> configs = configs();
    assertEquals(configs.keySet(), rows.keySet());
    HeadKind[] heads = {
      HeadKind.SEQUENCE,
      HeadKind.TOKEN,
      HeadKind.SPAN,
      HeadKind.LANGUAGE_MODEL,
      HeadKind.MASKED_LANGUAGE_MODEL
    };
    try (Backend backend = new CpuBackend(1)) {
      for (Families.Entry entry : Families.all()) {
        String[] said = rows.get(entry.modelType()).split("\\|");
        for (int i = 0; i < heads.length; i++) {
          boolean isThere = isThere(backend, configs.get(entry.modelType()).get(0), heads[i]);
          String cell = said[i].strip();
          assertEquals(
              isThere, cell.startsWith("yes"), entry.modelType() + ", " + heads[i] + ": " + cell);
          assertTrue(isThere || cell.startsWith("–"), cell);
        }
      }
    }
  }

  private static boolean isThere(Backend backend, ObjectNode config, HeadKind head) {
    try (Model model = Families.create(backend, config, head, 2, null)) {
      return model.head() == head;
    } catch (InputException e) {
      return false;
    }
  }
}
