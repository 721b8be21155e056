package dev.attune.artifact;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.artifact.Application.Ended;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.loader.launch.JarLauncher;

/** Applications in one JAR, as they are shipped: all merged into one, or JARs within a JAR. */
class JarLayoutsTest {
  private static final String MAIN = "dev.attune.cli.Main";

  @TempDir static Path shared;
  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    Application.prepare(shared);
  }

  private void trainsAndPredicts(List<String> start) throws IOException {
    List<String> options =
        Stream.concat(
                Stream.of("-Dattune.cache=" + scratch.resolve("cache"), "-Xmx512m"), start.stream())
            .toList();
    Path output = scratch.resolve("out");
    for (String[] words :
        List.of(Application.training(shared, output), Application.prediction(shared, output))) {
      Ended ended = Application.run(scratch, options, words);
      assertEquals(0, ended.status(), ended.out() + ended.err());
      assertTrue(!ended.err().contains("WARNING"), ended.err());
    }
    assertEquals(10, Files.readAllLines(output.resolve("predictions.jsonl")).size());
    try (Stream<Path> cached = Files.walk(scratch.resolve("cache"))) {
      List<String> names =
          cached.filter(Files::isRegularFile).map(f -> f.getFileName().toString()).toList();
      for (String library : List.of("attune_cpu", "tokenizers", "jnijavacpp")) {
        assertTrue(names.contains(System.mapLibraryName(library)), names.toString());
      }
    }
  }

  @Test
  void separateJars() throws Exception {
    Path jar = Application.jar(scratch.resolve("attune.jar"));
    String classPath =
        Stream.concat(Stream.of(jar), Application.dependencies().stream())
            .map(Path::toString)
            .reduce((a, b) -> a + java.io.File.pathSeparator + b)
            .orElseThrow();
    trainsAndPredicts(List.of("--enable-native-access=ALL-UNNAMED", "-cp", classPath, MAIN));
  }

  @Test
  void oneShadedJar() throws Exception {
    Path jar = scratch.resolve("shaded.jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest(MAIN))) {
      Application.addTree(out, Application.CLASSES);
      TreeMap<String, Path> seen = new TreeMap<>();
      try (Stream<Path> own = Files.walk(Application.CLASSES)) {
        own.filter(Files::isRegularFile)
            .forEach(f -> seen.put(Application.CLASSES.relativize(f).toString(), f));
      }
      for (Path dependency : Application.dependencies()) {
        Application.addJar(out, dependency, seen);
      }
    }
    trainsAndPredicts(List.of("-jar", jar.toString()));
  }

  @Test
  void jarsWithinASpringBootJar() throws Exception {
    Path boot = scratch.resolve("boot.jar");
    Manifest manifest = manifest(JarLauncher.class.getName());
    manifest.getMainAttributes().putValue("Start-Class", MAIN);
    manifest.getMainAttributes().putValue("Spring-Boot-Lib", "BOOT-INF/lib/");
    manifest.getMainAttributes().putValue("Spring-Boot-Classes", "BOOT-INF/classes/");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(boot), manifest)) {
      Application.addJar(out, launcher(), new TreeMap<>());
      store(out, Application.jar(scratch.resolve("attune.jar")));
      for (Path dependency : Application.dependencies()) {
        store(out, dependency);
      }
    }
    trainsAndPredicts(List.of("-jar", boot.toString()));
  }

  private static Manifest manifest(String main) {
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, main);
    manifest.getMainAttributes().putValue("Enable-Native-Access", "ALL-UNNAMED");
    return manifest;
  }

  private static Path launcher() throws URISyntaxException {
    return Path.of(JarLauncher.class.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  /** A JAR within a JAR is stored as it is, so that it can be read in place. */
  private static void store(JarOutputStream out, Path jar) throws IOException {
    byte[] content = Files.readAllBytes(jar);
    CRC32 crc = new CRC32();
    crc.update(content);
    JarEntry entry = new JarEntry("BOOT-INF/lib/" + jar.getFileName());
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    out.putNextEntry(entry);
    out.write(content);
    out.closeEntry();
  }
}
