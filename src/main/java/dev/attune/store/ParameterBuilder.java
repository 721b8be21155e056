package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Declares parameters in the order of the model; {@link #build} lays them out. What a declaration
 * returns is the parameter itself: its shape is known at once, its values have a place from {@link
 * #build} on.
 */
public final class ParameterBuilder {
  private static final String MERGE_IN_PEFT =
      "Merge it with its base in PEFT (merge_and_unload), and use the model that this makes";

  private final List<Parameter> declared = new ArrayList<>();
  private final List<Decomposition> decompositions = new ArrayList<>();
  private final List<AdapterSet> products = new ArrayList<>();
  private Parameters lender; // null: frozen weights are the model's own
  private boolean isRun = true;
  private boolean built;
  private LoraConfig lora;
  private DType frozenAs;
  private DType productsFrozenAs;
  private String adapterFolder;
  private boolean merges;
  private boolean goesOn;
  private Freezing freezing = Freezing.NOTHING;
  private Depth depth = Depth.NOWHERE;
  private final Set<String> modules = new LinkedHashSet<>();
  private final Set<String> adapted = new LinkedHashSet<>();
  private final Set<String> byName = new LinkedHashSet<>();

  /** Gives the projections that are declared from here on adapters; null: none. */
  public void adapt(LoraConfig config) {
    this.lora = config;
  }

  /**
   * The same for adapters that are there already.
   *
   * @param folder where they are, for messages
   */
  public void adapt(LoraConfig config, String folder) {
    this.lora = config;
    this.adapterFolder = folder;
  }

  /**
   * Freezes what is declared from here on.
   *
   * @param matrices how embeddings are held: F32 or BF16 (vectors stay F32); null: not frozen
   * @param products how the weights of products are held: the same, or NF4 or INT8; CHANNEL_INT8:
   *     those of the layers, while all others are held as matrices are
   */
  public void freeze(DType matrices, DType products) {
    this.frozenAs = matrices;
    this.productsFrozenAs = products;
  }

  /**
   * Takes what is frozen from the store of a model of the same base, which holds it in the same way
   * and is closed later: the model that is declared has memory for what is its own alone.
   *
   * @param isRun whether the model runs passes of its own; else its adapters are for passes of the
   *     other one ({@link dev.attune.tape.RowGroup})
   */
  public void borrow(Parameters base, boolean isRun) {
    this.lender = base;
    this.isRun = isRun;
  }

  /** Whether the model runs passes. */
  public boolean isRun() {
    return isRun;
  }

  /** Freezes parts of what is declared from here on, in f32. */
  public void freeze(Freezing parts) {
    this.freezing = parts;
  }

  /** Whether all that is declared there keeps its weights. */
  public boolean keeps(Depth place) {
    return freezing.covers(place);
  }

  /** Says where in the model stands what is declared from here on. */
  public void at(Depth place) {
    this.depth = place;
  }

  /** Says whether what is declared from here on, on the layers, is outside the base model. */
  public void isHead(boolean outside) {
    this.depth = Depth.above(depth.layers(), outside);
  }

  /**
   * Declares parameters of a head. Beside adapters that are begun they are new: trained, and not
   * adapted. Beside adapters that are there, these say what they are; they stay in f32.
   */
  public <T> T asHead(Supplier<T> declaration) {
    if (adapterFolder == null) {
      return asNew(declaration);
    }
    DType outer = frozenAs;
    DType outerProducts = productsFrozenAs;
    if (frozenAs != null) {
      freeze(DType.F32, DType.F32);
    }
    T declaredHead = declaration.get();
    freeze(outer, outerProducts);
    return declaredHead;
  }

  /** Declares parameters that are new: trained, and not adapted. */
  public <T> T asNew(Supplier<T> declaration) {
    LoraConfig outerLora = lora;
    DType outerFrozen = frozenAs;
    lora = null;
    frozenAs = null;
    T declaredNew = declaration.get();
    lora = outerLora;
    frozenAs = outerFrozen;
    return declaredNew;
  }

  /** The adapters that projections get, or null. */
  public LoraConfig lora() {
    return lora;
  }

  /** Whether a product gets an adapter. */
  boolean adapts(String module) {
    if (lora == null) {
      return false;
    }
    modules.add(module);
    if (byName.contains(module)) {
      return true;
    }
    return lora.targets(module) && note(module);
  }

  /** Whether a module gets an adapter that does not unless it is named. */
  boolean adaptsByName(String module) {
    if (lora == null || !lora.targetsByName(module)) {
      return false;
    }
    if (lora.weightDecomposed()) {
      throw new InputException(
          (adapterFolder == null ? Term.USE_DORA : adapterFolder + ": use_dora")
              + " on "
              + module
              + " is not supported: weight-decomposed adapters are of the products of layers alone."
              + " "
              + (adapterFolder == null
                  ? "Train it whole, which "
                      + Term.LORA_MODULES_TO_SAVE.of(LoraConfig.suffix(module))
                      + " does, or leave it out of "
                      + Term.LORA_TARGETS
                  : MERGE_IN_PEFT));
    }
    if (lora.beside().lowRankBiases()) {
      throw new InputException(
          adapterFolder
              + ": lora_bias on "
              + module
              + " is not supported: biases of adapters are of the products of layers alone. "
              + MERGE_IN_PEFT);
    }
    byName.add(module);
    return note(module);
  }

  /** Notes the adapters of a product; returns its number, in the order of the model. */
  int note(AdapterSet product) {
    products.add(product);
    return products.size() - 1;
  }

  private boolean note(String module) {
    adapted.add(module);
    return true;
  }

  /**
   * Whether the last product of a language model has a weight of its own though the config says
   * that it shares the word embedding: as in PEFT, to train one of them whole parts them.
   *
   * @param word name of the word embedding's module
   * @param last of the last product's
   */
  public boolean separates(String word, String last) {
    if (lora == null) {
      return false;
    }
    boolean trainsOne = lora.saves(word) || lora.saves(last);
    boolean mergesOne = merges && (lora.targetsByName(word) || lora.targetsByName(last));
    return trainsOne && !lora.beside().keepsTied() || mergesOne;
  }

  /**
   * Says that the adapters are of a run that goes on as it was begun: what was asked for and is not
   * there did no harm so far.
   */
  public void goOn() {
    this.goesOn = true;
  }

  /** Says that adapters are to become part of their weights: those two cannot share one. */
  public void forMerge() {
    this.merges = true;
  }

  /**
   * Checks, once everything is declared, that the layers that are to be frozen are there, and that
   * the targets of adapters matched modules: every one that is named for adapters that are begun;
   * any, for those that are there, whose tensors say the rest.
   *
   * @throws InputException naming those that did not, and what there is
   */
  public void checkTargets() {
    freezing.check(depth.layers());
    if (lora == null) {
      return;
    }
    String has =
        modules.stream().map(LoraConfig::suffix).distinct().collect(Collectors.joining(", "));
    if (adapterFolder == null && !goesOn) {
      new LoraCheck(lora, modules, adapted, declared).run(has);
    }
    if (adapted.isEmpty()) {
      throw new InputException(
          adapterFolder == null
              ? Term.LORA_TARGETS + ": no product of this model is meant; it has " + has
              : adapterFolder
                  + ": target_modules names no product of this base model; it has "
                  + has);
    }
  }

  /** A weight matrix (rows, cols) that decays. */
  public Parameter matrix(String name, long rows, long cols) {
    List<Part> parts = List.of(new Part(name, rows));
    List<Integer> trained = trainedRows().of(name, rows, false);
    DType heldAs = trained == null ? held(parts, frozenAs) : null;
    return declare(parts, cols, Layout.PLAIN, true, false, true, heldAs, trained);
  }

  /**
   * Weights of equal width, one below the other, of one product.
   *
   * @param layout in the folder; of several matrices only PLAIN
   */
  Parameter stacked(List<Part> parts, long cols, Layout layout) {
    Check.argument(
        layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
    List<Integer> trained = trainedRows().ofProduct(parts, layout);
    boolean isApart = productsFrozenAs == DType.CHANNEL_INT8 && !depth.isOfLayer();
    DType frozen = frozenAs == null || isApart ? frozenAs : productsFrozenAs;
    DType heldAs = trained == null ? held(parts, frozen) : null;
    return declare(parts, cols, layout, true, false, true, heldAs, trained);
  }

  private TrainedRows trainedRows() {
    return new TrainedRows(lora, adapterFolder);
  }

  /** How tensors are held: as the others, or null where their modules are trained whole. */
  private DType held(List<Part> tensors, DType otherwise) {
    if (otherwise == null || lora == null) {
      return otherwise;
    }
    List<String> names = tensors.stream().map(Part::module).toList();
    List<String> saved = names.stream().filter(lora::saves).toList();
    if (adapterFolder == null && !saved.isEmpty() && saved.size() < names.size()) {
      throw new InputException(
          Term.LORA_MODULES_TO_SAVE
              + " names "
              + saved.get(0)
              + ", which is computed in one product with its neighbours; name all of "
              + String.join(", ", names));
    }
    return saved.isEmpty() ? otherwise : null;
  }

  /** A matrix of an adapter: always trained. */
  Parameter adapter(String name, long rows, long cols, Layout layout) {
    return asNew(
        () -> declare(List.of(new Part(name, rows)), cols, layout, true, false, true, null));
  }

  /**
   * Declares the adapter of a table (V,C), whose lookups {@code A[ids]} B multiplies: A is (V,R)
   * here.
   *
   * @param module name of the table without ".weight"
   * @return null where it gets none
   */
  public Adapter tableAdapter(String module, long rows, long cols) {
    if (!adaptsByName(module)) {
      return null;
    }
    int R = lora.rank(module);
    Parameter down =
        adapter(module + LoraConfig.TABLE_DOWN, rows, R, new Layout.Transposed((int) rows, R));
    Parameter up = adapter(module + LoraConfig.TABLE_UP, cols, R, Layout.PLAIN);
    return new Adapter(down, up, null, null, lora.scale(module), 0, 0);
  }

  /** The bias of an adapter's B: always trained, and like all biases it does not decay. */
  Parameter adapterBias(String name, long count, Layout layout) {
    return asNew(
        () -> declare(List.of(new Part(name, count)), 1, layout, false, false, false, null));
  }

  /**
   * The magnitudes of a module's rows: always trained. They decay, as Transformers has it, which
   * excepts biases and norms alone.
   */
  Parameter magnitude(String name, long count, Layout layout) {
    return asNew(
        () -> declare(List.of(new Part(name, count)), 1, layout, true, false, false, null));
  }

  /**
   * Declares that adapters of a weight are weight-decomposed.
   *
   * @param adapters of its modules, each with magnitudes
   */
  Decomposition decompose(Parameter weight, List<Adapter> adapters) {
    Decomposition decomposition = new Decomposition(weight, adapters);
    decompositions.add(decomposition);
    return decomposition;
  }

  /** A vector that does not decay: a bias, a norm's weight. */
  public Parameter vector(String name, long count) {
    return stackedVectors(List.of(new Part(name, count)), Layout.PLAIN);
  }

  /**
   * Vectors, one after the other; the layout as of {@link #stacked}. Where some of them are trained
   * biases, the gradients of the others are to stay zero.
   */
  Parameter stackedVectors(List<Part> parts, Layout layout) {
    Check.argument(
        layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
    boolean trains = lora != null && parts.stream().anyMatch(lora::trainsBias);
    return declare(parts, 1, layout, false, false, false, trains ? null : held(parts, frozenAs));
  }

  /** The word embedding (V, C): decays, and is updated by row. At most one. */
  public Parameter wordEmbedding(String name, long vocabulary, long width) {
    return wordEmbedding(name, vocabulary, width, false);
  }

  /**
   * The same.
   *
   * @param isShared whether a product has the same weight, whose gradient reaches every row
   */
  public Parameter wordEmbedding(String name, long vocabulary, long width, boolean isShared) {
    for (Parameter other : declared) {
      Check.argument(
          !other.declaration().rowSparse(), "two word embeddings: %s and %s", other.name(), name);
    }
    List<Part> parts = List.of(new Part(name, vocabulary));
    List<Integer> trained = trainedRows().of(name, vocabulary, true);
    DType heldAs = trained == null ? held(parts, frozenAs) : null;
    boolean isSparse = heldAs == null && trained == null && !isShared;
    return declare(parts, width, Layout.PLAIN, true, isSparse, true, heldAs, trained);
  }

  private Parameter declare(
      List<Part> parts,
      long cols,
      Layout layout,
      boolean decays,
      boolean rowSparse,
      boolean isMatrix,
      DType heldAs) {
    return declare(parts, cols, layout, decays, rowSparse, isMatrix, heldAs, null);
  }

  private Parameter declare(
      List<Part> parts,
      long cols,
      Layout layout,
      boolean decays,
      boolean rowSparse,
      boolean isMatrix,
      DType heldAs,
      List<Integer> trainedRows) {
    Check.state(!built, "%s is declared after the parameters were built", parts.get(0).name());
    DType frozen = heldAs == null && freezing.covers(depth) ? DType.F32 : heldAs;
    Parameter parameter =
        new Parameter(
            new Declaration(
                List.copyOf(parts),
                cols,
                layout,
                decays,
                rowSparse && frozen == null,
                isMatrix,
                frozen,
                trainedRows,
                depth));
    declared.add(parameter);
    return parameter;
  }

  /**
   * Lays the parameters out, allocates the weights (zeroed) and gives every parameter its place.
   * Once only.
   *
   * @throws InputException if a weight that is to be held in few bits has a width they do not allow
   */
  public Parameters build(Backend backend) {
    Check.state(!built, "the parameters are built already");
    built = true;
    return new Parameters(backend, declared, decompositions, products, lender);
  }
}
