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
import dev.attune.server.jobs.Jobs;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** What the data of a job are like, before the job is made. */
final class DataReportApi {
  private static final int AT_A_TIME = 2; // reading and tokenising take cores from jobs
  private static final int WAIT_SECONDS = 10;

  private final Jobs jobs;
  private final Places places;
  private final Semaphore free = new Semaphore(AT_A_TIME);

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
    Jobs.Asked asked = jobs.asked(exchange.caller().tenant(), exchange.body());
    if (!free.tryAcquire(WAIT_SECONDS, TimeUnit.SECONDS)) {
      throw ApiException.busy(AT_A_TIME + " reports are being made, the most at a time; ask again");
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
      free.release();
    }
  }
}
