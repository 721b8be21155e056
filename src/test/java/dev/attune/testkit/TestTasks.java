package dev.attune.testkit;

import dev.attune.data.LabelMap;
import dev.attune.task.CausalLm;
import dev.attune.task.Classification;
import dev.attune.task.MaskedLm;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.QuestionAnswering;
import dev.attune.task.Regression;
import dev.attune.task.ReplacedTokens;
import dev.attune.task.Task;
import dev.attune.task.TokenClassification;
import java.util.List;
import java.util.stream.IntStream;

/** Tasks for tests that need any one of a kind. */
public final class TestTasks {
  /** Of two classes. */
  public static final Task CLASSIFICATION = new Classification(LabelMap.ofNames(List.of("0", "1")));

  /** Of five tags. */
  public static final Task TOKEN_CLASSIFICATION =
      new TokenClassification(LabelMap.ofNames(List.of("0", "1", "2", "3", "4")));

  /** Of five labels that do not exclude each other. */
  public static final Task MULTI_LABEL =
      new MultiLabelClassification(LabelMap.ofNames(List.of("0", "1", "2", "3", "4")));

  /** Of spans. */
  public static final Task QUESTION_ANSWERING =
      new QuestionAnswering(QuestionAnswering.Settings.defaults(false));

  /** Of scores. */
  public static final Task REGRESSION = new Regression();

  /** Of completions. */
  public static final Task CAUSAL_LM = new CausalLm(false);

  /** Of masked tokens. */
  public static final Task MASKED_LM = new MaskedLm(42);

  /** Of tokens that replace others, without what writes them. */
  public static final Task REPLACED_TOKENS = new ReplacedTokens();

  private TestTasks() {}

  /** Of so many scores. */
  public static Task regression(int outputs) {
    return new Regression(
        LabelMap.ofNames(IntStream.range(0, outputs).mapToObj(Integer::toString).toList()));
  }
}
