package dev.attune.store;

import java.util.ArrayList;
import java.util.List;

/**
 * The weight of a product with its bias and its low-rank adapters. It may stand for several Hugging
 * Face modules that one product serves; each has an adapter of its own.
 *
 * @param parts the modules, one below the other, with adapter or without
 * @param weight W (F,C)
 * @param bias (F), or null
 * @param lora of the adapters; null where the builder had none to give
 * @param decomposition of weight-decomposed adapters, else null
 * @param firstRow of the weight in that which was declared
 * @param number of the product that was declared, in the order of the model
 */
public record AdaptedWeight(
    List<Part> parts,
    Parameter weight,
    Parameter bias,
    List<Adapter> adapters,
    LoraConfig lora,
    Decomposition decomposition,
    long firstRow,
    int number) {
  /**
   * Declares the weight of several modules, one below the other, their biases, and adapters for
   * those that the builder's {@link LoraConfig} targets.
   *
   * @param modules names without ".weight", and rows
   * @param cols C
   * @param layout of the weight in the folder; of several modules only PLAIN
   */
  public static AdaptedWeight declare(
      ParameterBuilder builder, List<Part> modules, long cols, boolean bias, Layout layout) {
    Parameter weight = builder.stacked(named(modules, ".weight"), cols, layout);
    Layout ofRows = layout instanceof Layout.Interleaved heads ? heads : Layout.PLAIN;
    Parameter biases =
        bias ? builder.stackedVectors(named(modules, ".bias"), withCols(ofRows, 1)) : null;
    return adapted(builder, modules, weight, biases, ofRows);
  }

  /**
   * Declares the adapter of a product over a vocabulary, whose weight is there already: it may be
   * the word embedding's too.
   *
   * @param module name of the product without ".weight"
   * @param bias (V), or null
   */
  public static AdaptedWeight over(
      ParameterBuilder builder, String module, Parameter weight, Parameter bias) {
    List<Part> parts = List.of(new Part(module, weight.rows()));
    if (builder.adaptsByName(module)) {
      return adapted(builder, parts, weight, bias, Layout.PLAIN);
    }
    int number = builder.note(new AdapterSet(weight, parts, List.of(), builder.lora()));
    return new AdaptedWeight(parts, weight, bias, List.of(), builder.lora(), null, 0, number);
  }

  private static AdaptedWeight adapted(
      ParameterBuilder builder,
      List<Part> modules,
      Parameter weight,
      Parameter biases,
      Layout ofRows) {
    long cols = weight.cols();
    LoraConfig lora = builder.lora();
    List<Adapter> adapters = new ArrayList<>();
    long column = 0;
    for (int part = 0; part < modules.size(); part++) {
      Part module = modules.get(part);
      if (builder.adapts(module.name())) {
        int R = lora.rank(module.name());
        Parameter down = builder.adapter(module.name() + LoraConfig.DOWN, R, cols, Layout.PLAIN);
        Parameter up =
            builder.adapter(module.name() + LoraConfig.UP, module.rows(), R, withCols(ofRows, R));
        Parameter magnitude =
            lora.weightDecomposed()
                ? builder.magnitude(
                    module.name() + LoraConfig.MAGNITUDE, module.rows(), withCols(ofRows, 1))
                : null;
        Parameter upBias =
            lora.beside().lowRankBiases()
                ? builder.adapterBias(
                    module.name() + LoraConfig.UP_BIAS, module.rows(), withCols(ofRows, 1))
                : null;
        float scale = lora.scale(module.name());
        adapters.add(new Adapter(down, up, upBias, magnitude, scale, part, column));
      }
      column += module.rows();
    }
    Decomposition decomposition =
        adapters.isEmpty() || !lora.weightDecomposed() ? null : builder.decompose(weight, adapters);
    int number =
        builder.note(new AdapterSet(weight, List.copyOf(modules), List.copyOf(adapters), lora));
    return new AdaptedWeight(
        List.copyOf(modules),
        weight,
        biases,
        List.copyOf(adapters),
        lora,
        decomposition,
        0,
        number);
  }

  /**
   * The same weight with the adapters of each job of the pass that runs: see {@link
   * Parameters#serve}.
   */
  public List<AdaptedWeight> ofGuests() {
    return weight.guests().stream()
        .map(
            guest ->
                new AdaptedWeight(
                    parts,
                    weight,
                    bias,
                    adaptersIn(guest),
                    guest.adapters(number).lora(),
                    null,
                    firstRow,
                    number))
        .toList();
  }

  /** The adapters that another store of the same base has for this product. */
  public List<Adapter> adaptersIn(Parameters other) {
    AdapterSet its = other.adapters(number);
    boolean isWhole = firstRow == 0 && rows() == its.weight().rows();
    return isWhole ? its.adapters() : its.columns(firstRow, firstRow + rows());
  }

  private static List<Part> named(List<Part> modules, String suffix) {
    return modules.stream().map(part -> new Part(part.name() + suffix, part.rows())).toList();
  }

  private static Layout withCols(Layout layout, int cols) {
    return layout instanceof Layout.Interleaved heads ? heads.withCols(cols) : layout;
  }

  /**
   * What makes the columns {@code begin..end} of the product, sharing values and gradients. An
   * adapter of a module that is cut serves both sides.
   */
  public AdaptedWeight columns(long begin, long end) {
    List<Part> within = new ArrayList<>();
    long column = 0;
    for (Part module : parts) {
      long rows = Math.min(end, column + module.rows()) - Math.max(begin, column);
      if (rows > 0) {
        within.add(new Part(module.name(), rows));
      }
      column += module.rows();
    }
    List<Adapter> narrowed = new AdapterSet(weight, parts, adapters, lora).columns(begin, end);
    return new AdaptedWeight(
        within,
        weight.slice(begin, end),
        bias == null ? null : bias.slice(begin, end),
        narrowed,
        lora,
        narrowed.isEmpty() ? null : decomposition,
        firstRow + begin,
        number);
  }

  /** F. */
  public long rows() {
    return weight.rows();
  }

  /** C. */
  public long cols() {
    return weight.cols();
  }

  /** Address of the bias, 0 where there is none. */
  public long biasAddress() {
    return bias == null ? 0 : bias.address();
  }

  /** Whether a bias that is trained stands on a weight that is not. */
  public boolean trainsBiasAlone() {
    return bias != null && bias.trainable() && !weight.trainable();
  }

  /** Whether a gradient is wanted for the bias of a module here. */
  public boolean trainsBias(Part module) {
    return lora == null || lora.saves(module.name()) || lora.trainsBias(module.name());
  }

  /** Whether a gradient is wanted for anything here. */
  public boolean trainable() {
    return weight.trainable() || !adapters.isEmpty() || (bias != null && bias.trainable());
  }
}
