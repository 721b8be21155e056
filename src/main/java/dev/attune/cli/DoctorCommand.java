package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Cache;
import dev.attune.core.DType;
import dev.attune.hub.Hub;
import dev.attune.kernels.Backend;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.Peak;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.kernels.cpu.LevelChoice;
import dev.attune.kernels.cuda.CudaBackend;
import dev.attune.kernels.cuda.CudaFindings;
import dev.attune.kernels.torch.TorchBackend;
import dev.attune.run.BackendKind;
import dev.attune.run.Backends;
import dev.attune.run.RunOption;
import java.util.List;
import java.util.Optional;

/** {@code attune doctor}: what this machine has, what is missing, what that means. */
final class DoctorCommand implements Command {
  @Override
  public String name() {
    return "doctor";
  }

  @Override
  public String summary() {
    return "show what this machine offers and what is missing";
  }

  @Override
  public List<RunOption> options() {
    return List.of(RunOption.THREADS);
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    int threads = Backends.threads(arguments.config().smallInteger(RunOption.THREADS));
    Runtime runtime = Runtime.getRuntime();
    item(console, result, "java", Runtime.version().toString());
    item(console, result, "cores", Integer.toString(runtime.availableProcessors()));
    item(console, result, "heap limit", Console.size(runtime.maxMemory()));
    Optional<String> unkept = Cache.user().problem();
    item(
        console,
        result,
        "cache folder",
        unkept.map(why -> "broken: " + why).orElseGet(() -> Cache.user().folder().toString()));
    Hub.setup().forEach((part, value) -> item(console, result, part, value));
    boolean works = cpu(console, result, threads);
    item(
        console,
        result,
        "torch backend",
        TorchBackend.unavailableReason().map(r -> "missing: " + r).orElse("available"));
    item(
        console,
        result,
        "cuda backend",
        CudaBackend.unavailableReason().isPresent() ? "not available" : cuda());
    CudaFindings.all().forEach((part, finding) -> item(console, result, part, finding));
    return works && unkept.isEmpty() ? ExitStatus.DONE : ExitStatus.FAILED;
  }

  private static boolean cpu(Console console, ObjectNode result, int threads) {
    try (Backend backend = Backends.open(BackendKind.CPU, threads)) {
      item(console, result, "cpu backend", backend.description());
      item(console, result, "cpu library", KernelLibrary.cpu().file().toString());
      item(
          console,
          result,
          "matrix tiles",
          CpuBackend.unavailableReason(Isa.AMX).map(r -> "not used: " + r).orElse("available"));
      for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
        double rate = Peak.ofProducts(backend, dtype);
        item(
            console,
            result,
            dtype == DType.F32 ? "fp32 products" : "bf16 products",
            String.format("%.0f GFLOP/s", rate * 1e-9));
      }
      LevelChoice choice = LevelChoice.here();
      item(console, result, "processor", choice.processor());
      item(console, result, "cpu levels", choice + " GFLOP/s a thread in fp32 and bf16");
      item(
          console,
          result,
          "level auto",
          choice.best(DType.F32).label()
              + " for fp32, "
              + choice.best(DType.BF16).label()
              + " for bf16");
      item(console, result, "precision auto", choice.fastest() == DType.BF16 ? "bf16" : "fp32");
      return true;
    } catch (RuntimeException e) {
      item(console, result, "cpu backend", "broken: " + e.getMessage());
      return false;
    }
  }

  private static String cuda() {
    try (CudaBackend backend = CudaBackend.open()) {
      return backend.description();
    } catch (RuntimeException e) {
      return "broken: " + e.getMessage();
    }
  }

  private static void item(Console console, ObjectNode result, String what, String value) {
    console.line("%-15s %s", what, value);
    result.put(what.replace(' ', '_'), value);
  }
}
