package dev.attune.server.training;

import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.hub.Progress;
import dev.attune.run.AdapterTraining;
import dev.attune.run.RunConfig;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ServedModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Where sessions get their models from and leave what they make:
 *
 * <pre>
 * training/tsess-…/state-…/   a state: a store of one checkpoint
 * models/adapter-…/           an adapter that is served
 * </pre>
 */
final class Workshop {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");
  private static final int STATES = 32; // of a session that have names
  private static final String ADAPTER = "adapter-";
  private static final int SHORT_ID = 8;

  private final Journal journal;
  private final TrainingStore store;
  private final ModelCatalog models;
  private final ModelRoom room;
  private final Path states;
  private final Path modelFolder;
  private final Object folders = new Object(); // held from the choice of a state until it is read

  /**
   * @param states below which sessions have their folders
   * @param modelFolder below which models that are served lie
   */
  Workshop(
      Journal journal,
      TrainingStore store,
      ModelCatalog models,
      ModelRoom room,
      Path states,
      Path modelFolder) {
    this.journal = journal;
    this.store = store;
    this.models = models;
    this.room = room;
    this.states = states;
    this.modelFolder = modelFolder;
  }

  /** The name of the model, or of the version, that a name stands for now. */
  String pin(String tenant, String model) {
    return models.pin(tenant, model);
  }

  /** Refuses, within a change, a session whose model has gone since its name was pinned. */
  void checkThere(Journal.Session change, TrainingSession session) {
    models.checkThere(change, session.tenant(), session.request().model());
  }

  /**
   * What a session would take and read.
   *
   * @throws ApiException if there can be none such
   */
  AdapterTraining.Need need(String tenant, SessionRequest request) {
    ServedModel model = models.findPinned(tenant, request.model());
    try {
      return AdapterTraining.need(config(model, request), request.length(), Progress.silent());
    } catch (InputException e) {
      throw ApiException.badRequest(null, worded(model, e.getMessage()));
    }
  }

  private RunConfig config(ServedModel model, SessionRequest request) {
    return request.config(model.folder(), baseOf(model));
  }

  private Path baseOf(ServedModel model) {
    if (!ModelFolder.isAdapter(model.folder())) {
      return null;
    }
    Path base = models.baseOf(model);
    if (base == null) {
      throw ApiException.badRequest(
          "model",
          "'"
              + model.id()
              + "' is an adapter whose base this server does not have, so that it cannot be trained"
              + " on");
    }
    return base;
  }

  /** A message of the rooms below as a client understands it, without places on the disk. */
  private String worded(ServedModel model, String message) {
    String words =
        SessionRequest.worded(message).replace(model.folder().toString(), "'" + model.id() + "'");
    Path base = models.baseFolder(model);
    return base == null ? words : words.replace(base.toString(), "'" + model.base() + "'");
  }

  /** The same for a session. */
  String worded(TrainingSession session, String message) {
    try {
      return worded(models.findPinned(session.tenant(), session.request().model()), message);
    } catch (RuntimeException e) { // the model has gone, or cannot be looked up
      return SessionRequest.worded(message);
    }
  }

  /**
   * A tenant's session.
   *
   * @param param the field that names it; null: the path does
   * @throws ApiException if the tenant has none of that id
   */
  TrainingSession find(String tenant, String id, String param) {
    return store
        .find(id)
        .filter(session -> session.tenant().equals(tenant))
        .orElseThrow(
            () -> ApiException.notFound(param, "There is no training session '" + id + "'"));
  }

  /** The state that a session goes on from; empty: it begins anew. */
  Optional<SavedState> latest(TrainingSession session) {
    return store.states(session.id()).stream().findFirst();
  }

  /**
   * Opens a session's model as it was when its last state was saved.
   *
   * @throws ApiException if its files are not those with which the session was begun
   */
  AdapterTraining open(TrainingSession session) {
    ServedModel model = models.findPinned(session.tenant(), session.request().model());
    AdapterTraining training =
        AdapterTraining.open(
            config(model, session.request()),
            note -> LOG.log(Level.INFO, session.id() + ": " + note));
    try {
      Optional<String> was = store.base(session.id());
      was.ifPresent(content -> checkBase(model, content, training.content()));
      synchronized (folders) {
        latest(session).ifPresent(state -> load(training, state));
      }
      if (was.isEmpty()) {
        store.noteBase(session.id(), training.content());
      }
      return training;
    } catch (RuntimeException | Error e) {
      training.close();
      throw e;
    }
  }

  private static void checkBase(ServedModel model, String was, String is) {
    if (!was.equals(is)) {
      throw ApiException.baseChanged(
          "The files of '"
              + model.id()
              + "' are not those that the session was begun with: their content was "
              + was
              + " and is "
              + is
              + ". Whoever runs this server can put the former ones back");
    }
  }

  /** The versions of a session's model that have files; none of a version's own name. */
  List<String> versions(TrainingSession session) {
    return models.versionNames(session.tenant(), session.request().model());
  }

  /**
   * What the training that saved a state had begun from.
   *
   * @throws InputException if the state is not sound
   */
  String contentOf(SavedState state) {
    return AdapterTraining.contentOfState(folder(state), note -> {});
  }

  /** What a session would begin from, of another version; that is read to its end. */
  String contentOf(TrainingSession session, String version) {
    ServedModel model = models.findPinned(session.tenant(), version);
    return AdapterTraining.content(config(model, session.request()));
  }

  private Path folder(SavedState state) {
    return states.resolve(state.session()).resolve(state.id());
  }

  private void load(AdapterTraining training, SavedState state) {
    Path folder = folder(state);
    try {
      training.loadState(folder, note -> LOG.log(Level.WARNING, state.session() + ": " + note));
    } catch (InputException e) {
      String what = state.name() == null ? "that was saved last" : "'" + state.name() + "'";
      throw new InputException(e.getMessage().replace("in " + folder, what), e);
    }
  }

  /**
   * Goes on from a state of a tenant's session.
   *
   * @param from id of the session
   * @throws ApiException if there is none of that name
   */
  SavedState load(AdapterTraining training, String from, String name) {
    synchronized (folders) {
      SavedState state =
          named(from, name)
              .orElseThrow(
                  () -> ApiException.notFound("name", "The session has no state '" + name + "'"));
      load(training, state);
      return state;
    }
  }

  Optional<SavedState> named(String session, String name) {
    return store.states(session).stream().filter(state -> name.equals(state.name())).findFirst();
  }

  /**
   * Saves a state, which is there when this returns, in place of one of its name and of that which
   * has none. One without a name is no matter of quotas: it is all that is left of the training.
   *
   * @param name null: none
   * @param turn of the last call that it has seen
   * @param dropped calls whose gradients it lacks
   */
  SavedState save(
      TrainingSession session, AdapterTraining training, String name, long turn, int dropped)
      throws IOException {
    if (name != null) {
      checkQuota(session, training.stateBytes(), name);
    }
    room.checkDisk(training.stateBytes());
    SavedState state =
        new SavedState(
            Ids.next("state-"),
            session.id(),
            name,
            Instant.now().getEpochSecond(),
            training.steps(),
            turn,
            dropped);
    Path folder = folder(state);
    boolean isKept = false;
    try {
      FileOps.SYSTEM.createFolder(folder.getParent());
      training.saveWithoutGradients(
          folder, note -> LOG.log(Level.WARNING, session.id() + ": " + note));
      FileOps.SYSTEM.syncFolder(folder.getParent());
      List<SavedState> replaced = store.add(state, STATES);
      isKept = true;
      replaced.forEach(this::removeFolder);
    } finally {
      if (!isKept) {
        removeFolder(state);
      }
    }
    return state;
  }

  private void checkQuota(TrainingSession session, long needed, String name) throws IOException {
    List<Path> replaced =
        store.states(session.id()).stream()
            .filter(state -> state.name() == null || state.name().equals(name))
            .map(this::folder)
            .toList();
    room.checkQuota(session.tenant(), needed, replaced);
  }

  /**
   * Saves what a session has trained since its last state, before its model is closed. Gradients
   * that wait stay with the model: if that does, they are there for the next update.
   *
   * @param turn of the last call that the model has seen
   * @return false: it could not be saved
   */
  boolean keep(TrainingSession session, AdapterTraining training, long turn) {
    try {
      if (turn != latest(session).map(SavedState::turn).orElse(0L)) {
        save(session, training, null, turn, training.pending());
      }
      return true;
    } catch (ApiException | IOException | UncheckedIOException e) {
      LOG.log(Level.ERROR, session.id() + " cannot be saved: " + e.getMessage(), e);
      return false;
    }
  }

  /** Where all states of a tenant lie. */
  List<Path> folders(String tenant) {
    return store.all().stream()
        .filter(session -> session.tenant().equals(tenant))
        .map(session -> states.resolve(session.id()))
        .toList();
  }

  private void removeFolder(SavedState state) {
    remove(folder(state));
  }

  /** Waits while a state is read: half of one would be half a model. */
  private void remove(Path folder) {
    try {
      synchronized (folders) {
        FileOps.SYSTEM.deleteTree(folder);
      }
    } catch (IOException e) { // the next start removes it
      LOG.log(Level.WARNING, folder + " cannot be removed: " + e.getMessage());
    }
  }

  /**
   * Takes a state of a session out.
   *
   * @param isOpen whether the session's model is, which needs no state then
   * @throws ApiException if there is none of that name, or the session is to go on from it
   */
  void remove(TrainingSession session, String name, boolean isOpen) {
    SavedState state =
        named(session.id(), name)
            .orElseThrow(
                () -> ApiException.notFound(null, "The session has no state '" + name + "'"));
    if (!isOpen && state.id().equals(latest(session).orElseThrow().id())) {
      throw ApiException.conflict(
          "The session is not open, and goes on from the state '" + name + "'; save another first");
    }
    store.remove(state);
    removeFolder(state);
  }

  /** Takes all out that a session has. */
  void remove(TrainingSession session) {
    store.delete(session.id());
    remove(states.resolve(session.id()));
  }

  /** Saves the adapter as a model that is served from now on. */
  ServedModel serve(TrainingSession session, AdapterTraining training, String suffix)
      throws IOException {
    room.checkQuota(session.tenant(), training.adapterBytes(), List.of());
    room.checkDisk(training.adapterBytes());
    journal.read(
        read -> {
          room.checkCount(read, session.tenant()); // before anything is written
          return null;
        });
    ServedModel model = models.findPinned(session.tenant(), session.request().model());
    String id = Ids.next("");
    Path folder = modelFolder.resolve(ADAPTER + id);
    boolean isKept = false;
    try {
      training.saveAdapter(folder);
      ServedModel served =
          new ServedModel(
              model.tunedName(session.tenant(), suffix, id.substring(0, SHORT_ID)),
              session.tenant(),
              Instant.now(),
              model.baseOf(folder),
              folder,
              null);
      ModelRoom.Made made = room.measure(session.tenant(), folder);
      journal.change(
          change -> {
            room.checkCount(change, session.tenant());
            checkThere(change, session); // one that was deleted meanwhile does not hold it
            room.checkMade(made, List.of());
            models.add(change, served);
            return null;
          });
      isKept = true;
      return served;
    } finally {
      if (!isKept) {
        remove(folder);
      }
    }
  }

  /** What a kill between a change of the journal and one of the disk has left. */
  List<Path> leftovers() throws IOException {
    Set<Path> known = store.states().stream().map(this::folder).collect(Collectors.toSet());
    Set<Path> sessions =
        store.all().stream().map(one -> states.resolve(one.id())).collect(Collectors.toSet());
    Set<Path> served = new HashSet<>();
    models.tuned().forEach(model -> served.add(model.folder()));
    List<Path> found = new ArrayList<>();
    for (Path session : inside(states, "*")) {
      if (!sessions.contains(session)) {
        found.add(session);
      } else {
        inside(session, "*").stream().filter(state -> !known.contains(state)).forEach(found::add);
      }
    }
    inside(modelFolder, ADAPTER + "*").stream()
        .filter(folder -> !served.contains(folder))
        .forEach(found::add);
    return found;
  }

  private static List<Path> inside(Path folder, String pattern) throws IOException {
    List<Path> found = new ArrayList<>();
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, pattern)) {
        all.forEach(found::add);
      } catch (DirectoryIteratorException e) {
        throw e.getCause();
      }
    }
    Collections.sort(found);
    return found;
  }

  /** Removes them. */
  void removeLeftovers() {
    try {
      leftovers().forEach(this::remove);
    } catch (IOException | RuntimeException e) { // room on the disk is no reason not to serve
      LOG.log(Level.WARNING, "what sessions have left cannot be removed: " + e.getMessage(), e);
    }
  }

  /** Reads all states; says of which a byte is not as it was written. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    for (SavedState state : store.states()) {
      List<String> notes = new ArrayList<>();
      boolean isSound = new CheckpointStore(folder(state), 2, notes::add).latest().isPresent();
      if (!isSound) {
        problems.add(
            "state "
                + (state.name() == null ? state.id() : state.name())
                + " of "
                + state.session()
                + ": "
                + (notes.isEmpty() ? "there is none in its folder" : String.join("; ", notes)));
      }
    }
    return problems;
  }
}
