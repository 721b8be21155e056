package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Tells a place of a run that is in the store: of one that it could not be told of in time. */
public final class Replay {
  private static final List<String> KNOWN_AT_THE_START =
      List.of(
          Documents.CONFIG, Documents.ENVIRONMENT, Documents.REPRODUCTION, Documents.DATA_REPORT);

  private Replay() {}

  /**
   * Tells all of it; the caller closes the sink.
   *
   * @throws InputException if it is not known what became of the run
   */
  public static void send(RunStore store, StoredRun run, RunSink sink) throws IOException {
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
            isKnownThere ? run.step() : 0,
            run.created().toEpochMilli(),
            documents));
    for (String series : store.series(run)) {
      List<Point> points = store.points(run, series, Long.MIN_VALUE);
      sink.write(new RunUpdate(points, Map.of(), run.step(), run.totalSteps(), RunStatus.RUNNING));
    }
    sink.write(new RunUpdate(List.of(), Map.of(), run.step(), run.totalSteps(), run.status()));
  }
}
