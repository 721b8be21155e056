package dev.attune.artifact;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;

/** An application that embeds Attune: its class path, its JAR, and what it asks of it. */
final class Application {
  static final Path CLASSES = Path.of("target/classes").toAbsolutePath();

  /** Artifacts of the test's class path that an application has too, by the start of their file. */
  private static final List<String> DEPENDENCIES =
      List.of(
          "javacpp-1",
          "tokenizers-",
          "aircompressor-",
          "hipparchus-core-",
          "jackson-annotations-",
          "jackson-core-",
          "jackson-databind-",
          "jackson-dataformat-",
          "snakeyaml-",
          "commons-cli-");

  private static final int TIMEOUT_MINUTES = 5;

  private Application() {}

  /** The JARs that come with Attune's own. */
  static List<Path> dependencies() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(Path::of)
        .filter(p -> DEPENDENCIES.stream().anyMatch(p.getFileName().toString()::startsWith))
        .map(Path::toAbsolutePath)
        .toList();
  }

  /** Attune's own JAR, of the classes and resources that the build has made. */
  static Path jar(Path file) throws IOException {
    Manifest manifest = new Manifest();
    manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    manifest.getMainAttributes().put(Attributes.Name.MULTI_RELEASE, "true");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(file), manifest)) {
      addTree(out, CLASSES);
    }
    return file;
  }

  static void addTree(JarOutputStream out, Path root) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(root)) {
      files = walk.filter(Files::isRegularFile).sorted().toList();
    }
    for (Path file : files) {
      out.putNextEntry(new JarEntry(root.relativize(file).toString()));
      Files.copy(file, out);
    }
  }

  /**
   * Copies the entries of a JAR, as a shading plugin does: a later one of the same name is lost.
   */
  static void addJar(JarOutputStream out, Path jar, TreeMap<String, Path> seen) throws IOException {
    try (JarFile file = new JarFile(jar.toFile())) {
      for (JarEntry entry : file.stream().toList()) {
        String name = entry.getName();
        if (entry.isDirectory()
            || name.equals("META-INF/MANIFEST.MF")
            || name.endsWith("module-info.class")
            || seen.putIfAbsent(name, jar) != null) {
          continue;
        }
        out.putNextEntry(new JarEntry(name));
        copy(file, entry, out);
      }
    }
  }

  private static void copy(JarFile file, JarEntry entry, OutputStream out) throws IOException {
    try (var in = file.getInputStream(entry)) {
      in.transferTo(out);
    }
  }

  /** A small model and texts for {@link #training} and {@link #prediction}. */
  static Path prepare(Path folder) {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(folder.resolve("model"), backend);
    }
    TinyModel.writeData(folder.resolve("train.csv"), 40, 1);
    TinyModel.writeData(folder.resolve("test.csv"), 10, 2);
    return folder;
  }

  /** The words that train a few steps. */
  static String[] training(Path prepared, Path output) {
    return new String[] {
      "train",
      "--model",
      prepared.resolve("model").toString(),
      "--train-file",
      prepared.resolve("train.csv").toString(),
      "--output-dir",
      output.toString(),
      "--max-steps",
      "3",
      "--threads",
      "1"
    };
  }

  /** The words that predict with what {@link #training} made, into {@code predictions.jsonl}. */
  static String[] prediction(Path prepared, Path output) {
    return new String[] {
      "predict",
      "--model",
      output.toString(),
      "--file",
      prepared.resolve("test.csv").toString(),
      "--output",
      output.resolve("predictions.jsonl").toString(),
      "--threads",
      "1"
    };
  }

  /** How a process ended. */
  record Ended(int status, String out, String err) {}

  static Ended run(Path scratch, List<String> options, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of(arguments));
    return run(scratch, new ProcessBuilder(command));
  }

  static Ended run(Path scratch, ProcessBuilder builder) throws IOException {
    Path out = Files.createTempFile(scratch, "out", ".txt");
    Path err = Files.createTempFile(scratch, "err", ".txt");
    Process process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    try {
      if (!process.waitFor(TIMEOUT_MINUTES, TimeUnit.MINUTES)) {
        process.destroyForcibly();
        throw new IOException(builder.command() + " did not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
    return new Ended(
        process.exitValue(),
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }
}
