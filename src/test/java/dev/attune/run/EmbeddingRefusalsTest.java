package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.Finding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Options and rows that embeddings cannot be trained with. */
class EmbeddingRefusalsTest extends EmbeddingTrial {
  private Path lines(String... rows) throws IOException {
    return Files.writeString(scratch.resolve("bad.jsonl"), String.join("\n", rows) + "\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "2 | false | loss=cosent | --loss cosent needs pairs with a score",
        "2 | true | loss=triplet | --loss triplet needs triplets",
        "4 | false | loss=triplet | an anchor, a positive and 2 negatives",
        "2 | false | loss=contrastive | --loss is 'contrastive'; allowed are multiple-negatives",
        "2 | false | loss-margin=1 | --loss-margin has no meaning for --loss multiple-negatives",
        "2 | true | loss=cosine-similarity,loss-scale=5 | --loss-scale has no meaning",
        "3 | false | loss=triplet,mini-batch-size=2 | --mini-batch-size has no meaning for --loss",
        "2 | false | mini-batch-size=0 | --mini-batch-size is '0'; an integer of at least 1",
        "2 | false | batch-sampler=random | allowed are batch and no-duplicates",
        "2 | false | loss-scale=0 | --loss-scale is 0.0; it must be above 0",
        "2 | false | matryoshka-dims=8;8 | --matryoshka-dims is '8,8'",
        "2 | false | matryoshka-dims=17 | --matryoshka-dims has 17; the model's vectors have 16",
        "2 | false | matryoshka-weights=1 | --matryoshka-weights is '1'; as many",
        "2 | false | pooling=max | --pooling is 'max'; allowed are mean, cls, lasttoken",
        "2 | false | label-smoothing=0.1 | --label-smoothing has no meaning for --task embedding",
        "2 | false | doc-stride=4 | --doc-stride has no meaning for --task embedding",
        "2 | false | new-head=true | a model for embedding has no head to draw anew",
        "3 | false | loss=triplet,triplet-distance=manhattan | allowed are euclidean and cosine"
      })
  void optionsThatDoNotFitAreRefused(int columns, boolean scored, String options, String part)
      throws IOException {
    RecordedRun run = run(data(columns, scored), "out");
    for (String option : options.split(",")) {
      String[] nameAndValue = option.split("=");
      run.with(
          OptionNames.find(nameAndValue[0], CommandOptions.TRAIN).orElseThrow(),
          nameAndValue[1].replace(';', ','));
    }
    String refusal = run.refusal();
    assertTrue(refusal.contains(part), refusal);
  }

  @Test
  void rowsThatCannotBeLearnedAreRefused() throws IOException {
    Path train =
        lines(
            "{\"anchor\": \"red\", \"positive\": \"cat\", \"negative\": [\"dog\", \"sun\"]}",
            "{\"anchor\": \"blue\", \"positive\": \"cat\", \"negative\": [\"dog\"]}");
    String refusal = run(train, "out").refusal(); // of equally many, the fewer count
    assertTrue(
        refusal.contains(
            "negatives than 1, which the most have; --skip-bad-rows leaves such rows out (row 1)"),
        refusal);
    String one = "{\"anchor\": \"red\", \"positive\": \"cat\", \"negative\": [\"dog\"]}";
    String three = one.replace("[\"dog\"]", "[\"dog\", \"sun\", \"new\"]");
    refusal = run(lines(one, three, one, one), "out").refusal();
    assertTrue(
        refusal.contains(
            "negatives than 1, which the most have; --skip-bad-rows leaves such rows out (row 2)"),
        refusal);
    train = lines("{\"anchor\": \"red\", \"positive\": \" \"}");
    refusal = run(train, "out").refusal();
    assertTrue(refusal.contains("a text that is missing or empty (row 1)"), refusal);
    train =
        lines(
            "{\"sentence1\": \"red\", \"sentence2\": \"cat\", \"score\": 4.5}",
            "{\"sentence1\": \"red\", \"sentence2\": \"dog\", \"score\": 0.5}");
    refusal = run(train, "out").with(RunOption.LOSS, "cosine-similarity").refusal();
    assertTrue(refusal.contains("not between -1 and 1"), refusal);
    train =
        lines(
            "{\"sentence1\": \"red\", \"sentence2\": \"cat\", \"score\": 1}",
            "{\"sentence1\": \"red\", \"sentence2\": \"dog\", \"score\": null}");
    refusal = run(train, "out").refusal();
    assertTrue(refusal.contains("not a finite number (first: missing)"), refusal);
    train = lines("{\"text\": \"red\", \"label\": \"cat\"}");
    refusal = run(train, "out").refusal();
    assertFalse(refusal.isEmpty());
  }

  @Test
  void scoresThatNeverVaryInValidationAreTold() throws IOException {
    Path train =
        lines(
            "{\"sentence1\": \"red\", \"sentence2\": \"cat\", \"score\": 1}",
            "{\"sentence1\": \"red\", \"sentence2\": \"dog\", \"score\": 0.5}");
    Path validation = scratch.resolve("validation.jsonl");
    Files.writeString(
        validation,
        "{\"sentence1\": \"a red\", \"sentence2\": \"cat\", \"score\": 1}\n"
            + "{\"sentence1\": \"a red\", \"sentence2\": \"dog\", \"score\": 1}\n");
    RecordedRun run =
        run(train, "out")
            .with(RunOption.MAX_STEPS, "1")
            .with(RunOption.VALIDATION_FILE, validation.toString());
    run.run();
    assertEquals(
        List.of("every row has the same score, 1.0: spearman and pearson have no value"),
        run.report().findings(Finding.Severity.WARNING).stream()
            .filter(finding -> finding.code().equals("constant_output"))
            .map(Finding::message)
            .toList());
  }

  /** A loss that compares rows is 0 where there is one, and nothing would be learned. */
  @Test
  void rowsWithoutOthersToCompareThemWithAreRefused() throws IOException {
    String refusal = run(lines("{\"anchor\": \"red\", \"positive\": \"cat\"}"), "out").refusal();
    assertTrue(refusal.contains("one row, and the loss multiple-negatives-ranking"), refusal);
    for (Path train : List.of(data(2, false), data(2, true))) {
      refusal = run(train, "out").with(RunOption.BATCH_SIZE, "1").refusal();
      assertTrue(refusal.startsWith("--batch-size is 1; rows are compared"), refusal);
    }
    // Negatives of its own are something to compare with.
    run(data(3, false), "triplets").with(RunOption.BATCH_SIZE, "1").run();
  }
}
