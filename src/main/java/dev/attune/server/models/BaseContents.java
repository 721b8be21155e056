package dev.attune.server.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFolder;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

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
  private final Map<Path, Lock> readings = new ConcurrentHashMap<>(); // one reads, others wait
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
    String content = unchanged(folder);
    if (content != null) {
      return content;
    }
    Lock reading = readings.computeIfAbsent(folder, one -> new ReentrantLock());
    reading.lock();
    try {
      content = unchanged(folder); // another may have read it meanwhile
      return content == null ? read(folder) : content;
    } finally {
      reading.unlock();
    }
  }

  /** The content that is known, where the files look as they did; else null. */
  private String unchanged(Path folder) {
    Known last = known.get(folder);
    long nanos = System.nanoTime();
    if (last == null || !last.look.equals(look(folder))) {
      return null;
    }
    known.replace(folder, last, new Known(last.look, last.content, nanos));
    return last.content;
  }

  private String read(Path folder) {
    List<String> look = look(folder);
    for (int i = 0; i < TRIES; i++) {
      String content = null;
      InputException failure = null;
      try {
        content =
            ContentDigest.ofBase(
                ModelFolder.open(folder, null), Runtime.getRuntime().availableProcessors());
      } catch (InputException e) { // a file may have been replaced meanwhile
        failure = e;
      }
      long nanos = System.nanoTime();
      List<String> after = look(folder);
      if (after.equals(look) && failure != null) {
        throw ApiException.unavailable("The files of a base model cannot be read", failure);
      }
      if (after.equals(look)) {
        known.put(folder, new Known(look, content, nanos));
        return content;
      }
      look = after;
    }
    throw ApiException.unavailable("The files of a base model are being changed", null);
  }

  /** What tells without reading the files that they are others: names, sizes, times, places. */
  private static List<String> look(Path folder) {
    try {
      List<String> looks = new ArrayList<>();
      for (Path file : ContentDigest.baseFiles(folder)) {
        looks.add(lookOf(file));
      }
      return looks;
    } catch (IOException | DirectoryIteratorException e) {
      throw ApiException.unavailable("The files of a base model cannot be read", e);
    }
  }

  private static String lookOf(Path file) throws IOException {
    try {
      BasicFileAttributes is = Files.readAttributes(file, BasicFileAttributes.class);
      return file.getFileName()
          + " "
          + is.size()
          + " "
          + is.lastModifiedTime()
          + " "
          + is.fileKey();
    } catch (NoSuchFileException e) {
      return file.getFileName() + " is not there";
    }
  }

  /**
   * The content of an adapter's base, as {@link #of(Path)}.
   *
   * @throws ApiException if it is not what the adapter was made on, or is being changed
   */
  String of(ServedModel model, Path base) {
    Optional<String> was = madeOn(model);
    String content = of(base);
    if (was.isPresent() && !was.get().equals(content)) {
      throw ApiException.baseChanged(
          "The files of '"
              + model.base()
              + "' are not those that '"
              + model.id()
              + "' was made on: their content was "
              + was.get()
              + " and is "
              + content
              + ". Whoever runs this server can put the former ones back");
    }
    return content;
  }

  /** Refuses an adapter whose base is not what it was made on. */
  void check(ServedModel model, Path base) {
    if (madeOn(model).isPresent()) {
      of(model, base);
    }
  }

  private Optional<String> madeOn(ServedModel model) {
    return madeOn.computeIfAbsent(model.folder(), BaseContents::stated);
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
  void forget(Path folder) {
    madeOn.remove(folder);
    known.remove(folder);
    readings.remove(folder);
  }
}
