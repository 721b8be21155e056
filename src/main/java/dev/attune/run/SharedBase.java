package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.folder.BaseLoad;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.train.SharedPass;
import java.util.ArrayList;
import java.util.List;

/**
 * What the runs of a {@link TrainGroup} have in common: the backend with its tape, and the weights
 * of the base, which are loaded once. Used by whichever run has the turn.
 */
final class SharedBase implements AutoCloseable {
  /**
   * The place of a run in the group.
   *
   * @param job in the passes
   */
  record Seat(SharedBase base, SharedPass.Job job) {}

  private final SharedPass pass = new SharedPass();
  private Session session; // null until the first run opens it; likewise the others
  private ModelFolder folder;
  private Task task;
  private Model model;
  private ContentDigest.Contents contents; // null until the base is loaded
  private final List<Read> tokenizers = new ArrayList<>(); // guarded by this

  /**
   * A tokenizer that was read.
   *
   * @param content of its files then
   */
  private record Read(String content, TextTokenizer tokenizer) {}

  SharedPass pass() {
    return pass;
  }

  /** The backend and the tape of all. */
  Session session(Compute compute) {
    if (session == null) {
      session = Session.open(compute);
    }
    return session.lent();
  }

  /**
   * The tokenizer of the base, which stays open until this is closed: to read it takes longer than
   * to read the rows of a short run. Where its files have become others, it is read again.
   */
  synchronized TextTokenizer tokenizer(ModelFolder base) {
    for (Read read : tokenizers) {
      if (read.content.equals(ContentDigest.ofTokenizer(read.tokenizer))) {
        return read.tokenizer;
      }
    }
    TextTokenizer opened = base.openTokenizer();
    tokenizers.add(new Read(ContentDigest.ofTokenizer(opened), opened));
    return opened;
  }

  /** The weights of the base, which have a place from here on, and values once it is loaded. */
  Parameters declare(TrainPlan plan, ModelFolder base, Task learned) {
    if (base.isAdapter()) {
      throw new InputException(
          base.path()
              + " is an adapter; runs on one base are trained together where each begins its own."
              + " Train it further by itself");
    }
    if (!learned.stepMetrics().isEmpty()) {
      throw new InputException(
          learned.name()
              + " measures each step beside its loss, which runs that are trained together cannot"
              + " do yet. Train it by itself");
    }
    if (model == null) {
      ParameterBuilder builder = new ParameterBuilder();
      builder.freeze(
          session.precision(), HeldWeights.of(plan.config()).products(session.precision()));
      model = learned.model(session.backend(), base.config(), plan.dropout(), builder);
      folder = base;
      task = learned;
    }
    return model.parameters();
  }

  /** Loads the base, unless a run before has done so; returns what its files are. */
  ContentDigest.Contents load(int threads) {
    if (contents == null) {
      ModelWeights.load(folder.base(), model, BaseLoad.of(0));
      contents = ContentDigest.contents(folder, task.type().settingsFiles(folder), threads);
    }
    return contents;
  }

  /**
   * Makes room for a run's passes, before its first.
   *
   * @param adapted its model
   * @throws InputException if its layers cannot run for several jobs at a time, or if something of
   *     them is trained that is not an adapter of a product
   */
  void admit(TrainPlan plan, Model adapted) {
    if (!adapted.canShareLayers()) {
      throw new InputException(
          "the layers of "
              + adapted.architecture()
              + " look at the lengths of all texts of a batch, and cannot read those of several"
              + " runs at a time. Train each run by itself");
    }
    for (Segment segment : adapted.parameters().segments()) {
      boolean isApart =
          segment.name().endsWith(LoraConfig.DOWN)
              || segment.name().endsWith(LoraConfig.UP)
              || adapted.isHead(segment.name());
      if (!segment.frozen() && !isApart) {
        throw new InputException(
            "runs on one base are trained together where they train plain adapters of products"
                + " and heads alone; this one trains "
                + segment.name()
                + ". Train it by itself");
      }
    }
    model.reach(adapted.maxLength());
    pass.begin(model, session.tape(plan.trainer().seed()));
  }

  @Override
  public void close() {
    tokenizers.forEach(read -> read.tokenizer.close());
    if (model != null) {
      model.close();
    }
    if (session != null) {
      session.close();
    }
  }
}
