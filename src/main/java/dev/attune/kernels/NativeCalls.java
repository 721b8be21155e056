package dev.attune.kernels;

import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;

/**
 * The native border, whole: {@code native/border/attune_library.h} and the context and memory of
 * {@code attune_ops.h}. JavaCPP generates the JNI source from this class. Addresses are longs, so
 * that a call is just a call: no Pointer objects or arrays.
 */
@NoException
@Platform(
    include = {"attune_ops.h", "attune_processor.h", "attune_library.h"},
    compiler = "cpp17")
public final class NativeCalls {
  private NativeCalls() {}

  // ---- a library of kernels -------------------------------------------------------------------

  @Name("attune_library_cpu")
  static native @Cast("jlong") long cpuLibrary();

  @Name("attune_library_open_cuda")
  static native @Cast("jlong") long openCudaLibrary(String path);

  @Name("attune_library_op_count")
  static native int opCount(@Cast("const attune_library*") long library);

  @Name("attune_library_op_name")
  static native String opName(@Cast("const attune_library*") long library, int op);

  @Name("attune_library_op_kinds")
  static native String opKinds(@Cast("const attune_library*") long library, int op);

  @Name("attune_library_last_error")
  static native String lastError(@Cast("const attune_library*") long library);

  @Name("attune_library_call")
  static native int call(
      @Cast("const attune_library*") long library,
      @Cast("attune_context*") long ctx,
      int op,
      @Cast("const int64_t*") long frame);

  // ---- CPU: context and memory ----------------------------------------------------------------

  @Name("attune_has_isa")
  public static native int hasIsa(int isa);

  @Name("attune_processor")
  public static native String processor();

  @Name("attune_peak")
  public static native double peak(@Cast("attune_context*") long ctx, int dtype);

  @Name("attune_context_open")
  public static native @Cast("jlong") long openCpu(int threads, int isa);

  @Name("attune_context_close")
  public static native int closeCpu(@Cast("attune_context*") long ctx);

  @Name("attune_context_share")
  public static native int share(@Cast("attune_context*") long ctx, int threads);

  @Name("attune_context_isa")
  public static native int isa(@Cast("attune_context*") long ctx);

  @Name("attune_buffer_alloc")
  public static native long bufferAlloc(long bytes, int hugePages);

  @Name("attune_buffer_free")
  public static native int bufferFree(long address, long bytes);

  @Name("attune_buffer_advise")
  public static native int bufferAdvise(long address, long bytes, int hugePages);

  @Name("attune_buffer_discard")
  public static native int bufferDiscard(long address, long bytes);

  // ---- CUDA: context and graphs ---------------------------------------------------------------

  @Name("attune_library_workspace_bytes")
  public static native long workspaceBytes(@Cast("const attune_library*") long library);

  @Name("attune_library_context_open")
  public static native @Cast("jlong") long openCuda(
      @Cast("const attune_library*") long library,
      int device,
      @Cast("void*") long stream,
      @Cast("void*") long workspace,
      long workspaceBytes);

  @Name("attune_library_context_close")
  public static native void closeCuda(
      @Cast("const attune_library*") long library, @Cast("attune_context*") long ctx);

  @Name("attune_library_check")
  public static native int check(
      @Cast("const attune_library*") long library, @Cast("attune_context*") long ctx);

  @Name("attune_library_offsets_stride")
  public static native long offsetsStride(@Cast("const attune_library*") long library, long padded);

  @Name("attune_library_graph_begin")
  public static native int graphBegin(
      @Cast("const attune_library*") long library, @Cast("attune_context*") long ctx);

  @Name("attune_library_graph_end")
  public static native int graphEnd(
      @Cast("const attune_library*") long library,
      @Cast("attune_context*") long ctx,
      @Cast("attune_cuda_graph**") LongPointer out);

  @Name("attune_library_graph_launch")
  public static native int graphLaunch(
      @Cast("const attune_library*") long library,
      @Cast("attune_context*") long ctx,
      @Cast("attune_cuda_graph*") long graph);

  @Name("attune_library_graph_destroy")
  public static native int graphDestroy(
      @Cast("const attune_library*") long library,
      @Cast("attune_context*") long ctx,
      @Cast("attune_cuda_graph*") long graph);
}
