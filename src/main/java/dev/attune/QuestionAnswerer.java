package dev.attune;

import dev.attune.core.Term;
import dev.attune.run.HeadModel;
import dev.attune.task.QuestionAnswering;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A model that finds the answer to a question in a text. A context longer than the model reads at a
 * time is read in windows that overlap. A model that was trained on questions without answer, as
 * SQuAD 2.0 has, may say that there is none.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class QuestionAnswerer implements AutoCloseable {
  /** How answers are found; each method returns this. What is not set is as in training. */
  public static final class Options {
    private final Map<Term, String> values = new EnumMap<>(Term.class);

    private Options() {}

    /** Answers to consider, at least 1; 20 unless the model was trained with another number. */
    public Options nBest(int value) {
      return set(Term.N_BEST, value);
    }

    /** Tokens of an answer at most; 30 unless the model was trained with another number. */
    public Options maxAnswerLength(int value) {
      return set(Term.MAX_ANSWER_LENGTH, value);
    }

    /** Tokens that windows of a long context share; 128 unless the model was trained otherwise. */
    public Options docStride(int value) {
      return set(Term.DOC_STRIDE, value);
    }

    /**
     * Lets the model say that there is no answer, and by how much the score of that must exceed the
     * best answer's: scores are sums of two logits. Without this, the threshold of a model that was
     * trained on questions without answer is 0, or what {@link Trainer#tuneThresholds} found;
     * others always answer.
     */
    public Options nullThreshold(double value) {
      return set(Term.NULL_THRESHOLD, value);
    }

    private Options set(Term option, Object value) {
      values.put(option, value.toString());
      return this;
    }
  }

  private final HeadModel model;

  private QuestionAnswerer(HeadModel model) {
    this.model = model;
  }

  /**
   * Opens the model in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static QuestionAnswerer open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static QuestionAnswerer open(Path folder, Consumer<ModelOptions> options) {
    return new QuestionAnswerer(ModelOptions.of(options).openHead(folder, QuestionAnswering.TYPE));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static QuestionAnswerer open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static QuestionAnswerer open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /**
   * Answers a question.
   *
   * @param context the text to find the answer in, of any length
   * @throws InvalidInputException if the context has nothing to read, or the question leaves no
   *     room for it
   */
  public Answering answer(String question, String context) {
    return answer(question, context, options -> {});
  }

  /** The same, with options. */
  public Answering answer(String question, String context, Consumer<Options> options) {
    return answer(List.of(new Question(question, context)), options).get(0);
  }

  /** Answers questions; as many answers, in their order. */
  public List<Answering> answer(List<Question> questions) {
    return answer(questions, options -> {});
  }

  /** The same, with options. */
  public List<Answering> answer(List<Question> questions, Consumer<Options> options) {
    Options chosen = new Options();
    options.accept(chosen);
    return Faults.translated(
        () -> {
          List<QuestionAnswering.Predicted> said =
              reader(chosen)
                  .predict(Texts.ofQuestions(questions), QuestionAnswering.Predicted.class);
          List<Answering> out = new ArrayList<>();
          for (int i = 0; i < said.size(); i++) {
            out.add(answering(questions.get(i).context(), said.get(i)));
          }
          return out;
        });
  }

  private HeadModel reader(Options chosen) {
    return chosen.values.isEmpty()
        ? model
        : model.with(((QuestionAnswering) model.task()).with(chosen.values::get));
  }

  private static Answering answering(String context, QuestionAnswering.Predicted said) {
    return new Answering(
        answer(context, said.best()), said.nBest().stream().map(a -> answer(context, a)).toList());
  }

  /** Offsets of code points to those of chars. */
  private static Answer answer(String context, QuestionAnswering.Candidate candidate) {
    if (candidate.start() < 0) {
      return new Answer("", candidate.score(), -1, -1);
    }
    int start = context.offsetByCodePoints(0, candidate.start());
    String text = candidate.text();
    return new Answer(text, candidate.score(), start, start + text.length());
  }

  @Override
  public void close() {
    model.close();
  }
}
