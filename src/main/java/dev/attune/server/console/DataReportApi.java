package dev.attune.server.console;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.hub.Progress;
import dev.attune.run.DataInspection;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import dev.attune.server.http.Shares;
import dev.attune.server.jobs.Jobs;
import java.io.IOException;
import java.util.List;

/** What the data of a job are like, before the job is made. */
final class DataReportApi {
  private static final int AT_A_TIME = 2; // reading and tokenising take cores from jobs
  private static final int WAIT_MILLIS = 10_000;

  private final Jobs jobs;
  private final Places places;
  private final Shares free = new Shares(AT_A_TIME);

  /** Reports on what could be jobs. */
  DataReportApi(Jobs jobs, Places places) {
    this.jobs = jobs;
    this.places = places;
  }

  /** What is answered: the body is that of the job. */
  List<Route> routes() {
    return List.of(new Route("POST", "/v1/attune/data_report", Scope.TRAINING, this::report));
  }

  private void report(Exchange exchange) throws IOException, InterruptedException {
    exchange.refuseOtherQueries();
    String tenant = exchange.caller().tenant();
    Jobs.Asked asked = jobs.asked(tenant, exchange.body());
    if (!free.tryAcquire(tenant, WAIT_MILLIS)) {
      throw ApiException.busy(
          "As many reports are being made as there may be, "
              + free.mostOfTenant()
              + " of a tenant and "
              + AT_A_TIME
              + " of all; ask again");
    }
    try {
      DataReport report = DataInspection.of(asked.config(), Progress.silent());
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("object", "attune.data_report");
      json.setAll(report.toJson(asked::worded));
      exchange.answer(places.named(json));
    } catch (InputException e) {
      throw ApiException.badRequest("training_file", places.named(asked.worded(e.getMessage())));
    } finally {
      free.release(tenant);
    }
  }
}
