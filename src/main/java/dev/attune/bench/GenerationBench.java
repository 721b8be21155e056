package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.folder.ModelWeights;
import dev.attune.generate.GenerationLoop;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.LogitRules;
import dev.attune.generate.Request;
import dev.attune.generate.Sampling;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.run.Backends;
import dev.attune.run.Compute;
import dev.attune.run.HeldWeights;
import dev.attune.run.IdleOptions;
import dev.attune.run.ProcessMemory;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.Session;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import java.util.Arrays;
import java.util.List;

/** Times greedy generation with random weights of a known shape. */
public final class GenerationBench {
  private static final int PROMPT_TOKENS = 32;
  private static final int ROUNDS = 5;

  /**
   * What came out.
   *
   * @param tokensPerSecond new tokens of all streams, prompts' reading included; median of rounds
   * @param peakMemoryBytes of the process
   * @param kernels with {@code --profile}, longest first
   */
  public record Outcome(
      double tokensPerSecond,
      long peakMemoryBytes,
      String backend,
      String precision,
      List<KernelTime> kernels) {}

  private GenerationBench() {}

  private static int atLeastOne(RunConfig config, RunOption option) {
    int value = config.smallInteger(option);
    if (value < 1) {
      throw new InputException(option + " is " + value + "; it must be at least 1");
    }
    return value;
  }

  /** Runs: {@code --streams} requests of {@code --max-new-tokens} each. */
  public static Outcome run(RunConfig config) {
    IdleOptions.check(config);
    int streams = atLeastOne(config, RunOption.STREAMS);
    int newTokens = atLeastOne(config, RunOption.MAX_NEW_TOKENS);
    int lookupTokens = config.smallInteger(RunOption.PROMPT_LOOKUP_NUM_TOKENS);
    GenerationOptions.checkLookupTokens(lookupTokens);
    int context = PROMPT_TOKENS + newTokens;
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    if (!config.isGiven(RunOption.SHAPE)) {
      throw new InputException(
          RunOption.STREAMS
              + " times generation with random weights, whose "
              + RunOption.SHAPE
              + " is to be given, such as gpt2");
    }
    BenchShape shape = BenchShape.of(config.text(RunOption.SHAPE));
    Compute compute = Compute.of(config);
    compute.precision().checkIsFloat();
    try (Backend opened = compute.open()) {
      DType precision = compute.precision().on(opened);
      KernelProfile profile = config.flag(RunOption.PROFILE) ? new KernelProfile(opened) : null;
      Backend backend = profile == null ? opened : profile.backend();
      ParameterBuilder builder = new ParameterBuilder();
      DType matrices = config.flag(RunOption.LOAD_IN_BF16) ? DType.BF16 : precision;
      builder.freeze(matrices, HeldWeights.of(config).products(matrices));
      try (Model model =
              Families.create(
                  backend,
                  shape.config(),
                  shape.task().head(),
                  shape.task().outputs(),
                  null,
                  builder);
          Tape tape = tape(backend, (TransformerModel) model, precision, streams, context);
          GenerationLoop generator =
              new GenerationLoop((TransformerModel) model, tape, streams, context)) {
        ModelWeights.randomize(model, 0);
        double[] rates = new double[ROUNDS];
        for (int round = -1; round < ROUNDS; round++) {
          if (round == 0 && profile != null) {
            profile.reset();
          }
          long begin = System.nanoTime();
          for (int stream = 0; stream < streams; stream++) {
            generator.submit(
                new Request(
                    prompt(stream, model.outputs()),
                    Sampling.greedy(),
                    LogitRules.NONE,
                    newTokens,
                    new int[0],
                    stream,
                    null,
                    lookupTokens,
                    null,
                    null),
                done -> {});
          }
          generator.run();
          if (round >= 0) {
            rates[round] = streams * newTokens / ((System.nanoTime() - begin) * 1e-9);
          }
        }
        Arrays.sort(rates);
        return new Outcome(
            rates[ROUNDS / 2],
            ProcessMemory.peakBytes(),
            backend.description(),
            precision == DType.BF16 ? "bf16" : "fp32",
            profile == null ? List.of() : profile.times());
      }
    }
  }

  private static Tape tape(
      Backend backend, TransformerModel model, DType precision, int streams, int context) {
    long cacheBytes = GenerationLoop.cacheBytes(model, precision, streams, context);
    return new Tape(backend, Session.arena(backend, cacheBytes), precision, 0);
  }

  private static int[] prompt(int stream, int vocabulary) {
    int[] ids = new int[PROMPT_TOKENS];
    for (int t = 0; t < PROMPT_TOKENS; t++) {
      ids[t] = (int) Math.floorMod(Philox.bits64(0, stream, t), (long) vocabulary);
    }
    return ids;
  }
}
