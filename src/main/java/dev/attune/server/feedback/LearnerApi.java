package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.run.RunOption;
import dev.attune.server.database.Journal;
import dev.attune.server.feedback.CorrectionStore.Coming;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Route;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersion;
import dev.attune.server.models.ModelVersions.Standing;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** {@code /v1/models/{model}/learner}: whether and how the model learns while it serves. */
final class LearnerApi {
  private static final String PATH = "/v1/models/{model}/learner";
  private static final String REPLAY_FILE = "replay_file";
  private static final String HELD_OUT_FILE = "held_out_file";
  private static final int LEAST_ROWS = 20; // of each side: fewer say nothing
  private static final int MOST_REPLAY = 100_000;
  private static final int SHARE_OF_HEAP = 8; // that a file may have: one in so many

  private final Journal journal;
  private final ModelCatalog models;
  private final Classifiers classifiers;
  private final CorrectionStore corrections;
  private final LearnerStore store;
  private final Learner learner;
  private final Learners learners;
  private final OldFiles files;

  LearnerApi(
      Journal journal,
      ModelCatalog models,
      Classifiers classifiers,
      CorrectionStore corrections,
      LearnerStore store,
      Learner learner,
      Learners learners,
      OldFiles files) {
    this.journal = journal;
    this.models = models;
    this.classifiers = classifiers;
    this.corrections = corrections;
    this.store = store;
    this.learner = learner;
    this.learners = learners;
    this.files = files;
  }

  List<Route> routes() {
    return List.of(
        new Route("POST", PATH, Scope.TRAINING, this::put),
        new Route("GET", PATH, Scope.TRAINING, this::get),
        new Route("DELETE", PATH, Scope.TRAINING, this::off));
  }

  private ModelLine line(Exchange exchange) {
    return models.line(exchange.caller().tenant(), exchange.parameter("model"));
  }

  private LearnerStore.State state(ModelLine line) {
    return store
        .find(line)
        .orElseThrow(
            () ->
                ApiException.notFound(
                    null,
                    "'" + line.model() + "' has no learner; POST to this path switches one on"));
  }

  private void put(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    classifiers.labels(line);
    Fields body = exchange.body();
    LearnerStore.State before = store.find(line).orElse(null);
    LearnerSettings settings =
        (before == null ? LearnerSettings.DEFAULT : before.settings()).with(body);
    String replay = body.text(REPLAY_FILE);
    String heldOut = body.text(HELD_OUT_FILE);
    body.refuseOthers();
    if (before != null && replay == null && heldOut == null) {
      learner.choose(line, settings, null);
    } else {
      OldData old = old(line, replay, heldOut);
      journal.change(
          session -> {
            models.versions().begin(session, line);
            return null;
          });
      learner.choose(line, settings, old);
    }
    learners.wake(line);
    exchange.answer(json(line));
  }

  /** The rows that a model was trained on, divided. */
  private OldData old(ModelLine line, String replayFile, String heldOutFile) throws IOException {
    OldFiles.Found found = files.of(line, replayFile, heldOutFile);
    List<LabelledText> replay = rows(line, REPLAY_FILE, replayFile, found.replay());
    List<LabelledText> held;
    if (found.heldOut() != null) {
      held = rows(line, HELD_OUT_FILE, heldOutFile, found.heldOut());
      Set<String> keys = held.stream().map(LabelledText::key).collect(Collectors.toSet());
      replay = replay.stream().filter(row -> !keys.contains(row.key())).toList();
    } else {
      held = replay.stream().filter(LabelledText::isHeldOut).toList();
      replay = replay.stream().filter(row -> !row.isHeldOut()).toList();
    }
    check(REPLAY_FILE, "to repeat", replay);
    check(HELD_OUT_FILE, "held out", held);
    return new OldData(drawn(replay, MOST_REPLAY), drawn(held, HeldOutGate.MOST_ROWS));
  }

  private static void check(String param, String which, List<LabelledText> rows) {
    long labels = rows.stream().map(LabelledText::label).distinct().count();
    if (rows.size() < LEAST_ROWS || labels < 2) {
      throw ApiException.badRequest(
          param,
          "there are "
              + rows.size()
              + " old rows "
              + which
              + ", with "
              + labels
              + " different labels; at least "
              + LEAST_ROWS
              + " rows with 2 labels are needed. Give a larger file");
    }
  }

  /** So many rows, which their texts choose: a file may be sorted. */
  private static List<LabelledText> drawn(List<LabelledText> rows, int most) {
    return rows.stream()
        .sorted(
            Comparator.comparing(
                row -> HexFormat.of().formatHex(LabelledText.digest("drawn" + row.key()))))
        .limit(most)
        .toList();
  }

  private List<LabelledText> rows(ModelLine line, String param, String id, Path file)
      throws IOException {
    String name = id == null ? "the file of the model's job" : "'" + id + "'";
    checkSize(param, name, file);
    List<LabelledText> rows = new ArrayList<>();
    try {
      for (Example example : DataReader.read(file).examples()) {
        if (example.text() == null || !LabelMap.isPresent(example.label())) {
          throw ApiException.badRequest(
              param, name + ", row " + example.row() + ": a text and a label are needed");
        }
        List<String> known = classifiers.labels(line);
        if (!known.contains(example.label())) {
          throw ApiException.badRequest(
              param,
              name
                  + ", row "
                  + example.row()
                  + " has the label '"
                  + example.label()
                  + "', which the model does not know; its labels are "
                  + String.join(", ", known));
        }
        rows.add(LabelledText.of(example));
      }
    } catch (InputException e) {
      throw ApiException.badRequest(
          param, RunOption.worded(e.getMessage()).replace(file.toString(), name));
    }
    return rows;
  }

  /** All rows of a file are in memory at a time. */
  private static void checkSize(String param, String name, Path file) throws IOException {
    long most = Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP;
    long bytes = Files.size(file);
    if (bytes > most) {
      throw ApiException.badRequest(
          param,
          name
              + " has "
              + bytes
              + " bytes; this server reads old rows from files of up to "
              + most
              + ". Name a file with a part of the rows");
    }
  }

  private void get(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    exchange.answer(json(line(exchange)));
  }

  private void off(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    state(line);
    store.off(line);
    exchange.answer(json(line));
  }

  private ObjectNode json(ModelLine line) {
    LearnerStore.State state = state(line);
    Standing standing = models.versions().standing(line).orElseThrow();
    ModelVersion live = models.versions().live(line).orElseThrow();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "model.learner");
    json.put("model", line.model());
    json.put("status", !state.isOn() ? "off" : learners.isAtWork(line) ? "working" : "waiting");
    json.put("live", live.name());
    json.set("settings", state.settings().toJson());
    ObjectNode rows = json.putObject("old_rows");
    rows.put("replay", state.old().replay());
    rows.put("held_out", state.old().heldOut());
    json.set("corrections", counts(line, live, state));
    json.set("watch", watch(line, live, standing, state));
    json.put("trouble", state.trouble());
    return json;
  }

  private ObjectNode counts(ModelLine line, ModelVersion live, LearnerStore.State state) {
    ObjectNode counts = JsonNodeFactory.instance.objectNode();
    CorrectionStore.Counts of = corrections.counts(line, live.learned());
    Coming coming = corrections.after(line, state.attempted());
    counts.put("total", of.all());
    counts.put("held_out", of.heldOut());
    counts.put("learned", of.learned());
    counts.put("waiting", of.all() - of.heldOut() - of.learned());
    counts.put("since_last_update", coming.count());
    return counts;
  }

  /** How the live version does beside the one before it. */
  private ObjectNode watch(
      ModelLine line, ModelVersion live, Standing standing, LearnerStore.State state) {
    Learner.Watch watch = learner.watch(line, live, standing);
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("rolls_back", state.settings().isFairSample() && live.parent() > 0);
    json.put("before", live.parent() > 0 ? line.model() + "@v" + live.parent() : null);
    json.put("rows", watch.rows());
    json.put(
        "accuracy", watch.rows() == 0 ? null : (Double) ((double) watch.right() / watch.rows()));
    json.put(
        "before_accuracy",
        watch.rows() == 0 ? null : (Double) ((double) watch.before() / watch.rows()));
    json.put("p_worse", watch.pWorse());
    return json;
  }
}
