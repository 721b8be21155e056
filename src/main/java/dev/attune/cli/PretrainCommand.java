package dev.attune.cli;

import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.util.Map;

/**
 * {@code attune pretrain}: training on texts as they are, with the defaults of Transformers'
 * run_mlm.py where those of fine-tuning differ.
 */
final class PretrainCommand extends TrainCommand {
  private static final Map<RunOption, String> DEFAULTS =
      Map.of(RunOption.TASK, "masked-lm", RunOption.LEARNING_RATE, "5e-5");

  @Override
  public String name() {
    return "pretrain";
  }

  @Override
  public String summary() {
    return "go on with a model's pretraining on your texts, or begin one";
  }

  @Override
  RunConfig completed(RunConfig given) {
    RunConfig config = given;
    for (Map.Entry<RunOption, String> each : DEFAULTS.entrySet()) {
      if (!config.isGiven(each.getKey())) {
        config = config.with(each.getKey(), each.getValue());
      }
    }
    return config;
  }

  @Override
  public String details() {
    return """
    The same as attune train, with --task masked-lm and --learning-rate 5e-5 where not given;
    decoders take --task causal-lm, ELECTRA's discriminators --task replaced-token-detection.

    examples:
      attune pretrain --model ./bert-base --train-file texts.jsonl --output-dir adapted
      attune pretrain --model ./bert-base --train-file notes.txt --format lines \\
          --whole-word-mask --output-dir adapted
      attune pretrain --model ./folder-of-config-and-tokenizer --from-scratch \\
          --train-file texts.jsonl --output-dir new
    """;
  }
}
