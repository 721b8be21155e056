package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import dev.attune.model.HeadKind;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * By natural language inference (Yin et al. 2019), as Transformers' pipeline {@code
 * zero-shot-classification}: whether the text entails a sentence that says the label. Among labels
 * the softmax is over their entailment; a label by itself is entailment against contradiction.
 */
final class EntailmentZeroShot extends ZeroShot {
  private static final String TEMPLATE = "This example is {}.";

  private final int outputs;
  private final int entailment;
  private final int contradiction;

  private EntailmentZeroShot(ZeroShotLabels asked, int outputs, int entailment, int contradiction) {
    super(asked);
    this.outputs = outputs;
    this.entailment = entailment;
    this.contradiction = contradiction;
  }

  /**
   * @param learned what the classifier's outputs are
   */
  static ZeroShot of(ZeroShotLabels asked, LabelMap learned, Path folder) {
    int entailment = named(learned, "entail");
    int contradiction = named(learned, "contradict");
    if (contradiction < 0) {
      contradiction = named(learned, "not_entail");
    }
    if (entailment < 0 || contradiction < 0) {
      throw refusal(folder, "classification into " + learned.describe());
    }
    asked.checkSeveral(", or " + Term.MULTI_LABEL + " to ask whether it holds");
    asked.refuse(asked.temperature() != null, Term.TEMPERATURE, "a choice by entailment");
    return new EntailmentZeroShot(asked, learned.size(), entailment, contradiction);
  }

  private static int named(LabelMap labels, String beginning) {
    for (int id = 0; id < labels.size(); id++) {
      if (labels.name(id).toLowerCase(Locale.ROOT).replace('-', '_').startsWith(beginning)) {
        return id;
      }
    }
    return -1;
  }

  @Override
  String method() {
    return "by entailment of \"" + (asked.template() == null ? TEMPLATE : asked.template()) + '"';
  }

  @Override
  public ZeroShot each() {
    return new EntailmentZeroShot(asked.each(), outputs, entailment, contradiction);
  }

  @Override
  public TaskType type() {
    return Type.HEAD;
  }

  @Override
  public HeadKind head() {
    return HeadKind.SEQUENCE;
  }

  @Override
  public int outputs() {
    return outputs;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    TextRows.checkLength(tokenizer, maxLength, tokenizer.specialTokens(true) + 2);
    List<String> sentences = asked.sentences(TEMPLATE);
    return new LabelledPairs<TokenIds>(
        sentences.size(),
        text -> {
          List<TokenIds> out = new ArrayList<>();
          for (String sentence : sentences) {
            out.add(tokenizer.encodeJudged(text, sentence, maxLength));
          }
          return out;
        },
        ids -> ids,
        (builder, ids) -> builder.add(ids.ids(), ids.typeIds()),
        () -> EncodedDataset.builder(TargetLayout.NONE, tokenizer.usesTypeIds()));
  }

  @Override
  double[][] scores(Batch batch, ModelOutput output) {
    int K = labels().size();
    double[][] scores = new double[batch.examples()][K];
    for (int k = 0; k < K; k++) {
      for (int i = 0; i < scores.length; i++) {
        int at = (k * scores.length + i) * output.cols();
        double entails = output.logits().get(at + entailment);
        double contradicts = output.logits().get(at + contradiction);
        scores[i][k] =
            asked.multiLabel() ? Logits.softmax(new double[] {contradicts, entails})[1] : entails;
      }
    }
    return scores;
  }
}
