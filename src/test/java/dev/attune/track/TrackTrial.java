package dev.attune.track;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/** Runs made up for tests. */
final class TrackTrial {
  private TrackTrial() {}

  static RunStart start(Path folder, long resumedAt) {
    return new RunStart(
        folder.getFileName().toString(),
        folder,
        "classification",
        "tiny",
        resumedAt,
        1_000_000,
        Map.of(Documents.CONFIG, JsonNodeFactory.instance.objectNode().put("epochs", "3")));
  }

  /** Losses of steps, 10 / step. */
  static RunUpdate steps(long first, long last, RunStatus status) {
    List<Point> points =
        LongStream.rangeClosed(first, last)
            .mapToObj(step -> new Point("train/loss", step, 1_000_000 + step, 10.0 / step))
            .toList();
    return new RunUpdate(points, Map.of(), last, 20, status);
  }
}
