package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.folder.SavedSettings;
import dev.attune.kernels.Backend;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.ops.BinaryCrossEntropy;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.text.TextTokenizer;
import dev.attune.text.TokenIds;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * Which tokens are not those of the text: ELECTRA's discriminator (Clark et al., 2020), {@code
 * ElectraForPreTraining}. Tokens are masked as {@link MaskedLm} masks them, a {@link
 * TokenGenerator} writes others in their place, and every token of the sequence, special ones
 * included, has a target: whether it is another than stood there. The loss is the mean of their
 * binary cross-entropies.
 *
 * <p>The generator is a folder of its own, which is trained before and stays as it is, as in the
 * paper's training in two stages; the paper trains both at once.
 *
 * <p>The shares are those of its program: 15 % of the tokens, of which 85 % become the mask token.
 */
public final class ReplacedTokens extends MaskedTask {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private static final List<String> NAMES = List.of("original", "replaced");

  private final TokenGenerator generator; // null: nothing can be learned or measured

  private ReplacedTokens(MaskingOptions asked, TokenGenerator generator, long seed) {
    super(asked, asked.shares(0.15, 0.85, 0), seed);
    this.generator = generator;
  }

  /** Without a generator: batches come as they are to be read. */
  public ReplacedTokens() {
    this(MaskingOptions.NONE, null, 0);
  }

  /**
   * What is said of one text.
   *
   * @param tokens its tokens, without special ones
   * @param scores of each, the probability that it has replaced another
   */
  public record Predicted(List<String> tokens, List<Double> scores) implements Prediction {
    @Override
    public void write(ObjectNode row) {
      var replaced = row.putArray("predicted_replaced");
      for (int t = 0; t < tokens.size(); t++) {
        replaced.addObject().put("token", tokens.get(t)).put("score", scores.get(t));
      }
    }
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.REPLACED_TOKENS;
  }

  @Override
  public Model model(Backend backend, JsonNode config, Float dropout, ParameterBuilder builder) {
    Model model = super.model(backend, config, dropout, builder);
    if (generator == null) {
      return model;
    }
    try {
      int vocabulary = config.path("vocab_size").asInt();
      ((TransformerModel) model).readFrom(generator.open(backend, model, vocabulary));
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    if (purpose == Purpose.PREDICTION) {
      TextRows rows = new TextRows(tokenizer, maxLength, false, TargetLayout.NONE, TextRows.NONE);
      return new Spelled(rows, tokenizer, tokenizer.vocabulary().specialIds());
    }
    if (generator == null) {
      throw new InputException(
          Term.TASK.of(TYPE.name())
              + " needs a masked language model that writes tokens in the place of others: "
              + Term.GENERATOR);
    }
    generator.check(tokenizer, maxLength);
    return super.encoder(tokenizer, maxLength, purpose);
  }

  /** Rows that remember what their tokens are. */
  private record Spelled(TextRows rows, TextTokenizer tokenizer, BitSet special)
      implements RowEncoder<TokenIds> {
    @Override
    public TokenIds encode(Dataset dataset, Example example) {
      return rows.encode(dataset, example);
    }

    @Override
    public EncodedDataset pack(Dataset dataset, List<TokenIds> tokens) {
      String[][] spelled = tokens.stream().map(this::spelled).toArray(String[][]::new);
      return rows.pack(dataset, tokens).withNotes(new Spellings(spelled));
    }

    /** Null for special tokens. */
    private String[] spelled(TokenIds tokens) {
      String[] out = new String[tokens.ids().length];
      for (int t = 0; t < out.length; t++) {
        int id = tokens.ids()[t];
        out[t] = special.get(id) ? null : tokenizer.decode(new int[] {id}, false);
      }
      return out;
    }
  }

  /**
   * @param tokens of each row
   */
  private record Spellings(String[][] tokens) {}

  @Override
  public void prepare(Batch batch, Model model, Tape tape, Staging staging) {
    Check.state(model.generator() != null, "nobody writes tokens in the place of others");
    TokenGenerator.replace(batch, model.generator(), tape, staging);
  }

  /**
   * Rows that fill a device's batch up have no loss: how many have one differs in recorded work.
   */
  @Override
  public boolean readsBack() {
    return true;
  }

  @Override
  public int loss(Tape tape, Model model, Tensor output, Staging staging, float labelSmoothing) {
    int rows = staging.batch().rows();
    BinaryCrossEntropy.ofFirstRows(tape, output, rows, staging.rowLabels(), staging.losses());
    return rows;
  }

  @Override
  public List<String> metricNames() {
    ClassificationMetrics metrics = new ClassificationMetrics(NAMES);
    metrics.add(0, 0);
    return List.copyOf(metrics.values().keySet());
  }

  @Override
  public Measurement measurement(EncodedDataset data) {
    ClassificationMetrics metrics = new ClassificationMetrics(NAMES);
    return new Measurement() {
      @Override
      public void add(Batch batch, ModelOutput output) {
        for (int row = 0; row < batch.rows(); row++) {
          metrics.add((int) batch.targets()[row], output.logits().get(row) > 0 ? 1 : 0);
        }
      }

      @Override
      public Metrics metrics() {
        return metrics;
      }
    };
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    String[][] spellings = data.notes(Spellings.class).tokens();
    return (batch, output) -> {
      for (int b = 0; b < batch.sequences(); b++) {
        int index = batch.exampleIndex()[b];
        List<String> tokens = new ArrayList<>();
        List<Double> scores = new ArrayList<>();
        for (int t = 0; t < spellings[index].length; t++) {
          if (spellings[index][t] != null) {
            tokens.add(spellings[index][t]);
            scores.add(Logits.sigmoid(output.logits(), batch.cuSeqlens()[b] + t, 1)[0]);
          }
        }
        sink.accept(dataset.get(index), new Predicted(List.copyOf(tokens), List.copyOf(scores)));
      }
    };
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "replaced-token-detection";
    }

    @Override
    public List<String> aliases() {
      return List.of("rtd");
    }

    @Override
    public List<Term> options() {
      List<Term> terms = new ArrayList<>(MaskingOptions.TERMS);
      terms.add(Term.GENERATOR);
      return List.copyOf(terms);
    }

    @Override
    public String peftType() {
      return null;
    }

    /** The hub has no name for it; what such models are shared for is to be trained further. */
    @Override
    public String pipeline() {
      return "feature-extraction";
    }

    @Override
    public boolean streams() {
      return true;
    }

    /** Other families' classes for pretraining are for other tasks. */
    @Override
    public String classSuffix() {
      return "ElectraForPreTraining";
    }

    /** What it says of tokens is nothing that rows have. */
    @Override
    public boolean predicts() {
      return false;
    }

    @Override
    public boolean hasOwnHead() {
      return false;
    }

    @Override
    public boolean hasLabels() {
      return false;
    }

    @Override
    public void check(TaskOptions options) {
      MaskingOptions.of(options, SavedSettings.NONE).check();
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      String seed = options.get(Term.SEED);
      return made(options, SavedSettings.NONE, seed == null ? 0 : Long.parseLong(seed.strip()));
    }

    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return made(options, new SavedSettings(settings), 0);
    }

    private static ReplacedTokens made(TaskOptions options, SavedSettings saved, long seed) {
      String path = options.get(Term.GENERATOR);
      return new ReplacedTokens(
          MaskingOptions.of(options, saved), path == null ? null : TokenGenerator.in(path), seed);
    }
  }
}
