package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.tape.Layout;
import dev.attune.tape.LoraConfig;
import dev.attune.tape.Parameter;
import dev.attune.tape.Parameters;
import dev.attune.tape.Parameters.Part;
import dev.attune.tape.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * The weight of a product with its bias and its low-rank adapters (Hu et al., LoRA, 2021): what the
 * ops that multiply by weights have in common. It may stand for several Hugging Face modules that
 * one product serves; each has an adapter of its own.
 *
 * <p>{@code out = inp W^T + bias + sum over adapters of scale (dropout(inp) A^T) B^T}, the sum
 * added to the columns of the adapter's module.
 */
public final class Projection {
  private static final long[] NONE = {};

  /** Handles of an adapter until the parameters are built. */
  private record Declared(int down, int up, long firstColumn) {}

  /**
   * @param down A (R,C)
   * @param up B (columns,R)
   */
  private record Adapter(Parameter down, Parameter up, long firstColumn) {
    long rank() {
      return down.rows();
    }

    /** The part of it that adds to the columns {@code begin..end}, counted from there. */
    Adapter columns(long begin, long end) {
      long first = Math.max(begin, firstColumn);
      long last = Math.min(end, firstColumn + up.rows());
      return new Adapter(down, up.slice(first - firstColumn, last - firstColumn), first - begin);
    }
  }

  /**
   * What a forward leaves for its backward.
   *
   * @param lows blocks (N,R) of {@code dropout(inp) A^T}, one per adapter; backward replaces them
   *     by their gradients
   * @param stream first random stream of the adapters' dropout
   */
  record Saved(long[] lows, long stream) {}

  private final int weightHandle;
  private final int biasHandle;
  private final List<Declared> declared;
  private final LoraConfig lora;
  private Parameter weight;
  private Parameter bias;
  private List<Adapter> adapters = List.of();

  private Projection(int weightHandle, int biasHandle, List<Declared> declared, LoraConfig lora) {
    this.weightHandle = weightHandle;
    this.biasHandle = biasHandle;
    this.declared = declared;
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
      Parameters.Builder builder, String module, long rows, long cols, boolean bias) {
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
      Parameters.Builder builder, List<Part> modules, long cols, boolean bias, Layout layout) {
    int weight = builder.stacked(named(modules, ".weight"), cols, layout);
    Layout ofRows = layout instanceof Layout.Interleaved heads ? heads : Layout.PLAIN;
    int biasHandle =
        bias ? builder.stackedVectors(named(modules, ".bias"), withCols(ofRows, 1)) : -1;
    LoraConfig lora = builder.lora();
    List<Declared> adapters = new ArrayList<>();
    long column = 0;
    for (Part module : modules) {
      if (builder.adapts(module.name())) {
        int down =
            builder.adapter(module.name() + LoraConfig.DOWN, lora.rank(), cols, Layout.PLAIN);
        int up =
            builder.adapter(
                module.name() + LoraConfig.UP,
                module.rows(),
                lora.rank(),
                withCols(ofRows, lora.rank()));
        adapters.add(new Declared(down, up, column));
      }
      column += module.rows();
    }
    return new Projection(weight, biasHandle, adapters, lora);
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
            .map(d -> new Adapter(parameters.get(d.down), parameters.get(d.up), d.firstColumn))
            .toList();
  }

  /**
   * The columns {@code begin..end} of the product alone, sharing values and gradients. An adapter
   * of a module that is cut serves both sides, each with a dropout mask of its own.
   */
  public Projection columns(long begin, long end) {
    Projection narrowed = new Projection(-1, -1, List.of(), lora);
    narrowed.weight = weight.slice(begin, end);
    narrowed.bias = bias == null ? null : bias.slice(begin, end);
    narrowed.adapters =
        adapters.stream()
            .filter(a -> a.firstColumn < end && a.firstColumn + a.up.rows() > begin)
            .map(a -> a.columns(begin, end))
            .toList();
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
    boolean fused = adapters.isEmpty();
    long sum = fused || pre == 0 ? out : pre;
    tape.backend()
        .linearForward(
            sum,
            fused ? pre : 0,
            inp,
            weight.operand(dtype),
            bias == null ? 0 : bias.address(),
            N,
            cols(),
            rows(),
            fused ? activation : Activation.NONE,
            dtype,
            weight.operandDtype(dtype));
    countFlops(tape, N, needsInputGradient);
    if (fused) {
      return new Saved(NONE, 0);
    }
    Saved saved = new Saved(new long[adapters.size()], tape.takeStreams(adapters.size()));
    for (int i = 0; i < adapters.size(); i++) {
      Adapter adapter = adapters.get(i);
      long R = adapter.rank();
      long low = tape.allocate(N * R * dtype.sizeBytes());
      long dropped = dropInput(tape, saved, i, inp, N, dtype);
      product(tape, low, dropped == 0 ? inp : dropped, adapter.down, N, dtype);
      if (dropped != 0) {
        tape.free(dropped);
      }
      tape.backend()
          .loraForward(
              sum + adapter.firstColumn * dtype.sizeBytes(),
              low,
              adapter.up.address(),
              N,
              adapter.up.rows(),
              R,
              rows(),
              R,
              lora.scale(),
              dtype);
      saved.lows[i] = low;
    }
    if (activation != Activation.NONE) {
      tape.backend().activationForward(out, sum, N * rows(), activation, dtype);
    }
    return saved;
  }

  /** The adapters' view of the input where it is another than the weight's, else 0. */
  private long dropInput(Tape tape, Saved saved, int adapter, long inp, long N, DType dtype) {
    float p = tape.dropout(lora.dropout());
    if (p == 0) {
      return 0;
    }
    long dropped = tape.allocate(N * cols() * dtype.sizeBytes());
    tape.backend().dropout(dropped, inp, N * cols(), p, tape.seed(), saved.stream + adapter, dtype);
    return dropped;
  }

  private static void product(
      Tape tape, long out, long inp, Parameter weight, long N, DType dtype) {
    tape.backend()
        .linearForward(
            out,
            0,
            inp,
            weight.operand(dtype),
            0,
            N,
            weight.cols(),
            weight.rows(),
            Activation.NONE,
            dtype,
            weight.operandDtype(dtype));
  }

  /** Two FLOPs per multiply-add, once forward, once for each gradient that is wanted. */
  private void countFlops(Tape tape, long N, boolean needsInputGradient) {
    long product = 2 * N * cols() * rows();
    tape.countFlops(
        product, (needsInputGradient ? product : 0) + (weight.trainable() ? product : 0));
    for (Adapter adapter : adapters) {
      long low = 2 * N * adapter.rank() * (cols() + adapter.up.rows());
      tape.countFlops(low, 2 * low);
    }
  }

  /** Gradients of weight, bias and adapters, from {@code dout (N,F)} and {@code inp (N,C)}. */
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    if (weight.trainable()) {
      boolean accumulate = weight.accumulate();
      if (bias != null) {
        // One flag serves both: a bias is written whenever its weight is.
        Check.state(
            bias.accumulate() == accumulate, "%s and its bias are out of step", weight.name());
      }
      tape.backend()
          .linearBackwardWeight(
              weight.gradient(),
              bias == null ? 0 : bias.gradient(),
              dout,
              inp,
              N,
              cols(),
              rows(),
              accumulate,
              dtype);
    }
    for (int i = 0; i < adapters.size(); i++) {
      Adapter adapter = adapters.get(i);
      long R = adapter.rank();
      long dlow = tape.allocate(N * R * dtype.sizeBytes());
      tape.backend()
          .loraBackward(
              dlow,
              adapter.up.gradient(),
              dout + adapter.firstColumn * dtype.sizeBytes(),
              saved.lows[i],
              adapter.up.address(),
              N,
              adapter.up.rows(),
              R,
              rows(),
              R,
              lora.scale(),
              adapter.up.accumulate(),
              dtype);
      long dropped = dropInput(tape, saved, i, inp, N, dtype);
      tape.backend()
          .linearBackwardWeight(
              adapter.down.gradient(),
              0,
              dlow,
              dropped == 0 ? inp : dropped,
              N,
              cols(),
              R,
              adapter.down.accumulate(),
              dtype);
      if (dropped != 0) {
        tape.free(dropped);
      }
      tape.free(saved.lows[i]);
      saved.lows[i] = dlow;
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
    boolean fused = adapters.isEmpty();
    Check.state(
        fused || activation == Activation.NONE || !accumulate,
        "an adapter below an activation cannot add to a gradient");
    tape.backend()
        .linearBackwardInput(
            dinp,
            fused ? actOut : 0,
            dout,
            weight.operand(dtype),
            fused ? pre : 0,
            N,
            cols(),
            rows(),
            fused ? activation : Activation.NONE,
            accumulate,
            dtype,
            weight.operandDtype(dtype));
    if (fused) {
      return;
    }
    for (int i = 0; i < adapters.size(); i++) {
      addInputGradient(tape, saved, i, dinp, N, dtype);
    }
    if (activation != Activation.NONE) {
      tape.backend().activationBackward(dinp, dinp, pre, N * cols(), activation, false, dtype);
      if (actOut != 0) {
        tape.backend().activationForward(actOut, pre, N * cols(), activation, dtype);
      }
    }
  }

  private void addInputGradient(Tape tape, Saved saved, int i, long dinp, long N, DType dtype) {
    Parameter down = adapters.get(i).down;
    float p = tape.dropout(lora.dropout());
    long target = p == 0 ? dinp : tape.allocate(N * cols() * dtype.sizeBytes());
    tape.backend()
        .linearBackwardInput(
            target,
            0,
            saved.lows[i],
            down.operand(dtype),
            0,
            N,
            cols(),
            down.rows(),
            Activation.NONE,
            p == 0,
            dtype,
            down.operandDtype(dtype));
    if (p != 0) {
      tape.backend().dropout(target, target, N * cols(), p, tape.seed(), saved.stream + i, dtype);
      tape.backend().cast(dinp, target, N * cols(), true, dtype, dtype);
      tape.free(target);
    }
  }

  void release(Tape tape, Saved saved) {
    for (long low : saved.lows) {
      tape.free(low);
    }
  }
}
