package dev.attune.run;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.task.Objective;
import dev.attune.task.Prediction;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.ZeroShot;
import dev.attune.train.Inference;
import java.util.List;
import java.util.function.BiConsumer;

/** A trained model that is open to predict rows for a command. */
final class Predictor implements AutoCloseable {
  private final Session session;
  private final TrainedModel trained;
  private final Inference inference;
  private final Task task;
  private final int threads;

  private Predictor(RunConfig config) {
    Opening opening = new Opening();
    try {
      session = opening.add(Session.open(config));
      trained = opening.add(TrainedModel.open(config, session));
      inference = opening.add(new Inference(session.backend()));
      check(config, trained);
      threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      task = trained.ready(inference, session.tape(0), threads);
    } catch (RuntimeException | Error e) {
      opening.closeAfter(e);
      throw e;
    }
  }

  /**
   * Opens the model.
   *
   * @throws InputException if it is none that predicts, saying which command uses it
   */
  static Predictor open(RunConfig config) {
    return new Predictor(config);
  }

  private static void check(RunConfig config, TrainedModel trained) {
    TaskType type = trained.task().type();
    String model = config.text(RunOption.MODEL);
    if (type.readsPairs()) {
      throw new InputException(
          RunOption.MODEL.with(model)
              + " makes embeddings of texts; attune embed "
              + RunOption.MODEL.with(model)
              + " writes them. To have it predict, "
              + (trained.folder().isAdapter()
                  ? "make one model of the adapter and its base (attune merge "
                      + RunOption.MODEL.with(model)
                      + ") and train that for a task"
                  : "train it for a task: " + Term.TRAINING.of(model)));
    }
    if (type.fillsMasks()) {
      throw new InputException(
          RunOption.MODEL.with(model)
              + " is a masked language model; attune fill finds words for masks. To have it"
              + " predict, train it first: "
              + Term.TRAINING.of(model));
    }
    if (type.generates() && !type.predicts()) {
      throw new InputException(
          RunOption.MODEL.with(model)
              + " is a language model; use attune generate "
              + (config.isGiven(RunOption.FILE)
                  ? RunOption.PROMPTS.with(config.texts(RunOption.FILE).get(0))
                  : RunOption.PROMPT.toString()));
    }
  }

  Task task() {
    return task;
  }

  EncodedDataset encoded(Dataset dataset) {
    EncodedDataset encoded =
        new Encoder(
                task.encoder(trained.tokenizer(), trained.maxLength(), Purpose.PREDICTION), threads)
            .encode(dataset);
    Data.checkVocabulary(encoded, trained.vocabularySize());
    return encoded;
  }

  /** Predicts rows; the sink hears of them in their order. */
  void predict(Dataset dataset, EncodedDataset encoded, BiConsumer<Example, Prediction> sink) {
    inference.run(
        trained.model(),
        session.tape(0),
        encoded,
        Objective.read(task),
        task.reading(dataset, encoded, sink));
  }

  /** How labels are chosen that the model has not learned; null: it has learned them. */
  String method() {
    return ZeroShot.method(task);
  }

  /** What whoever asks should know of the model. */
  List<String> notes() {
    return trained.unusedNote().stream().toList();
  }

  @Override
  public void close() {
    inference.close();
    trained.close();
    session.close();
  }
}
