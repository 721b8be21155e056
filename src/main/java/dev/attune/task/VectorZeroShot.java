package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.folder.LinearHead;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.SentenceModules;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.ParameterBuilder;
import dev.attune.text.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * By how near the vector of a text is to those of sentences or descriptions that stand for the
 * labels: a softmax over cosines divided by a temperature.
 */
final class VectorZeroShot extends ZeroShot {
  private static final String TEMPLATE = "This text is about {}.";

  /** The scale of cosines in the losses that such models are trained with. */
  private static final double TEMPERATURE = 0.05;

  private final SentenceModules modules;
  private final LinearHead labelVectors; // null until they are read

  private VectorZeroShot(ZeroShotLabels asked, SentenceModules modules, LinearHead labelVectors) {
    super(asked);
    this.modules = modules;
    this.labelVectors = labelVectors;
  }

  static ZeroShot on(ZeroShotLabels asked, ModelFolder folder) {
    checkCompared(asked);
    asked.refuse(
        asked.template() != null && asked.isDescribed(),
        Term.HYPOTHESIS_TEMPLATE,
        "vectors where every label has a description, which stands alone");
    return new VectorZeroShot(asked, Embedding.open(folder).modules(), null);
  }

  private double temperature() {
    return asked.temperature() == null ? TEMPERATURE : asked.temperature();
  }

  @Override
  String method() {
    return "by cosine with "
        + (asked.isDescribed()
            ? "descriptions of the labels"
            : "\""
                + (asked.template() == null ? TEMPLATE : asked.template())
                + '"'
                + (asked.descriptions().isEmpty()
                    ? ""
                    : ", and descriptions of " + String.join(", ", asked.descriptions().keySet())))
        + ", temperature "
        + temperature();
  }

  @Override
  public ZeroShot each() {
    throw noneByItself();
  }

  @Override
  public TaskType type() {
    return Type.HEAD;
  }

  @Override
  public HeadKind head() {
    return HeadKind.POOLED;
  }

  @Override
  public Integer usualLength() {
    return modules.maxLength();
  }

  @Override
  public Model model(Backend backend, JsonNode config, Float dropout, ParameterBuilder builder) {
    return Families.pooled(backend, config, modules.pooling(), dropout, builder);
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    String prompt = modules.prompt(null);
    TextRows.checkLength(tokenizer, maxLength, tokenizer.specialTokens(false) + 1);
    return new LabelledPairs<>(
        1,
        text -> List.of(tokenizer.encodeIds(prompt + text, null, maxLength)),
        ids -> ids,
        (builder, ids) -> builder.add(ids.ids(), ids.typeIds()),
        () -> EncodedDataset.builder(TargetLayout.NONE, tokenizer.usesTypeIds()));
  }

  /** A description speaks for itself; a name is put into a sentence. */
  @Override
  public Dataset firstRows() {
    List<String> sentences = asked.sentences(TEMPLATE);
    List<Example> rows = new ArrayList<>();
    for (int k = 0; k < sentences.size(); k++) {
      boolean standsAlone = asked.descriptions().containsKey(labels().name(k));
      rows.add(Example.of(k + 1, standsAlone ? asked.words(k) : sentences.get(k), null));
    }
    return new Dataset(Path.of("labels"), rows);
  }

  @Override
  public Calibration fitting(EncodedDataset data) {
    float[][] vectors = new float[data.size()][];
    return new Calibration() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int b = 0; b < batch.sequences(); b++) {
          vectors[batch.exampleIndex()[b]] = UnitVectors.read(output, b);
        }
      }

      @Override
      public Task calibrated() {
        int C = vectors[0].length;
        float[] weight = new float[vectors.length * C];
        for (int i = 0; i < weight.length; i++) {
          weight[i] = (float) (vectors[i / C][i % C] / temperature());
        }
        return new VectorZeroShot(
            asked, modules, new LinearHead(weight, new float[vectors.length]));
      }
    };
  }

  @Override
  double[][] scores(Batch batch, ModelOutput output) {
    double[][] scores = new double[batch.examples()][labels().size()];
    for (int i = 0; i < scores.length; i++) {
      float[] logits = labelVectors.logits(UnitVectors.read(output, i));
      for (int k = 0; k < logits.length; k++) {
        scores[i][k] = logits[k];
      }
    }
    return scores;
  }
}
