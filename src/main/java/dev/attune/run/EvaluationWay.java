package dev.attune.run;

import dev.attune.core.InputException;

/** How a language model is evaluated. */
enum EvaluationWay {
  /** By the probability of the answers. */
  LOSS,

  /** By what it writes, too. */
  GENERATE;

  /** What the options say. */
  static EvaluationWay of(RunConfig config) {
    String option = config.text(RunOption.EVALUATE_WITH);
    return switch (option) {
      case "generate" -> GENERATE;
      case "loss" -> LOSS;
      default ->
          throw new InputException(
              RunOption.EVALUATE_WITH + " is '" + option + "'; allowed are loss and generate");
    };
  }
}
