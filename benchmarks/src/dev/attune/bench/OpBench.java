package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.run.Backends;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.infra.BenchmarkParams;

/**
 * The benchmarks of one op. A subclass declares the parameters {@code shape} and {@code dtype},
 * lays out its tensors, has one benchmark method per kernel, and knows the work of each.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {
      "-Dorg.bytedeco.javacpp.maxBytes=0",
      "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0"
    })
public abstract class OpBench {
  /** Largest error allowed against libtorch, as a share of a tensor's root mean square. */
  private static final double F32_TOLERANCE = 1e-5;

  /** Some units in the last place of bf16, of which one is 2^-8. */
  private static final double BF16_TOLERANCE = 0x1p-6;

  @Param({"cpu", "torch"}) // and cuda
  public String backend;

  /** 0: all cores. */
  @Param("0")
  public int threads;

  /** The backend to call. */
  Backend kernels;

  /** Where tensors come from; closed with the benchmark. */
  Tensors tensors;

  private boolean opened;
  private CallState state;

  /** Makes the tensors, from the parameters; runs what the timed methods build on. */
  abstract void layOut();

  /** What one call of a benchmark method has to do. */
  abstract Work work(String method);

  /** The type of the activations, which chooses the peak and the tolerance. */
  abstract DType type();

  /** Attaches a backend that someone else closes, and lays out. */
  final void attach(Backend opened) {
    kernels = opened;
    tensors = new Tensors(opened);
    layOut();
  }

  /** Opens the backend of the parameters, lays out, and holds one call against libtorch. */
  @Setup(Level.Trial)
  public void open(BenchmarkParams params) throws ReflectiveOperationException {
    String name = params.getBenchmark();
    attach(Backends.open(backend, Backends.threads(threads)));
    opened = true;
    state = new CallState(kernels);
    if (!backend.equals("torch")) {
      try (Backend torch = Backends.open("torch", Backends.threads(threads))) {
        checkAgainst(torch, name.substring(name.lastIndexOf('.') + 1));
      }
    }
  }

  /** Before each call: cold caches, awake threads. */
  @Setup(Level.Invocation)
  public void beforeCall() {
    state.flushCaches();
    state.wakeThreads();
  }

  @TearDown(Level.Trial)
  public void close() {
    if (tensors != null) {
      tensors.close();
    }
    if (opened) {
      state.close();
      kernels.close();
    }
  }

  /** Calls a method here and on another backend; throws unless both give the same. */
  final void checkAgainst(Backend other, String method) throws ReflectiveOperationException {
    OpBench twin = getClass().getDeclaredConstructor().newInstance();
    for (Field field : getClass().getFields()) {
      if (field.isAnnotationPresent(Param.class)) {
        field.set(twin, field.get(this));
      }
    }
    try {
      twin.attach(other);
      twin.call(method);
      call(method);
      boolean half = type() == DType.BF16;
      tensors.checkAgainst(twin.tensors, half ? BF16_TOLERANCE : F32_TOLERANCE);
    } finally {
      twin.close();
    }
  }

  private void call(String method) throws ReflectiveOperationException {
    try {
      getClass().getMethod(method).invoke(this);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw e;
    }
  }

  /** The op's name in results: {@code layer_norm_backward} for LayerNormBench.backward. */
  static String opName(Class<? extends OpBench> bench, String method) {
    String stem = bench.getSimpleName().replaceFirst("Bench$", "");
    String camel = stem.substring(0, 1).toLowerCase(Locale.ROOT) + stem.substring(1);
    camel = camel.equals("adamW") ? "adamw" : camel;
    return snake(camel) + "_" + snake(method);
  }

  private static String snake(String camel) {
    return camel.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
  }
}
