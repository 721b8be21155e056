package dev.attune.server.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFolder;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * What the models are, by content, with which adapters are opened. An adapter says which one it was
 * made on, and answers with no other: whoever runs the server may have put other files in a base's
 * place. Files are read again where their sizes or times are others. Any number of threads use it.
 */
public final class BaseContents {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int TRIES = 3;
  private static final long LOOK_NANOS = 500_000_000; // requests may come a thousand a second

  private final Map<Path, Known> known = new ConcurrentHashMap<>();
  private final Map<Path, Optional<String>> madeOn = new ConcurrentHashMap<>(); // by adapters

  /** A content, what the files looked like when it was read, and when they were looked at last. */
  private record Known(List<String> look, String content, long nanos) {}

  /**
   * The content of a model's folder, as it was half a second ago or later.
   *
   * @throws ApiException if its files are being changed
   */
  public String of(Path folder) {
    Known last = known.get(folder);
    return last != null && System.nanoTime() - last.nanos < LOOK_NANOS ? last.content : now(folder);
  }

  /**
   * The content of a model's folder now.
   *
   * @throws ApiException if its files are being changed
   */
  public String now(Path folder) {
    List<String> look = look(folder);
    Known last = known.get(folder);
    for (int i = 0; i < TRIES && (last == null || !last.look.equals(look)); i++) {
      last = new Known(look, read(folder), 0);
      look = look(folder);
    }
    if (!last.look.equals(look)) {
      throw ApiException.unavailable("The files of a base model are being changed", null);
    }
    known.put(folder, new Known(look, last.content, System.nanoTime()));
    return last.content;
  }

  private static String read(Path folder) {
    try {
      return ContentDigest.ofBase(
          ModelFolder.open(folder, null), Runtime.getRuntime().availableProcessors());
    } catch (InputException e) {
      throw ApiException.unavailable("The files of a base model cannot be read", e);
    }
  }

  /** What tells without reading the files that they are others: names, sizes, times, places. */
  private static List<String> look(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().map(BaseContents::lookOf).toList();
    } catch (IOException | UncheckedIOException e) {
      throw ApiException.unavailable("The files of a base model cannot be read", e);
    }
  }

  private static String lookOf(Path file) {
    try {
      BasicFileAttributes is = Files.readAttributes(file, BasicFileAttributes.class);
      return file.getFileName()
          + " "
          + is.size()
          + " "
          + is.lastModifiedTime()
          + " "
          + is.fileKey();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Refuses an adapter whose base is not what it was made on. */
  void check(ServedModel model, Path base) {
    Optional<String> was = madeOn.computeIfAbsent(model.folder(), BaseContents::stated);
    if (was.isPresent() && !was.get().equals(of(base))) {
      throw ApiException.baseChanged(
          "The files of '"
              + model.base()
              + "' are not those that '"
              + model.id()
              + "' was made on: their content was "
              + was.get()
              + " and is "
              + of(base)
              + ". Whoever runs this server can put the former ones back");
    }
  }

  /** What an adapter's folder says; empty: it is of a version that did not say it. */
  private static Optional<String> stated(Path adapter) {
    try {
      JsonNode attune = JSON.readTree(adapter.resolve("attune.json").toFile());
      return Optional.ofNullable(attune.path(ContentDigest.BASE_CONTENT).asText(null));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** The folder has gone. */
  void forget(Path adapter) {
    madeOn.remove(adapter);
  }
}
