package dev.attune.server.console;

import dev.attune.server.data.DataFolder;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Route;
import dev.attune.server.inference.ModelPool;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The page, and the routes that it needs beside OpenAI's. */
public final class Console {
  private final List<Route> routes;

  /**
   * @param bases folders of models by their names
   */
  public Console(
      DataFolder data, Map<String, Path> bases, Jobs jobs, ModelCatalog models, ModelPool pool) {
    Places places = new Places(data.folder(), bases);
    this.routes =
        Stream.of(
                new ConsolePage().routes(),
                new RunsApi(data.runs(), jobs::folder, places).routes(),
                new DataReportApi(jobs, places).routes(),
                new MachineApi(data.folder(), activity(jobs, models, pool)).routes())
            .flatMap(List::stream)
            .toList();
  }

  /** What is answered. */
  public List<Route> routes() {
    return routes;
  }

  private static MachineApi.Activity activity(Jobs jobs, ModelCatalog models, ModelPool pool) {
    return new MachineApi.Activity() {
      @Override
      public Map<String, Long> jobs(Caller caller) {
        return jobs.counts(caller.tenant());
      }

      @Override
      public List<MachineApi.OpenModel> models(Caller caller) {
        List<ModelPool.Open> open = pool.open();
        return models.list(caller.tenant()).stream()
            .flatMap(
                model ->
                    open.stream()
                        .filter(one -> one.folder().equals(model.folder()))
                        .map(one -> shown(model, one)))
            .toList();
      }
    };
  }

  private static MachineApi.OpenModel shown(ServedModel model, ModelPool.Open open) {
    return new MachineApi.OpenModel(model.id(), open.bytes(), open.users());
  }
}
