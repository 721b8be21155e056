package dev.attune.kernels.cuda;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** What a library that does not load means to a user. */
final class Linkage {
  /** The first answer: later tries to use a class that failed no longer say why. */
  private static final Map<String, Optional<String>> ANSWERS = new HashMap<>();

  private Linkage() {}

  /**
   * Tries a library once a process.
   *
   * @param use calls it
   * @return what is wrong with it and the likely fix, in one line, or empty
   */
  static synchronized Optional<String> problem(String library, Runnable use) {
    return ANSWERS.computeIfAbsent(
        library,
        key -> {
          try {
            use.run();
            return Optional.empty();
          } catch (LinkageError e) {
            return Optional.of(explain(library, e));
          }
        });
  }

  private static String explain(String library, LinkageError error) {
    if (error.getCause() instanceof ClassNotFoundException) {
      return library
          + " cannot be used: the CUDA presets are not on the class path; add the Maven artifact"
          + " org.bytedeco:cuda with the classifier of this platform";
    }
    return library
        + " cannot be loaded: "
        + reason(error)
        + "; it takes an NVIDIA driver, and the libraries of the CUDA 13 toolkit where the system's"
        + " loader finds them (LD_LIBRARY_PATH)";
  }

  /** The system loader's own words, which name the missing file, else the innermost message. */
  private static String reason(Throwable error) {
    String innermost = error.toString();
    for (Throwable e = error; e != null; e = e.getCause()) {
      innermost = e.getMessage();
      if (innermost != null && innermost.contains("cannot open shared object file")) {
        return innermost.substring(innermost.indexOf(": ") + 2);
      }
    }
    return innermost;
  }
}
