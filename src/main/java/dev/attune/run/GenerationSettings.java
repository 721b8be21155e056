package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.generate.BeamSearch;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Sampling;
import java.util.List;

/** What a run's options say about generation. */
final class GenerationSettings {
  private GenerationSettings() {}

  private static final List<RunOption> NARROWING =
      List.of(RunOption.TOP_K, RunOption.TOP_P, RunOption.MIN_P);

  private static final List<RunOption> NOT_WITH_BEAMS =
      List.of(
          RunOption.TEMPERATURE,
          RunOption.TOP_K,
          RunOption.TOP_P,
          RunOption.MIN_P,
          RunOption.REPETITION_PENALTY,
          RunOption.STOP,
          RunOption.STREAMS);

  /** Reads the options; those that exclude each other are refused. */
  static GenerationOptions of(RunConfig config) {
    String stop = config.text(RunOption.STOP);
    if (stop != null && stop.isEmpty()) {
      throw new InputException(RunOption.STOP + " is empty, which would end every text at once");
    }
    List<String> stops = stop == null ? List.of() : List.of(stop.replace("\\n", "\n"));
    Sampling sampling = sampling(config);
    int maxNewTokens = atLeastOne(config, RunOption.MAX_NEW_TOKENS);
    return new GenerationOptions(
        sampling,
        stops,
        atLeastOne(config, RunOption.STREAMS),
        maxNewTokens,
        beams(config, maxNewTokens),
        topLogprobs(config),
        config.smallInteger(RunOption.PROMPT_LOOKUP_NUM_TOKENS));
  }

  /** Null where none are asked for. */
  private static Integer topLogprobs(RunConfig config) {
    if (!config.flag(RunOption.LOGPROBS)) {
      return null;
    }
    if (config.flag(RunOption.INTERACTIVE)) {
      throw new InputException(
          RunOption.LOGPROBS + " needs " + RunOption.PROMPT + " or " + RunOption.PROMPTS);
    }
    return config.smallInteger(RunOption.TOP_LOGPROBS);
  }

  private static int atLeastOne(RunConfig config, RunOption option) {
    int value = config.smallInteger(option);
    if (value < 1) {
      throw new InputException(option + " is " + value + "; it must be at least 1");
    }
    return value;
  }

  private static BeamSearch.Config beams(RunConfig config, int maxNewTokens) {
    int beams = atLeastOne(config, RunOption.NUM_BEAMS);
    if (beams == 1) {
      return null;
    }
    BeamSearch.Config search =
        new BeamSearch.Config(beams, config.number(RunOption.LENGTH_PENALTY), maxNewTokens);
    refuseBeside(
        config,
        RunOption.NUM_BEAMS,
        "beam search samples nothing, stops at no string and continues one prompt at a time",
        NOT_WITH_BEAMS);
    return search;
  }

  private static void refuseBeside(
      RunConfig config, RunOption option, String meaning, List<RunOption> others) {
    for (RunOption other : others) {
      if (hasEffect(config, other)) {
        throw new InputException(
            String.format(
                "%s is %s: %s, but %s is %s; leave one of the two out",
                option, config.text(option), meaning, other, config.text(other)));
      }
    }
  }

  private static boolean hasEffect(RunConfig config, RunOption option) {
    return config.isGiven(option)
        && switch (option) {
          case TEMPERATURE -> config.number(option) != 0;
          case REPETITION_PENALTY -> config.number(option) != 1;
          default -> true;
        };
  }

  /** 0 where none is given: what the model's folder says. */
  private static double penalty(RunConfig config) {
    if (!config.isGiven(RunOption.REPETITION_PENALTY)) {
      return 0;
    }
    double penalty = config.number(RunOption.REPETITION_PENALTY);
    if (!(penalty > 0)) {
      throw new InputException(
          RunOption.REPETITION_PENALTY + " is " + penalty + "; it must be above 0");
    }
    return penalty;
  }

  private static Sampling sampling(RunConfig config) {
    boolean narrows = NARROWING.stream().anyMatch(config::isGiven);
    double temperature = narrows ? 1 : 0;
    if (config.isGiven(RunOption.TEMPERATURE)) {
      temperature = config.number(RunOption.TEMPERATURE);
      if (temperature == 0) {
        refuseBeside(
            config, RunOption.TEMPERATURE, "every token is the most probable one", NARROWING);
      }
    }
    return new Sampling(
        temperature,
        config.smallInteger(RunOption.TOP_K),
        config.number(RunOption.TOP_P),
        config.number(RunOption.MIN_P),
        penalty(config),
        config.integer(RunOption.SEED));
  }
}
