package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Tells a place of a run that is in the store: of one that it could not be told of in time. */
public final class Replay {
  private static final List<String> KNOWN_AT_THE_START =
      List.of(
          Documents.CONFIG, Documents.ENVIRONMENT, Documents.REPRODUCTION, Documents.DATA_REPORT);

  private static final int AT_A_TIME = 10_000;

  private Replay() {}

  /**
   * Tells all of it, in the order in which it came; the caller closes the sink.
   *
   * @throws InputException if the run is running: it tells of itself, and may do so to the same
   *     files; or if it is not known what became of it
   */
  public static void send(RunStore store, StoredRun run, RunSink sink) throws IOException {
    if (run.status() == RunStatus.RUNNING) {
      throw new InputException(
          "run " + run.id() + " (" + run.name() + ") is running; it can be sent when it has ended");
    }
    if (run.status() == RunStatus.UNKNOWN) {
      throw new InputException(
          "run "
              + run.id()
              + " has a status that this version of Attune does not know, and cannot be sent: use"
              + " the version that wrote it");
    }
    Map<String, JsonNode> documents = new LinkedHashMap<>();
    for (String kind : KNOWN_AT_THE_START) {
      JsonNode document = store.document(run, kind);
      if (!document.isMissingNode()) {
        documents.put(kind, document);
      }
    }
    boolean isKnownThere =
        sink instanceof MlflowSink && Files.exists(run.folder().resolve(MlflowSink.FILE));
    sink.begin(
        new RunStart(
            run.name(),
            run.folder(),
            run.task(),
            run.model(),
            isKnownThere ? Math.max(1, run.step()) : 0,
            run.created().toEpochMilli(),
            documents));
    List<Point> points = new ArrayList<>();
    store.forEach(run, points::add);
    // What the process used has no step of its own: where it lies between steps tells.
    points.sort(Comparator.comparingLong(Point::timeMillis));
    for (int i = 0; i < points.size(); i += AT_A_TIME) {
      List<Point> some = points.subList(i, Math.min(points.size(), i + AT_A_TIME));
      sink.write(new RunUpdate(some, Map.of(), run.step(), run.totalSteps(), RunStatus.RUNNING));
    }
    sink.write(new RunUpdate(List.of(), Map.of(), run.step(), run.totalSteps(), run.status()));
  }
}
