package dev.attune.server.inference;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.folder.ModelFolder;
import dev.attune.run.GenerationService;
import dev.attune.run.HeadModel;
import dev.attune.run.OpenOptions;
import dev.attune.run.SharedModel;
import dev.attune.run.TextEncoder;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.BaseContents;
import dev.attune.task.Prediction;
import dev.attune.task.TaskOptions;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Opens models for what they are used for. */
final class ModelOpener {
  /** What a model is used for. */
  enum Use {
    TEXTS,
    LABELS,
    VECTORS
  }

  /**
   * An open model.
   *
   * @param base of an adapter that is opened with a base of its own; else null
   * @param content of the base, or of the folder where that holds a whole model, which is another
   *     model where that is another; null of an adapter whose base the server does not have
   */
  record Key(Path folder, Path base, Use use, String content) {}

  /** What is open. */
  interface Opened extends AutoCloseable {
    long sizeBytes();

    @Override
    void close();
  }

  record Texts(GenerationService service) implements Opened {
    @Override
    public long sizeBytes() {
      return service.sizeBytes();
    }

    @Override
    public void close() {
      service.close();
    }
  }

  record Labels(HeadModel model, RowBatcher<Example, Prediction> batcher) implements Opened {
    @Override
    public long sizeBytes() {
      return model.sizeBytes();
    }

    @Override
    public void close() {
      batcher.close();
      model.close();
    }
  }

  /**
   * A text to make a vector of.
   *
   * @param ids its tokens
   */
  record VectorText(int[] ids, TextEncoder.Wanted wanted) {}

  record Vectors(SharedModel<TextEncoder> model, RowBatcher<VectorText, float[]> batcher)
      implements Opened {
    @Override
    public long sizeBytes() {
      return model.model().sizeBytes();
    }

    @Override
    public void close() {
      batcher.close();
      model.close();
    }
  }

  /** Rows that are read together at the most, of several callers. */
  private static final int MOST_ROWS = 256;

  private static final System.Logger LOG = System.getLogger("dev.attune.server");
  private static final Path SOURCE = Path.of("input");

  private final InferenceSettings settings;
  private final BaseContents contents;

  ModelOpener(InferenceSettings settings, BaseContents contents) {
    this.settings = settings;
    this.contents = contents;
  }

  /** Bytes that it will take, about. */
  long estimate(Key key) {
    long weights = fileBytes(key.folder) + (key.base == null ? 0 : fileBytes(key.base));
    return key.use == Use.TEXTS ? weights + settings.cacheBytes() / 2 : weights;
  }

  /** What the weights of a folder take on the disk. */
  static long fileBytes(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      long bytes = 0;
      for (Path file : (Iterable<Path>) files::iterator) {
        String name = file.getFileName().toString();
        if (name.endsWith(".safetensors") || name.endsWith(".bin")) {
          bytes += Files.size(file);
        }
      }
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException("the model's folder cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Opens it.
   *
   * @throws ApiException if the files were changed while they were read
   */
  Opened open(Key key) {
    Opened opened = read(key);
    try {
      check(key);
      return opened;
    } catch (RuntimeException | Error e) {
      opened.close();
      throw e;
    }
  }

  /** Whether what the key says is what is on the disk: after something was read from there. */
  void check(Key key) {
    Path folder = key.base == null ? key.folder : key.base;
    if (key.content != null && !key.content.equals(contents.now(folder))) {
      throw ApiException.busy("The files of a base model were changed just now; ask again");
    }
  }

  private Opened read(Key key) {
    OpenOptions options =
        key.base == null
            ? OpenOptions.DEFAULT
            : new OpenOptions(
                key.base.toString(),
                OpenOptions.DEFAULT.weights(),
                null,
                OpenOptions.DEFAULT.task());
    LOG.log(Level.INFO, "opening {0}", key.folder);
    return switch (key.use) {
      case TEXTS ->
          new Texts(
              GenerationService.open(
                  key.folder,
                  options,
                  settings.compute(),
                  new GenerationService.Limits(
                      settings.concurrency(), settings.cacheBytes(), settings.waiting())));
      case LABELS -> labels(key, options);
      case VECTORS -> vectors(key);
    };
  }

  private Opened labels(Key key, OpenOptions options) {
    HeadModel model =
        HeadModel.open(key.folder, options, settings.compute(), type(key.folder, key.base));
    return new Labels(
        model,
        new RowBatcher<>(
            "attune-labels",
            rows -> model.predictEvenly(new Dataset(SOURCE, rows)),
            MOST_ROWS,
            settings.waiting(),
            settings.windowMillis()));
  }

  private Opened vectors(Key key) {
    SharedModel<TextEncoder> model =
        TextEncoder.open(
            key.folder.toString(),
            key.base == null ? null : key.base.toString(),
            null,
            settings.compute());
    return new Vectors(
        model,
        new RowBatcher<>(
            "attune-vectors",
            texts ->
                model.use(
                    lane ->
                        List.of(
                            model
                                .model()
                                .embedEvenly(
                                    lane,
                                    texts.stream().map(VectorText::ids).toList(),
                                    texts.stream().map(VectorText::wanted).toList()))),
            MOST_ROWS,
            settings.waiting(),
            settings.windowMillis()));
  }

  /**
   * What a folder's model is for.
   *
   * @param base of an adapter; else null
   */
  static TaskType type(Path folder, Path base) {
    return Tasks.of(
            ModelFolder.open(folder, base == null ? null : base.toString()), TaskOptions.NONE)
        .type();
  }
}
