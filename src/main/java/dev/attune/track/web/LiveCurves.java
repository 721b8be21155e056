package dev.attune.track.web;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.track.Point;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** What is new of runs' curves, for one page that draws them. */
public final class LiveCurves {
  /** Of a curve that is sent for the first time: a screen shows no more. */
  private static final int DRAWN = 2000;

  private final RunStore store;
  private final Map<String, Long> sent = new HashMap<>(); // the last step, by run and series

  /** Curves of which nothing was sent yet. */
  public LiveCurves(RunStore store) {
    this.store = store;
  }

  /**
   * Tells what is new since the last time: {@code {"series", "reset", "points": [[x, value], …]}},
   * where reset means that what came before is not to be drawn any more. A value is null where it
   * is no number.
   */
  public void read(StoredRun run, Consumer<ObjectNode> points) {
    for (String series : store.series(run)) {
      String key = run.id() + "/" + series;
      Long last = sent.get(key);
      // A run that goes on from a checkpoint has lost what came after it.
      boolean isBack = last != null && !series.startsWith(Point.SYSTEM) && run.step() < last;
      boolean isReset = last == null || isBack;
      List<Point> fresh = store.points(run, series, isReset ? Long.MIN_VALUE : last);
      if (!fresh.isEmpty()) {
        sent.put(key, fresh.get(fresh.size() - 1).x());
        points.accept(json(series, isReset, fresh));
      }
    }
  }

  private static ObjectNode json(String series, boolean isReset, List<Point> points) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("series", series).put("reset", isReset);
    ArrayNode values = json.putArray("points");
    int stride = 1 + points.size() / DRAWN;
    for (int i = 0; i < points.size(); i++) {
      if (i % stride == 0 || i == points.size() - 1) {
        Point point = points.get(i);
        ArrayNode pair = values.addArray().add(point.x());
        if (Double.isFinite(point.value())) {
          pair.add(point.value());
        } else {
          pair.addNull();
        }
      }
    }
    return json;
  }
}
