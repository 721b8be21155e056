package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.LoraCall;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.ParameterBuilder.Decomposed;
import dev.attune.store.ParameterBuilder.Part;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * The weight of a product with its bias and its low-rank adapters (Hu et al., LoRA, 2021): what the
 * ops that multiply by weights have in common. It may stand for several Hugging Face modules that
 * one product serves; each has an adapter of its own.
 *
 * <p>{@code out = inp W^T + bias + sum over adapters of scale (dropout(inp) A^T) B^T}, the sum
 * added to the columns of the adapter's module; where adapters are weight-decomposed, as {@link
 * Dora} says.
 */
public final class Projection {
  private static final long[] NONE = {};

  /** Handles of an adapter until the parameters are built. */
  private record Declared(int down, int up, int magnitude, int part, long firstColumn) {}

  /**
   * @param down A (R,C)
   * @param up B (columns,R)
   * @param magnitude (columns) of a weight-decomposed adapter, else null
   * @param part which module it belongs to
   */
  record Adapter(Parameter down, Parameter up, Parameter magnitude, int part, long firstColumn) {
    long rank() {
      return down.rows();
    }

    /** The part of it that adds to the columns {@code begin..end}, counted from there. */
    Adapter columns(long begin, long end, int firstPart) {
      long first = Math.max(begin, firstColumn) - firstColumn;
      long last = Math.min(end, firstColumn + up.rows()) - firstColumn;
      return new Adapter(
          down,
          up.slice(first, last),
          magnitude == null ? null : magnitude.slice(first, last),
          part - firstPart,
          firstColumn + first - begin);
    }

    /** Adds {@code scale low B^T} to its columns of {@code out (N,F)}. */
    void addTo(Tape tape, long out, long low, long N, long F, float scale, DType dtype) {
      tape.backend()
          .run(
              new LoraCall.Forward(
                  out + firstColumn * dtype.sizeBytes(),
                  low,
                  up.address(),
                  N,
                  up.rows(),
                  rank(),
                  F,
                  rank(),
                  scale,
                  dtype));
    }

    /**
     * Gradients of A and B from that of {@link #addTo}'s out.
     *
     * @param low (N,R); freed
     * @param inp (N,C), what A multiplied
     * @return the gradient of low, a new block
     */
    long backward(
        Tape tape, long dout, long low, long inp, long N, long F, float scale, DType dtype) {
      long R = rank();
      long dlow = tape.allocate(N * R * dtype.sizeBytes());
      tape.backend()
          .run(
              new LoraCall.Backward(
                  dlow,
                  up.gradient(),
                  dout + firstColumn * dtype.sizeBytes(),
                  low,
                  up.address(),
                  N,
                  up.rows(),
                  R,
                  F,
                  R,
                  scale,
                  up.accumulate(),
                  dtype));
      tape.backend()
          .run(
              new LinearCall.BackwardWeight(
                  down.gradient(), 0, dlow, inp, N, down.cols(), R, down.accumulate(), dtype));
      tape.free(low);
      return dlow;
    }
  }

  /**
   * What a forward leaves for its backward.
   *
   * @param lows blocks (N,R) of {@code dropout(inp) A^T}, one per adapter; backward replaces them
   *     by their gradients
   * @param product of weight-decomposed adapters: what is multiplied by the gain (N,F), which
   *     backward replaces likewise; else 0
   * @param stream first random stream of the adapters' dropout
   */
  record Saved(long[] lows, long product, long stream) {}

  private final List<Part> parts;
  private final int weightHandle;
  private final int biasHandle;
  private final List<Declared> declared;
  private final LoraConfig lora;
  private final int decompositionHandle;
  private Parameter weight;
  private Parameter bias;
  private List<Adapter> adapters = List.of();
  private Dora dora; // null where adapters are not weight-decomposed, or are none

  private Projection(
      List<Part> parts,
      int weightHandle,
      int biasHandle,
      List<Declared> declared,
      int decompositionHandle,
      LoraConfig lora) {
    this.parts = parts;
    this.weightHandle = weightHandle;
    this.biasHandle = biasHandle;
    this.declared = declared;
    this.decompositionHandle = decompositionHandle;
    this.lora = lora;
  }

  /**
   * Declares a projection of one module.
   *
   * @param module Hugging Face name, without ".weight"
   * @param rows F
   * @param cols C
   */
  public static Projection declare(
      ParameterBuilder builder, String module, long rows, long cols, boolean bias) {
    return declare(builder, List.of(new Part(module, rows)), cols, bias, Layout.PLAIN);
  }

  /**
   * Declares a projection of several modules, one below the other. Adapters are declared for those
   * that the builder's {@link LoraConfig} targets.
   *
   * @param modules names without ".weight", and rows
   * @param cols C
   * @param layout of the weight in the folder; of several modules only PLAIN
   */
  public static Projection declare(
      ParameterBuilder builder, List<Part> modules, long cols, boolean bias, Layout layout) {
    int weight = builder.stacked(named(modules, ".weight"), cols, layout);
    Layout ofRows = layout instanceof Layout.Interleaved heads ? heads : Layout.PLAIN;
    int biasHandle =
        bias ? builder.stackedVectors(named(modules, ".bias"), withCols(ofRows, 1)) : -1;
    LoraConfig lora = builder.lora();
    List<Declared> adapters = new ArrayList<>();
    long column = 0;
    for (int part = 0; part < modules.size(); part++) {
      Part module = modules.get(part);
      if (builder.adapts(module.name())) {
        int down =
            builder.adapter(module.name() + LoraConfig.DOWN, lora.rank(), cols, Layout.PLAIN);
        int up =
            builder.adapter(
                module.name() + LoraConfig.UP,
                module.rows(),
                lora.rank(),
                withCols(ofRows, lora.rank()));
        int magnitude =
            lora.weightDecomposed()
                ? builder.magnitude(
                    module.name() + LoraConfig.MAGNITUDE, module.rows(), withCols(ofRows, 1))
                : -1;
        adapters.add(new Declared(down, up, magnitude, part, column));
      }
      column += module.rows();
    }
    int decomposition =
        adapters.isEmpty() || !lora.weightDecomposed()
            ? -1
            : builder.decompose(
                weight,
                adapters.stream()
                    .map(d -> new Decomposed(d.down, d.up, d.magnitude, d.firstColumn))
                    .toList());
    return new Projection(modules, weight, biasHandle, adapters, decomposition, lora);
  }

  private static List<Part> named(List<Part> modules, String suffix) {
    return modules.stream().map(part -> new Part(part.name() + suffix, part.rows())).toList();
  }

  private static Layout withCols(Layout layout, int cols) {
    return layout instanceof Layout.Interleaved heads ? heads.withCols(cols) : layout;
  }

  /** To be called once the parameters are built. */
  public void bind(Parameters parameters) {
    weight = parameters.get(weightHandle);
    bias = biasHandle < 0 ? null : parameters.get(biasHandle);
    adapters =
        declared.stream()
            .map(
                d ->
                    new Adapter(
                        parameters.get(d.down),
                        parameters.get(d.up),
                        d.magnitude < 0 ? null : parameters.get(d.magnitude),
                        d.part,
                        d.firstColumn))
            .toList();
    if (decompositionHandle >= 0) {
      dora =
          new Dora(
              parts,
              weight,
              bias,
              adapters,
              lora,
              parameters.decomposition(decompositionHandle),
              0);
    }
  }

  /**
   * The columns {@code begin..end} of the product alone, sharing values and gradients. An adapter
   * of a module that is cut serves both sides, each with a dropout mask of its own.
   */
  public Projection columns(long begin, long end) {
    List<Part> within = new ArrayList<>();
    int firstPart = 0;
    long column = 0;
    for (int part = 0; part < parts.size(); part++) {
      Part module = parts.get(part);
      long rows = Math.min(end, column + module.rows()) - Math.max(begin, column);
      if (rows > 0) {
        firstPart = within.isEmpty() ? part : firstPart;
        within.add(new Part(module.name(), rows));
      }
      column += module.rows();
    }
    int shift = firstPart;
    Projection narrowed = new Projection(within, -1, -1, List.of(), -1, lora);
    narrowed.weight = weight.slice(begin, end);
    narrowed.bias = bias == null ? null : bias.slice(begin, end);
    narrowed.adapters =
        adapters.stream()
            .filter(a -> a.firstColumn < end && a.firstColumn + a.up.rows() > begin)
            .map(a -> a.columns(begin, end, shift))
            .toList();
    if (dora != null && narrowed.hasAdapters()) {
      narrowed.dora =
          dora.rows(narrowed.parts, narrowed.weight, narrowed.bias, narrowed.adapters, begin);
    }
    return narrowed;
  }

  /** F. */
  public long rows() {
    return weight.rows();
  }

  /** C. */
  public long cols() {
    return weight.cols();
  }

  /** W (F,C). */
  public Parameter weight() {
    return weight;
  }

  /** Whether a gradient is wanted for anything here. */
  public boolean trainable() {
    return weight.trainable() || !adapters.isEmpty() || (bias != null && bias.trainable());
  }

  boolean hasAdapters() {
    return !adapters.isEmpty();
  }

  void checkInput(long cols) {
    Check.argument(
        weight.cols() == cols,
        "%s is (%d, %d), its input has %d columns",
        weight.name(),
        weight.rows(),
        weight.cols(),
        cols);
  }

  /**
   * {@code out (N,F) = act(pre)}, {@code pre = inp (N,C) W^T + bias + adapters}.
   *
   * @param pre receives the pre-activation; may be 0
   * @param needsInputGradient for the count of FLOPs
   */
  Saved forward(
      Tape tape,
      long out,
      long pre,
      long inp,
      long N,
      Activation activation,
      DType dtype,
      boolean needsInputGradient) {
    countFlops(tape, N, needsInputGradient);
    if (adapters.isEmpty()) {
      product(tape, out, pre, inp, weight, biasAddress(), N, activation, dtype);
      return new Saved(NONE, 0, 0);
    }
    long sum = pre == 0 ? out : pre;
    Saved saved =
        dora == null
            ? forwardAdapters(tape, sum, inp, N, dtype)
            : dora.forward(tape, sum, inp, N, dtype);
    if (activation != Activation.NONE) {
      tape.backend().run(new ActivationCall.Forward(out, sum, N * rows(), activation, dtype));
    }
    return saved;
  }

  private Saved forwardAdapters(Tape tape, long out, long inp, long N, DType dtype) {
    product(tape, out, inp, weight, biasAddress(), N, dtype);
    Saved saved = new Saved(new long[adapters.size()], 0, tape.takeStreams(adapters.size()));
    for (int i = 0; i < adapters.size(); i++) {
      Adapter adapter = adapters.get(i);
      long low = tape.allocate(N * adapter.rank() * dtype.sizeBytes());
      long dropped = dropInput(tape, saved, i, inp, N, dtype);
      product(tape, low, dropped == 0 ? inp : dropped, adapter.down, 0, N, dtype);
      if (dropped != 0) {
        tape.free(dropped);
      }
      adapter.addTo(tape, out, low, N, rows(), lora.scale(), dtype);
      saved.lows[i] = low;
    }
    return saved;
  }

  private long biasAddress() {
    return bias == null ? 0 : bias.address();
  }

  /** The adapters' view of the input where it is another than the weight's, else 0. */
  private long dropInput(Tape tape, Saved saved, int adapter, long inp, long N, DType dtype) {
    float p = tape.dropout(lora.dropout());
    if (p == 0) {
      return 0;
    }
    long dropped = tape.allocate(N * cols() * dtype.sizeBytes());
    tape.backend()
        .run(
            new DropoutCall(
                dropped, inp, N * cols(), p, tape.seed(), saved.stream + adapter, dtype));
    return dropped;
  }

  /** {@code out (N,F) = inp (N,C) W^T + bias}; bias may be 0. */
  static void product(
      Tape tape, long out, long inp, Parameter weight, long bias, long N, DType dtype) {
    product(tape, out, 0, inp, weight, bias, N, Activation.NONE, dtype);
  }

  private static void product(
      Tape tape,
      long out,
      long pre,
      long inp,
      Parameter weight,
      long bias,
      long N,
      Activation activation,
      DType dtype) {
    tape.backend()
        .run(
            new LinearCall.Forward(
                out,
                pre,
                inp,
                weight.operand(dtype),
                bias,
                N,
                weight.cols(),
                weight.rows(),
                activation,
                dtype,
                weight.operandDtype(dtype)));
  }

  /** {@code dinp (N,C) (+)= dout (N,F) W}. */
  static void productBackward(
      Tape tape, long dinp, long dout, Parameter weight, long N, boolean accumulate, DType dtype) {
    productBackward(tape, dinp, 0, dout, weight, 0, N, Activation.NONE, accumulate, dtype);
  }

  private static void productBackward(
      Tape tape,
      long dinp,
      long actOut,
      long dout,
      Parameter weight,
      long pre,
      long N,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    tape.backend()
        .run(
            new LinearCall.BackwardInput(
                dinp,
                actOut,
                dout,
                weight.operand(dtype),
                pre,
                N,
                weight.cols(),
                weight.rows(),
                activation,
                accumulate,
                dtype,
                weight.operandDtype(dtype)));
  }

  /** Two FLOPs per multiply-add, once forward, once for each gradient that is wanted. */
  private void countFlops(Tape tape, long N, boolean needsInputGradient) {
    long product = 2 * N * cols() * rows() * (dora == null ? 1 : dora.products(tape));
    tape.countFlops(
        product, (needsInputGradient ? product : 0) + (weight.trainable() ? product : 0));
    for (Adapter adapter : adapters) {
      long low = 2 * N * adapter.rank() * (cols() + adapter.up.rows());
      tape.countFlops(low, 2 * low);
    }
  }

  /** Gradients of weight, bias and adapters, from {@code dout (N,F)} and {@code inp (N,C)}. */
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    if (dora != null) {
      dora.backwardWeight(tape, saved, dout, inp, N, dtype);
      return;
    }
    if (weight.trainable()) {
      boolean accumulate = weight.accumulate();
      if (bias != null) {
        // One flag serves both: a bias is written whenever its weight is.
        Check.state(
            bias.accumulate() == accumulate, "%s and its bias are out of step", weight.name());
      }
      tape.backend()
          .run(
              new LinearCall.BackwardWeight(
                  weight.gradient(),
                  bias == null ? 0 : bias.gradient(),
                  dout,
                  inp,
                  N,
                  cols(),
                  rows(),
                  accumulate,
                  dtype));
    }
    for (int i = 0; i < adapters.size(); i++) {
      long dropped = dropInput(tape, saved, i, inp, N, dtype);
      saved.lows[i] =
          adapters
              .get(i)
              .backward(
                  tape,
                  dout,
                  saved.lows[i],
                  dropped == 0 ? inp : dropped,
                  N,
                  rows(),
                  lora.scale(),
                  dtype);
      if (dropped != 0) {
        tape.free(dropped);
      }
    }
  }

  /**
   * {@code dinp (N,C) (+)= (dout W + adapters) .* act'(pre)}; follows {@link #backwardWeight} where
   * there are adapters.
   *
   * @param actOut receives act(pre); may be 0
   * @param pre (N,C), or 0 where no activation made the input
   */
  void backwardInput(
      Tape tape,
      Saved saved,
      long dinp,
      long actOut,
      long dout,
      long pre,
      long N,
      Activation activation,
      boolean accumulate,
      DType dtype) {
    if (adapters.isEmpty()) {
      productBackward(tape, dinp, actOut, dout, weight, pre, N, activation, accumulate, dtype);
      return;
    }
    Check.state(
        activation == Activation.NONE || !accumulate,
        "an adapter below an activation cannot add to a gradient");
    if (dora != null) {
      dora.backwardInput(tape, saved, dinp, dout, N, accumulate, dtype);
    } else {
      productBackward(tape, dinp, dout, weight, N, accumulate, dtype);
      for (int i = 0; i < adapters.size(); i++) {
        addInputGradient(tape, saved, i, dinp, N, dtype);
      }
    }
    if (activation != Activation.NONE) {
      tape.backend()
          .run(new ActivationCall.Backward(dinp, dinp, pre, N * cols(), activation, false, dtype));
      if (actOut != 0) {
        tape.backend().run(new ActivationCall.Forward(actOut, pre, N * cols(), activation, dtype));
      }
    }
  }

  private void addInputGradient(Tape tape, Saved saved, int i, long dinp, long N, DType dtype) {
    Parameter down = adapters.get(i).down;
    float p = tape.dropout(lora.dropout());
    long target = p == 0 ? dinp : tape.allocate(N * cols() * dtype.sizeBytes());
    productBackward(tape, target, saved.lows[i], down, N, p == 0, dtype);
    if (p != 0) {
      tape.backend()
          .run(
              new DropoutCall(target, target, N * cols(), p, tape.seed(), saved.stream + i, dtype));
      tape.backend().run(new CastCall(dinp, target, N * cols(), true, dtype, dtype));
      tape.free(target);
    }
  }

  void release(Tape tape, Saved saved) {
    for (long low : saved.lows) {
      tape.free(low);
    }
    if (saved.product != 0) {
      tape.free(saved.product);
    }
  }
}
