package dev.attune.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GenerationBenchTest {
  /** Before there is a model. */
  @ParameterizedTest
  @ValueSource(strings = {"-1", "64", "100", "2000000000"})
  void proposalsThatGenerateRefusesAreRefused(String tokens) {
    RunConfig config =
        RunConfig.builder(CommandOptions.BENCH)
            .set(RunOption.STREAMS, "1")
            .set(RunOption.MAX_NEW_TOKENS, "2")
            .set(RunOption.PROMPT_LOOKUP_NUM_TOKENS, tokens)
            .build();
    InputException refused = assertThrows(InputException.class, () -> GenerationBench.run(config));
    assertEquals(
        Term.PROMPT_LOOKUP_NUM_TOKENS + " is " + tokens + "; it must be between 0 and 63",
        refused.getMessage());
  }
}
