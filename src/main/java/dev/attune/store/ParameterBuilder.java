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
  private final List<Parameter> declared = new ArrayList<>();
  private final List<Decomposition> decompositions = new ArrayList<>();
  private boolean built;
  private LoraConfig lora;
  private DType frozenAs;
  private DType productsFrozenAs;
  private String adapterFolder;
  private final Set<String> modules = new LinkedHashSet<>();

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
   * @param products how the weights of products are held: the same, or NF4 or INT8
   */
  public void freeze(DType matrices, DType products) {
    this.frozenAs = matrices;
    this.productsFrozenAs = products;
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

  /** Whether a projection of this module gets an adapter. */
  boolean adapts(String module) {
    if (lora == null) {
      return false;
    }
    modules.add(module);
    return lora.targets(module);
  }

  /**
   * Checks, once everything is declared, that every target matched a module.
   *
   * @throws InputException naming those that did not, and what there is
   */
  public void checkTargets() {
    if (lora == null) {
      return;
    }
    for (String target : lora.targets()) {
      if (modules.stream().noneMatch(module -> LoraConfig.matches(target, module))) {
        String has =
            modules.stream().map(LoraConfig::suffix).distinct().collect(Collectors.joining(", "));
        throw new InputException(
            adapterFolder == null
                ? Term.LORA_TARGETS
                    + ": '"
                    + target
                    + "' matches no product of this model; it has "
                    + has
                : adapterFolder
                    + ": target_modules names '"
                    + target
                    + "', which is no product that can be adapted in this base model; it has "
                    + has);
      }
    }
  }

  /** A weight matrix (rows, cols) that decays. */
  public Parameter matrix(String name, long rows, long cols) {
    return declare(List.of(new Part(name, rows)), cols, Layout.PLAIN, true, false, true, frozenAs);
  }

  /**
   * Weights of equal width, one below the other, of one product.
   *
   * @param layout in the folder; of several matrices only PLAIN
   */
  Parameter stacked(List<Part> parts, long cols, Layout layout) {
    Check.argument(
        layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
    return declare(
        parts, cols, layout, true, false, true, frozenAs == null ? null : productsFrozenAs);
  }

  /** A matrix of an adapter: always trained. */
  Parameter adapter(String name, long rows, long cols, Layout layout) {
    return asNew(
        () -> declare(List.of(new Part(name, rows)), cols, layout, true, false, true, null));
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
    Decomposition decomposition = new Decomposition(weight, adapters, lora.scale());
    decompositions.add(decomposition);
    return decomposition;
  }

  /** A vector that does not decay: a bias, a norm's weight. */
  public Parameter vector(String name, long count) {
    return stackedVectors(List.of(new Part(name, count)), Layout.PLAIN);
  }

  /** Vectors, one after the other; the layout as of {@link #stacked}. */
  Parameter stackedVectors(List<Part> parts, Layout layout) {
    Check.argument(
        layout == Layout.PLAIN || parts.size() == 1, "a layout of several tensors: %s", parts);
    return declare(parts, 1, layout, false, false, false, frozenAs);
  }

  /** The word embedding (V, C): decays, and is updated by row. At most one. */
  public Parameter wordEmbedding(String name, long vocabulary, long width) {
    for (Parameter other : declared) {
      Check.argument(
          !other.declaration().rowSparse(), "two word embeddings: %s and %s", other.name(), name);
    }
    return declare(
        List.of(new Part(name, vocabulary)),
        width,
        Layout.PLAIN,
        true,
        frozenAs == null,
        true,
        frozenAs);
  }

  private Parameter declare(
      List<Part> parts,
      long cols,
      Layout layout,
      boolean decays,
      boolean rowSparse,
      boolean isMatrix,
      DType heldAs) {
    Check.state(!built, "%s is declared after the parameters were built", parts.get(0).name());
    Parameter parameter =
        new Parameter(
            new Declaration(List.copyOf(parts), cols, layout, decays, rowSparse, isMatrix, heldAs));
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
    return new Parameters(backend, declared, decompositions);
  }
}
