package dev.attune.kernels.torch;

import dev.attune.core.Cache;
import dev.attune.kernels.BackendException;
import dev.attune.memory.JavaCpp;
import java.io.IOException;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;

/** Finds out whether the PyTorch preset is on the class path, and loads it once. */
final class TorchLibrary {
  private static final String MAX_BYTES = "org.bytedeco.javacpp.maxBytes";
  private static final String MAX_PHYSICAL_BYTES = "org.bytedeco.javacpp.maxPhysicalBytes";

  private TorchLibrary() {}

  /** Why the preset cannot be used here; empty if it can. Loads no native code. */
  static Optional<String> unavailableReason() {
    String platform = Loader.getPlatform();
    return missing("org/bytedeco/pytorch/global/torch.class", "org.bytedeco:pytorch")
        .or(() -> missing("org/bytedeco/openblas/global/openblas.class", "org.bytedeco:openblas"))
        .or(
            () ->
                missing(
                    "org/bytedeco/pytorch/" + platform + "/" + System.mapLibraryName("jnitorch"),
                    "org.bytedeco:pytorch with classifier " + platform))
        .or(
            () ->
                missing(
                    "org/bytedeco/openblas/"
                        + platform
                        + "/"
                        + System.mapLibraryName("jniopenblas_nolapack"),
                    "org.bytedeco:openblas with classifier " + platform));
  }

  /** Loads libtorch and makes it run each operation on the thread that asks for it. */
  static void open() {
    unavailableReason()
        .ifPresent(
            reason -> {
              throw new BackendException(reason);
            });
    if (Pointer.maxBytes() > 0 || Pointer.maxPhysicalBytes() > 0) {
      throw new IllegalStateException(
          String.format(
              "the torch backend cannot run under JavaCPP's memory limits (%s=%d, %s=%d), which"
                  + " were fixed when its classes were loaded; start Java with -D%s=0 -D%s=0",
              MAX_BYTES,
              Pointer.maxBytes(),
              MAX_PHYSICAL_BYTES,
              Pointer.maxPhysicalBytes(),
              MAX_BYTES,
              MAX_PHYSICAL_BYTES));
    }
    try {
      JavaCpp.within(Cache.user().natives(), TorchTensors::useCallersThread);
    } catch (LinkageError | IOException e) {
      throw new BackendException("cannot load libtorch: " + e.getMessage(), e);
    }
  }

  private static Optional<String> missing(String resource, String artifact) {
    ClassLoader loader = TorchLibrary.class.getClassLoader();
    return loader.getResource(resource) != null
        ? Optional.empty()
        : Optional.of(
            "libtorch is not on the class path: "
                + resource
                + " is missing; add the Maven artifact "
                + artifact);
  }
}
