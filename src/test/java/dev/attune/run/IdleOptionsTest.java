package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.task.CausalLm;
import dev.attune.task.Classification;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An option that would do nothing beside the others is refused by its name, with what to do. */
class IdleOptionsTest {
  private static final Map<String, List<RunOption>> COMMANDS =
      Map.of(
          "train", CommandOptions.TRAIN,
          "evaluate", CommandOptions.EVALUATE,
          "predict", CommandOptions.PREDICT,
          "generate", CommandOptions.GENERATE,
          "bench", CommandOptions.BENCH);

  private static RunConfig config(String command, String options) {
    RunConfig.Builder builder = RunConfig.builder(COMMANDS.get(command));
    for (String option : options.split(" ")) {
      String[] pair = option.split("=", 2);
      builder.set(pair[0], pair.length == 1 ? "true" : pair[1], "test");
    }
    return builder.build();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "train; sgd-momentum=0.5; --sgd-momentum; --optimizer sgd",
        "train; optimizer=adamw-bf16 sgd-momentum=0; --sgd-momentum; the optimizer is adamw-bf16",
        "train; optimizer=sgd adam-beta1=0.8; --adam-beta1; the optimizer is sgd",
        "train; optimizer=sgd adam-beta2=0.99; --adam-beta2; --optimizer adamw",
        "train; optimizer=sgd adam-epsilon=1e-6; --adam-epsilon; the optimizer is sgd",
        "train; warmup-ratio=0.2 warmup-steps=5; --warmup-ratio; --warmup-steps is 5",
        "train; lr-scheduler=constant warmup-steps=5; --warmup-steps; constant_with_warmup",
        "train; lr-scheduler=constant warmup-ratio=0.1; --warmup-ratio; constant_with_warmup",
        "train; lr-scheduler=greedy warmup-steps=5; --warmup-steps; has no warmup",
        "train; freeze-base layer-lr-decay=0.9; --layer-lr-decay; --freeze-base",
        "train; keep-fold-models; --keep-fold-models; needs --k-fold",
        "train; shuffle-buffer-size=10; --shuffle-buffer-size; needs --streaming",
        "train; stopping-strategy=all_exhausted; --stopping-strategy; needs --interleave-probs",
        "train; max-new-tokens=5; --max-new-tokens; needs --evaluate-with generate",
        "train; metrics-port=9464; --metrics-port; needs --report-to openmetrics",
        "train; report-to=tensorboard metrics-port=9464; --metrics-port; openmetrics",
        "evaluate; stop=x; --stop; needs --evaluate-with generate",
        "evaluate; temperature=2; --temperature; needs --zero-shot",
        "evaluate; load-in-bf16 load-in-4bit; --load-in-bf16; leave one of the two out",
        "predict; temperature=2; --temperature; needs --zero-shot",
        "generate; prompt=x load-in-bf16 load-in-8bit; --load-in-bf16; --load-in-8bit",
        "generate; prompt=x system=y; --system; needs --chat or --interactive",
        "generate; prompt=x top-logprobs=3; --top-logprobs; needs --logprobs",
        "generate; prompt=x length-penalty=2; --length-penalty; needs --num-beams of 2 or more",
        "generate; prompt=x seed=7; --seed; --temperature",
        "generate; prompt=x temperature=0 seed=7; --seed; the most probable",
        "generate; prompt=x streams=4; --streams; needs --prompts",
        "generate; prompt=x output=y.jsonl; --output; needs --prompts",
        "generate; interactive delimiter=tab; --delimiter; needs --prompts",
        "bench; shape=gpt2 columns=text; --columns; needs --file",
        "bench; shape=gpt2 max-new-tokens=5; --max-new-tokens; needs --streams",
        "bench; shape=gpt2 prompt-lookup-num-tokens=5; --prompt-lookup-num-tokens; --streams",
        "bench; shape=gpt2 load-in-bf16; --load-in-bf16; needs --streams",
        "bench; shape=gpt2 model=x; --model; --shape",
        "bench; shape=gpt2 streams=2 model=x; --model; --streams",
        "bench; shape=gpt2 streams=2 batch-size=8; --batch-size; of generation",
        "bench; shape=gpt2 streams=2 lora-r=8; --lora-r; of generation",
        "bench; shape=gpt2 streams=2 dropout=0.1; --dropout; of generation",
      })
  void whatWouldDoNothingIsRefused(String command, String options, String option, String words) {
    RunConfig config = config(command, options);
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> IdleOptions.check(config)).getMessage());
    assertTrue(message.startsWith(option), message);
    assertTrue(message.contains(words), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "train; sgd-momentum=0.9 warmup-ratio=0.1 warmup-steps=5 learning-rate=1e-4",
        "train; optimizer=sgd adam-beta1=0.9 adam-beta2=0.9990 adam-epsilon=1e-08",
        "train; optimizer=sgd sgd-momentum=0.5",
        "train; optimizer=adamw-bf16 adam-beta1=0.8",
        "train; lr-scheduler=constant warmup-ratio=0",
        "train; warmup-ratio=0.2 warmup-steps=-1",
        "train; warmup-ratio=0 warmup-steps=5",
        "train; keep-fold-models=false use-dora=false freeze-base=false",
        "train; evaluate-with=generate max-new-tokens=5 stop=x streams=2",
        "evaluate; zero-shot temperature=2 load-in-bf16",
        "generate; prompt=x temperature=0.7 seed=7",
        "generate; prompt=x top-k=5 seed=7",
        "generate; prompts=x streams=4 delimiter=tab",
        "bench; shape=gpt2 streams=2 max-new-tokens=5 prompt-lookup-num-tokens=5 load-in-bf16",
        "bench; shape=gpt2 lora-r=4 batch-size=8 model=minilm file=x",
      })
  void whatCountsOrIsADefaultIsTaken(String command, String options) {
    assertDoesNotThrow(() -> IdleOptions.check(config(command, options)));
  }

  /** Adapters' shape needs adapters, unless the model turns out to be one. */
  @Test
  void whatShapesAdaptersNeedsThem() {
    for (String option : List.of("lora-alpha=4", "lora-targets=all-linear", "use-dora")) {
      String message =
          RunOption.worded(
              assertThrows(InputException.class, () -> Adapters.of(config("train", option)))
                  .getMessage());
      assertTrue(message.endsWith("needs --lora-r"), message);
    }
  }

  /** What means nothing to a task is a matter of tasks. */
  @Test
  void aStrideIsOfRunningTexts() {
    TaskOptions stride = option -> option == Term.STRIDE ? "2" : null;
    assertDoesNotThrow(() -> Tasks.check(CausalLm.TYPE, stride));
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> Tasks.check(Classification.TYPE, stride))
                .getMessage());
    assertTrue(message.startsWith("--stride has no meaning for"), message);
  }

  /** A bad number is said before that it would do nothing. */
  @Test
  void aPlanChecksThem() {
    RunConfig config = config("train", "model=nowhere output-dir=out sgd-momentum=0.5");
    assertTrue(
        assertThrows(InputException.class, () -> TrainPlan.of(config))
            .getMessage()
            .contains(RunOption.SGD_MOMENTUM.toString()));
  }
}
