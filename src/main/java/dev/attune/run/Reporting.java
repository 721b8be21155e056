package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.track.MlflowSink;
import dev.attune.track.OpenMetricsSink;
import dev.attune.track.RunSink;
import dev.attune.track.RunStore;
import dev.attune.track.TensorBoardSink;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Where a run is told, as ‹run store› and ‹report to› say.
 *
 * @param store folder of the run store; null: there is none
 * @param places without any twice
 * @param mlflow its server; null: it is not told
 * @param port for OpenMetrics; 0: none
 */
public record Reporting(Path store, Set<Place> places, MlflowSink.Server mlflow, int port) {
  /** As a value of an option: there is none. */
  private static final String NONE = "none";

  /** What can hear of runs. */
  public enum Place {
    TENSORBOARD,
    MLFLOW,
    OPENMETRICS
  }

  /**
   * As options say.
   *
   * @throws InputException on a place that is not known, or cannot be told
   */
  public static Reporting of(RunConfig config) {
    Set<Place> places = places(config);
    int port = config.smallInteger(RunOption.METRICS_PORT);
    if (port < 0 || port > 65535) {
      throw new InputException(
          RunOption.METRICS_PORT + " is " + port + "; it must be from 1 to 65535, or 0 for none");
    }
    return new Reporting(
        store(config),
        places,
        places.contains(Place.MLFLOW) ? MlflowSink.Server.of(System::getenv) : null,
        port);
  }

  static Set<Place> places(RunConfig config) {
    String list = config.text(RunOption.REPORT_TO);
    Set<Place> places = new LinkedHashSet<>();
    if (list != null && !list.equals(NONE)) {
      for (String name : list.split(",", -1)) {
        places.add(place(name.strip()));
      }
    }
    return places;
  }

  private static Path store(RunConfig config) {
    String value = config.text(RunOption.RUN_STORE);
    Path store = value == null || value.equals(NONE) ? null : Path.of(value);
    if (store != null && !RunStore.isAvailable()) {
      throw new InputException(
          RunOption.RUN_STORE.with(store)
              + " needs org.xerial:sqlite-jdbc, which is not on the class path");
    }
    if (store == null && config.flag(RunOption.REPORT)) {
      throw new InputException(
          RunOption.REPORT
              + " is made of what "
              + RunOption.RUN_STORE
              + " has: give a folder for it");
    }
    return store;
  }

  private static Place place(String name) {
    for (Place place : Place.values()) {
      if (place.name().toLowerCase(Locale.ROOT).equals(name)) {
        return place;
      }
    }
    throw new InputException(
        RunOption.REPORT_TO
            + " is '"
            + name
            + "'; it is a list of tensorboard, mlflow and openmetrics, or none");
  }

  /** The places beside the store, for a run in a folder. */
  public List<RunSink> sinks(Path folder) {
    List<RunSink> sinks = new ArrayList<>();
    for (Place place : places) {
      sinks.add(
          switch (place) {
            case TENSORBOARD -> new TensorBoardSink(folder.resolve("tensorboard"));
            case MLFLOW -> new MlflowSink(mlflow, folder);
            case OPENMETRICS -> new OpenMetricsSink(folder.resolve("metrics.prom"), port);
          });
    }
    return sinks;
  }
}
