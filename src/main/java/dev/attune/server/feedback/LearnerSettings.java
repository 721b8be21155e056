package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.Fields;
import java.util.List;

/**
 * How a model learns while it serves.
 *
 * @param minCorrections an update is made when so many have come since the last one
 * @param maxSeconds or when the first of them has waited so long
 * @param learningRate peak of an update's; null: 2e-5, of adapters 2e-4
 * @param epochs how often an update shows each new correction
 * @param batchSize rows of a step
 * @param replayShare of old rows among those that are shown
 * @param oldTolerance how much accuracy on old rows may lie below the first version's
 * @param seed of which old rows are shown, of the order, and of dropout
 * @param keptVersions whose files are kept, the newest, beside the first, the live one and the one
 *     before it
 * @param feedback "all": corrections are a fair sample, right answers among them; "mistakes": only
 *     wrong answers are sent, which says nothing of how often the live version is right
 */
record LearnerSettings(
    int minCorrections,
    int maxSeconds,
    Double learningRate,
    int epochs,
    int batchSize,
    double replayShare,
    double oldTolerance,
    long seed,
    int keptVersions,
    String feedback) {
  static final String ALL = "all";
  static final String MISTAKES = "mistakes";

  static final LearnerSettings DEFAULT =
      new LearnerSettings(10, 300, null, 8, 16, 0.9, 0.01, 42, 10, ALL);

  /** These with what a body or the journal says otherwise. */
  LearnerSettings with(Fields fields) {
    Double rate = fields.number("learning_rate", 1e-9, 1);
    return new LearnerSettings(
        whole(fields, "min_corrections", 1, 10_000, minCorrections),
        whole(fields, "max_seconds", 1, 30 * 86_400, maxSeconds),
        rate == null ? learningRate : rate,
        whole(fields, "epochs", 1, 100, epochs),
        whole(fields, "batch_size", 1, 1024, batchSize),
        real(fields, "replay_share", 0.9, replayShare),
        real(fields, "old_tolerance", 1, oldTolerance),
        seed(fields),
        whole(fields, "kept_versions", 1, 1000, keptVersions),
        fields.word("feedback", feedback, List.of(ALL, MISTAKES)));
  }

  private long seed(Fields fields) {
    Long value = fields.integer("seed", 0, Integer.MAX_VALUE);
    return value == null ? seed : value;
  }

  private static int whole(Fields fields, String name, int least, int most, int usual) {
    Long value = fields.integer(name, least, most);
    return value == null ? usual : value.intValue();
  }

  private static double real(Fields fields, String name, double most, double usual) {
    Double value = fields.number(name, 0, most);
    return value == null ? usual : value;
  }

  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("min_corrections", minCorrections);
    json.put("max_seconds", maxSeconds);
    json.put("learning_rate", learningRate);
    json.put("epochs", epochs);
    json.put("batch_size", batchSize);
    json.put("replay_share", replayShare);
    json.put("old_tolerance", oldTolerance);
    json.put("seed", seed);
    json.put("kept_versions", keptVersions);
    json.put("feedback", feedback);
    return json;
  }

  boolean isFairSample() {
    return feedback.equals(ALL);
  }
}
