package dev.attune.kernels.torch;

import dev.attune.core.DType;
import dev.attune.memory.NativePointer;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Tensors over raw addresses, and the few conversions that every op needs. */
final class TorchTensors {
  private TorchTensors() {}

  /** Keeps libtorch and the BLAS under it from using threads of their own: ours share the work. */
  static void useCallersThread() {
    torch.set_num_threads(1);
    openblas_nolapack.blas_set_num_threads(1);
  }

  /** A dense view. */
  static Tensor view(long address, DType dtype, long... sizes) {
    return view(address, scalarType(dtype), sizes);
  }

  /** A dense view of a type that activations cannot have. */
  static Tensor view(long address, ScalarType type, long... sizes) {
    return torch.from_blob(pointer(address), sizes, new TensorOptions(type));
  }

  /** A view with strides in elements. */
  static Tensor strided(long address, DType dtype, long[] sizes, long[] strides) {
    return torch.from_blob(pointer(address), sizes, strides, new TensorOptions(scalarType(dtype)));
  }

  /** The values as f32: the tensor itself if it is f32, else a copy. */
  static Tensor widen(Tensor tensor) {
    return tensor.to(ScalarType.Float);
  }

  /** The values rounded to {@code dtype}, as f32. */
  static Tensor rounded(Tensor tensor, DType dtype) {
    return dtype == DType.F32 ? widen(tensor) : tensor.to(ScalarType.BFloat16).to(ScalarType.Float);
  }

  /** {@code out (+)= value}, where value is f32: one rounding to the type of out. */
  static void store(Tensor out, Tensor value, boolean accumulate) {
    if (!accumulate) {
      out.copy_(value);
    } else if (out.scalar_type() == ScalarType.Float) {
      out.add_(value);
    } else {
      out.copy_(widen(out).add_(value));
    }
  }

  static Scalar scalar(double value) {
    return new Scalar(value);
  }

  static ScalarType scalarType(DType dtype) {
    return switch (dtype) {
      case F32 -> ScalarType.Float;
      case BF16 -> ScalarType.BFloat16;
      case I32 -> ScalarType.Int;
      case NF4, INT8, CHANNEL_INT8 ->
          throw new IllegalArgumentException(dtype + " has no single elements");
    };
  }

  private static NativePointer pointer(long address) {
    return new NativePointer(address, Long.MAX_VALUE);
  }
}
