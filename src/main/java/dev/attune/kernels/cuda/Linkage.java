package dev.attune.kernels.cuda;

/** What a library that does not load means to a user. */
final class Linkage {
  private Linkage() {}

  /** One line with the loader's own words and the likely fix. */
  static String explain(String what, LinkageError error) {
    if (error instanceof NoClassDefFoundError && isAbsent(error)) {
      return what
          + " cannot be used: the CUDA presets are not on the class path; add the Maven artifact"
          + " org.bytedeco:cuda with the classifier of this platform";
    }
    Throwable cause = error;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return what
        + " cannot be loaded: "
        + cause.getMessage()
        + "; it takes an NVIDIA driver, and the libraries of the CUDA 13 toolkit where the system's"
        + " loader finds them (LD_LIBRARY_PATH)";
  }

  private static boolean isAbsent(LinkageError error) {
    return error.getCause() instanceof ClassNotFoundException;
  }
}
