package dev.attune.model.ernie;

import dev.attune.model.Embeddings;
import dev.attune.model.Family;
import dev.attune.model.FamilyConfig;
import dev.attune.model.Names;
import dev.attune.model.bert.Bert;

/**
 * ERNIE (Sun et al., 2019 to 2021), as in Transformers' modeling_ernie.py: BERT with embeddings of
 * the task that a text is for, of which that of task 0 is added to every token where nobody names
 * another, as nobody does here.
 */
public final class Ernie {
  private static final Names NAMES =
      Bert.names("ernie").with(Names.Module.TASK, "embeddings.task_type_embeddings");

  private Ernie() {}

  /** Reads config.json of a model of type "ernie". */
  public static Family family(FamilyConfig config) {
    int width = config.positive("hidden_size", 768);
    int tasks = config.positive("task_type_vocab_size", 3);
    Embeddings embeddings =
        Embeddings.ofWidth(width)
            .positions(config.positive("max_position_embeddings", 512), 0)
            .tasks(config.flag("use_task_id", false) ? tasks : 0);
    return Bert.headed("ernie", config, width, embeddings, NAMES);
  }
}
