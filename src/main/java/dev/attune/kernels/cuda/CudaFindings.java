package dev.attune.kernels.cuda;

import dev.attune.kernels.BackendException;
import dev.attune.kernels.NativeLibrary;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a machine has of all that {@link CudaBackend} is made of. */
public final class CudaFindings {
  private CudaFindings() {}

  /** What is here and what is missing, part by part, for people. */
  public static Map<String, String> all() {
    Map<String, String> findings = new LinkedHashMap<>();
    String kernels;
    try {
      kernels = NativeLibrary.locate("attune_cuda");
    } catch (BackendException e) {
      kernels =
          "missing: " + e.getMessage() + " (they are built where the CUDA toolkit's nvcc is found)";
    }
    findings.put("cuda kernels", kernels);
    findings.put(
        "cuda device",
        PresetRuntime.unavailableReason().map(reason -> "missing: " + reason).orElse("found"));
    if (PresetRuntime.unavailableReason().isPresent()) {
      findings.put("cuda products", "cuBLASLt is looked for where there is a device");
      findings.put("cuda attention", "cuDNN is looked for where there is a device");
      return findings;
    }
    findings.put(
        "cuda products",
        LtProducts.unavailableReason().map(reason -> "missing: " + reason).orElse("cuBLASLt"));
    findings.put(
        "cuda attention",
        CudnnAttention.unavailableReason()
            .map(reason -> "our own kernels; cuDNN's are not tried beside them: " + reason)
            .orElseGet(AttentionChoice::findings));
    return findings;
  }
}
