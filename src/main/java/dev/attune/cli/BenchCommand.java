package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.bench.GenerationBench;
import dev.attune.bench.KernelTime;
import dev.attune.bench.TrainingBench;
import dev.attune.run.CommandOptions;
import dev.attune.run.Fetched;
import dev.attune.run.RunOption;
import dev.attune.train.TrainResult;
import java.util.List;
import java.util.Locale;

/** {@code attune bench}: the speed of fine-tuning on this machine. */
final class BenchCommand implements Command {
  @Override
  public String name() {
    return "bench";
  }

  @Override
  public String summary() {
    return "time fine-tuning steps on this machine";
  }

  @Override
  public String details() {
    return """
        The first 3 steps are not counted. Without --file, random tokens: of sentence lengths for
        encoders (--fixed-length: all of --max-length tokens), of full length for decoders. With
        --streams, generation is timed instead.

        examples:
          attune bench --model minilm --file train.tsv --columns text,label
          attune bench --shape bert-base --max-steps 10 --profile
          attune bench --shape gpt2 --batch-size 4 --max-length 256 --lora-r 16
          attune bench --shape gpt2 --streams 16 --max-new-tokens 64
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.BENCH;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case FILE -> "data to train on; random texts where not given";
      case MAX_STEPS -> "optimizer steps that are timed (default 30)";
      case STREAMS -> "time generation in place of training: requests in work at a time";
      case MAX_NEW_TOKENS -> "tokens of each request of generation (default 256)";
      case SEED -> "of random weights and texts (default 42)";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    if (arguments.config().isGiven(RunOption.STREAMS)) {
      return generation(arguments, console, result);
    }
    TrainingBench.Outcome outcome =
        TrainingBench.run(
            Fetched.data(arguments.config(), new FetchView(console)),
            note -> console.line("· " + note.replace("%", "%%")));
    TrainResult training = outcome.training();
    double utilization = training.flopsPerSecond() / outcome.peakFlopsPerSecond();
    result.put("backend", outcome.backend());
    result.put("precision", outcome.precision());
    result.put("steps", training.steps());
    result.put("tokens_per_second", training.tokensPerSecond());
    result.put("examples_per_second", training.examplesPerSecond());
    result.put("median_step_millis", outcome.medianStepMillis());
    result.put(
        "cpu_millis_a_step",
        Double.isNaN(outcome.cpuMillisAStep()) ? null : (Double) outcome.cpuMillisAStep());
    result.put("gflop_per_second", training.flopsPerSecond() * 1e-9);
    result.put("peak_gflop_per_second", outcome.peakFlopsPerSecond() * 1e-9);
    result.put("model_flops_utilization", utilization);
    result.put("peak_memory_bytes", outcome.peakMemoryBytes());
    result.put("arena_bytes", training.arenaBytes());
    console.line("%s · %s", outcome.backend(), outcome.precision());
    console.line(
        "%,.0f real tokens/s, %.1f examples/s, median step %.1f ms%s",
        training.tokensPerSecond(),
        training.examplesPerSecond(),
        outcome.medianStepMillis(),
        Double.isNaN(outcome.cpuMillisAStep()) // the system does not tell
            ? ""
            : String.format(Locale.ROOT, ", %.1f ms of processor time", outcome.cpuMillisAStep()));
    console.line(
        "%.0f GFLOP/s in products, %.0f %% of what the hardware can do (%.0f)",
        training.flopsPerSecond() * 1e-9, 100 * utilization, outcome.peakFlopsPerSecond() * 1e-9);
    console.line(
        "memory %s at most, of which activations outside the gradients %s",
        Console.size(outcome.peakMemoryBytes()), Console.size(training.arenaBytes()));
    long counted = Math.max(1, training.steps() - 3);
    for (KernelTime kernel : outcome.kernels()) {
      console.line(
          "  %-22s %8.2f ms a step  %5d calls",
          kernel.kernel(), 1e3 * kernel.seconds() / counted, kernel.calls() / counted);
    }
    return ExitStatus.DONE;
  }

  private static int generation(Arguments arguments, Console console, ObjectNode result) {
    GenerationBench.Outcome outcome = GenerationBench.run(arguments.config());
    result.put("backend", outcome.backend());
    result.put("precision", outcome.precision());
    result.put("tokens_per_second", outcome.tokensPerSecond());
    result.put("peak_memory_bytes", outcome.peakMemoryBytes());
    console.line("%s · %s", outcome.backend(), outcome.precision());
    console.line("%,.1f new tokens/s", outcome.tokensPerSecond());
    console.line("memory %s at most", Console.size(outcome.peakMemoryBytes()));
    for (KernelTime kernel : outcome.kernels()) {
      console.line(
          "  %-22s %8.2f ms in all  %6d calls",
          kernel.kernel(), 1e3 * kernel.seconds(), kernel.calls());
    }
    return ExitStatus.DONE;
  }
}
