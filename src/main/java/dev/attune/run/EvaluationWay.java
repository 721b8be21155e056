package dev.attune.run;

import dev.attune.core.InputException;
import java.util.List;

/** How a language model is evaluated. */
enum EvaluationWay {
  /** By the probability of the answers. */
  LOSS,

  /** By what it writes, too. */
  GENERATE;

  private static final List<RunOption> OF_GENERATION =
      List.of(RunOption.MAX_NEW_TOKENS, RunOption.STOP, RunOption.STREAMS);

  /** What the options say; those of generation are refused where nothing is generated. */
  static EvaluationWay of(RunConfig config) {
    String option = config.text(RunOption.EVALUATE_WITH);
    switch (option) {
      case "generate" -> {
        return GENERATE;
      }
      case "loss" -> {
        for (RunOption other : OF_GENERATION) {
          if (config.isGiven(other)) {
            throw new InputException(other + " needs " + RunOption.EVALUATE_WITH.with("generate"));
          }
        }
        return LOSS;
      }
      default ->
          throw new InputException(
              RunOption.EVALUATE_WITH + " is '" + option + "'; allowed are loss and generate");
    }
  }
}
