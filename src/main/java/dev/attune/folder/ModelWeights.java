package dev.attune.folder;

import dev.attune.core.InputException;
import dev.attune.core.NotFinite;
import dev.attune.model.Model;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.weights.FiniteSource;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TensorInfo;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;

/** Joins a model's parameters with the weight files of a Hugging Face folder. */
public final class ModelWeights {
  /** Last products of language models, which may be the word embedding. */
  private static final Set<String> LAST_OF_VOCABULARY =
      Set.of("lm_head.weight", "embed_out.weight");

  /** The names that Transformers gives the last product of a head over sequences or tokens. */
  private static final Pattern LAST_PRODUCT =
      Pattern.compile(
          "(score|classifier|classifier\\.out_proj|classification_head\\.out_proj|logits_proj"
              + "|qa_outputs)\\.weight");

  /** What all names begin with where a model was saved inside DataParallel, or compiled. */
  private static final List<String> WRAPPERS = List.of("module.", "_orig_mod.");

  private ModelWeights() {}

  /**
   * What a load found.
   *
   * @param created head tensors that the folder lacks, or has in another shape: new, random
   * @param misfits what is to be said of those of another shape
   * @param unused tensors of the folder that the model has no place for
   */
  public record Loaded(List<String> created, List<String> misfits, List<String> unused) {}

  /**
   * Loads a model's parameters. Every tensor of the body must be there in the right shape; tensors
   * of the head that are not are drawn anew from a normal distribution, as are new adapters.
   *
   * @param seed of new weights
   */
  public static Loaded load(Path folder, Model model, long seed) {
    return load(folder, model, BaseLoad.of(seed));
  }

  /** The same. */
  public static Loaded load(Path folder, Model model, BaseLoad how) {
    Parameters parameters = model.parameters();
    String drawnAnew = how.keepsHead() ? null : lastProduct(model);
    List<String> created = new ArrayList<>();
    List<String> misfits = new ArrayList<>();
    Set<String> used = new HashSet<>();
    List<String> unused = new ArrayList<>();
    AdapterStart.check(parameters, how.lora());
    AdapterStart start = new AdapterStart(parameters, how.lora());
    try (WeightSource opened = new FiniteSource(WeightFolder.open(folder), folder)) {
      String wrapper = wrapper(opened);
      WeightSource source = OriginalSource.of(opened, model, wrapper);
      for (Segment segment : parameters.segments()) {
        if (LoraConfig.isAdapter(segment.name())) {
          continue;
        }
        String name = find(source, segment.name(), model, wrapper);
        if (segment.frozen() && parameters.sharesFrozen()) {
          used.add(name); // by the model whose they are
          continue;
        }
        checkOnce(folder, source, name, segment, model, wrapper);
        boolean isNew = drawnAnew != null && module(segment.name()).equals(drawnAnew);
        if (how.rows() != null
            && name != null
            && how.rows().grow(source.info(name), segment, model)) {
          used.add(name);
          write(parameters, segment, how.rows().read(source, name, segment));
          continue;
        }
        if (isNew || name == null || !fits(source.info(name), segment)) {
          if (how.replaced().contains(segment.name())) {
            continue;
          }
          if (!model.isHead(segment.name())) {
            throw new InputException(
                folder
                    + ": "
                    + (name == null
                        ? missing(source, segment, model)
                        : misfit(source.info(name), segment)));
          }
          if (name != null && !fits(source.info(name), segment)) {
            misfits.add(misfit(source.info(name), segment));
          }
          Initializer.fill(parameters, segment, model.initializerRange(), how);
          created.add(segment.name());
          continue;
        }
        used.add(name);
        if (start.changes(segment)) {
          readChanged(source, name, parameters, segment, start);
        } else {
          read(source, name, parameters, segment);
        }
      }
      for (Segment segment : parameters.segments()) {
        if (LoraConfig.isAdapter(segment.name()) && !start.fill(segment)) {
          Initializer.fill(parameters, segment, model.initializerRange(), how);
        }
      }
      parameters.initializeMagnitudes();
      for (String name : source.names()) {
        if (!used.contains(name)) {
          unused.add(name);
        }
      }
    }
    return new Loaded(created, misfits, unused);
  }

  /**
   * Draws all of a model's parameters anew, as those of a head that a folder lacks.
   *
   * @return what was created: all
   */
  public static Loaded draw(Model model, long seed) {
    Parameters parameters = model.parameters();
    List<String> created = new ArrayList<>();
    for (Segment segment : parameters.segments()) {
      Initializer.fill(parameters, segment, model.initializerRange(), BaseLoad.of(seed));
      created.add(segment.name());
    }
    return new Loaded(created, List.of(), List.of());
  }

  /** The module of a head's last product, which is declared after all others; null: no head. */
  private static String lastProduct(Model model) {
    String last = null;
    for (Segment segment : model.parameters().segments()) {
      if (model.isHead(segment.name()) && segment.shape().length == 2) {
        last = module(segment.name());
      }
    }
    return last;
  }

  private static String module(String tensorName) {
    return tensorName.substring(0, Math.max(0, tensorName.lastIndexOf('.')));
  }

  /**
   * K of the head over sequences, tokens or spans that a folder holds; empty where there is none.
   */
  static OptionalInt headOutputs(Path folder) {
    try (WeightSource source = WeightFolder.open(folder)) {
      return headOutputs(source, wrapper(source));
    }
  }

  /** What every name begins with that no model here has; empty: nothing. */
  static String wrapper(WeightSource source) {
    return wrapper(source, "");
  }

  /** They may stand one in the other. */
  private static String wrapper(WeightSource source, String outside) {
    for (String one : WRAPPERS) {
      String prefix = outside + one;
      Set<String> names = source.names();
      if (!names.isEmpty() && names.stream().allMatch(name -> name.startsWith(prefix))) {
        return wrapper(source, prefix);
      }
    }
    return outside;
  }

  /**
   * The same of weights.
   *
   * @param prefix of all names
   */
  static OptionalInt headOutputs(WeightSource source, String prefix) {
    return source.names().stream()
        .filter(name -> name.startsWith(prefix))
        .filter(name -> LAST_PRODUCT.matcher(name.substring(prefix.length())).matches())
        .map(name -> source.info(name).shape())
        .filter(shape -> shape.length == 2)
        .mapToInt(shape -> (int) shape[0])
        .findFirst();
  }

  /** Whether the folder holds every matrix in bf16, so that a model may hold them so too. */
  public static boolean hasBf16Matrices(Path folder) {
    try (WeightSource source = WeightFolder.open(folder)) {
      List<TensorInfo> matrices =
          source.names().stream()
              .map(source::info)
              .filter(tensor -> tensor.shape().length == 2)
              .toList();
      return !matrices.isEmpty()
          && matrices.stream().allMatch(tensor -> tensor.dtype().equals("BF16"));
    }
  }

  static void read(WeightSource source, String name, Parameters parameters, Segment segment) {
    if (segment.layout() == Layout.PLAIN) {
      parameters.write(segment, (first, values) -> source.read(name, first, values));
      return;
    }
    FloatBuffer folder = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    source.read(name, folder);
    write(parameters, segment, folder.flip());
  }

  private static void readChanged(
      WeightSource source,
      String name,
      Parameters parameters,
      Segment segment,
      AdapterStart start) {
    FloatBuffer folder = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    source.read(name, folder);
    start.take(segment, folder.flip());
    write(parameters, segment, folder);
  }

  /** Writes a tensor whose values are in the order of the folder. */
  static void write(Parameters parameters, Segment segment, FloatBuffer folder) {
    FloatBuffer store = FloatBuffer.allocate(folder.remaining());
    segment.layout().toStore(folder, store);
    parameters.write(
        segment, (first, values) -> values.put(store.slice((int) first, values.remaining())));
  }

  static SafetensorsWriter.Chunks chunks(Parameters parameters, Segment segment) {
    if (segment.layout() == Layout.PLAIN) {
      return first -> finite(segment, parameters.read(segment, first));
    }
    return first ->
        finite(segment, folderValues(parameters, segment).position((int) first).slice());
  }

  /** No file leaves here whose model computes nothing: the last check, of whatever came before. */
  static FloatBuffer finite(Segment segment, FloatBuffer values) {
    int bad = NotFinite.first(values, values.position(), values.limit());
    if (bad >= 0) {
      throw new InputException(
          "the weights "
              + segment.name()
              + " would hold "
              + values.get(bad)
              + ", with which no model computes anything: it is not saved");
    }
    return values;
  }

  /** A tensor's values in the order of the folder. */
  static FloatBuffer folderValues(Parameters parameters, Segment segment) {
    FloatBuffer store = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    while (store.hasRemaining()) {
      store.put(parameters.read(segment, store.position()));
    }
    FloatBuffer folder = FloatBuffer.allocate(store.capacity());
    segment.layout().toFolder(store.flip(), folder);
    return folder.flip();
  }

  /**
   * Fills every weight with noise, for benchmarks: norms 1, biases 0, matrices from a short cycle.
   */
  public static void randomize(Model model, long seed) {
    Parameters parameters = model.parameters();
    for (Segment segment : parameters.segments()) {
      if (segment.shape().length == 2) {
        Initializer.cycle(parameters, segment, model.initializerRange(), seed);
      } else {
        Initializer.constant(parameters, segment, segment.name().endsWith(".weight") ? 1f : 0f);
      }
    }
    parameters.initializeMagnitudes();
  }

  private static boolean fits(TensorInfo info, Segment segment) {
    return Arrays.equals(info.shape(), segment.shape());
  }

  /** The name under which a folder holds a tensor; null: none. */
  private static String find(WeightSource source, String name, Model model, String wrapper) {
    for (String each : List.of(name, model.sharedName(name))) {
      for (String spelling : spellings(each, model, wrapper)) {
        if (source.names().contains(spelling)) {
          return spelling;
        }
      }
    }
    return null;
  }

  /** What a tensor may be called: by its own name, without the body's, or by an old one. */
  private static Set<String> spellings(String name, Model model, String wrapper) {
    String bodyPrefix = model.bodyPrefix();
    String bare = name.startsWith(bodyPrefix) ? name.substring(bodyPrefix.length()) : name;
    Set<String> spellings = new LinkedHashSet<>();
    for (String known : List.of(model.storedName(name), name, bare)) {
      spellings.add(wrapper + known);
      // TensorFlow's names, in folders converted before 2020.
      spellings.add(
          wrapper
              + known
                  .replace("LayerNorm.weight", "LayerNorm.gamma")
                  .replace("LayerNorm.bias", "LayerNorm.beta"));
    }
    return spellings;
  }

  /** A tensor that is there under two names, and differs: nobody knows which is meant. */
  private static void checkOnce(
      Path folder,
      WeightSource source,
      String found,
      Segment segment,
      Model model,
      String wrapper) {
    if (found == null) {
      return;
    }
    for (String other : spellings(segment.name(), model, wrapper)) {
      if (!other.equals(found)
          && source.names().contains(other)
          && !source.holdsSame(found, other)) {
        throw new InputException(
            folder
                + ": the weights hold "
                + found
                + " and "
                + other
                + ", which mean the same and differ; take one of the two out");
      }
    }
  }

  /** A name that begins otherwise is said with what to take off; else what stands in its place. */
  private static String missing(WeightSource source, Segment segment, Model model) {
    String lack =
        "the weights lack the tensor " + segment.name() + " " + Arrays.toString(segment.shape());
    Set<String> ours = new HashSet<>();
    for (Segment each : model.parameters().segments()) {
      ours.add(each.name());
      ours.add(model.storedName(each.name()));
    }
    String beside = "";
    for (String known : List.of(model.storedName(segment.name()), segment.name())) {
      String place = module(module(known)) + ".";
      for (String name : source.names()) {
        if (name.endsWith("." + known)) {
          String before = name.substring(0, name.length() - known.length());
          return lack
              + "; they hold it as "
              + name
              + ". Take '"
              + before
              + "' off the names that begin with it";
        }
        if (beside.isEmpty() && name.startsWith(place) && !ours.contains(name)) {
          beside = ", which hold " + name;
        }
      }
    }
    String tied =
        LAST_OF_VOCABULARY.contains(segment.name())
            ? "; if the model has its word embedding in that place too, it is to say"
                + " 'tie_word_embeddings': true"
            : "";
    return lack + "; config.json does not describe these weights" + beside + tied;
  }

  private static String misfit(TensorInfo info, Segment segment) {
    return "tensor "
        + info.name()
        + " has shape "
        + Arrays.toString(info.shape())
        + ", config.json asks for "
        + Arrays.toString(segment.shape());
  }

  /** Writes a model's weights as model.safetensors, f32. */
  public static void write(Path file, Model model) throws IOException {
    write(file, model, "F32");
  }

  /**
   * The same, under the names that the model's class in Transformers has.
   *
   * @param dtype {@code F32}, {@code BF16} or {@code F16}
   */
  public static void write(Path file, Model model, String dtype) throws IOException {
    Parameters parameters = model.parameters();
    SafetensorsWriter writer = new SafetensorsWriter();
    for (Segment segment : parameters.segments()) {
      if (!LoraConfig.isAdapter(segment.name())) {
        String name = model.storedName(model.savedName(segment.name()));
        writer.add(name, dtype, segment.shape(), chunks(parameters, segment));
      }
    }
    writer.write(file);
  }
}
