package dev.attune.server.console;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.hub.Progress;
import dev.attune.run.DataInspection;
import dev.attune.run.RunConfig;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/** What the data of a job are like, before the job is made. */
public final class DataReportApi {
  private static final int AT_A_TIME = 2; // reading and tokenising take cores from jobs
  private static final int WAIT_SECONDS = 10;

  private final Requested requested;
  private final UnaryOperator<String> words;
  private final Places places;
  private final Semaphore free = new Semaphore(AT_A_TIME);

  /** How a job is asked for. */
  public interface Requested {
    /**
     * The options of the run that a body of POST /v1/fine_tuning/jobs asks for, checked, without a
     * job being made.
     */
    RunConfig of(String tenant, Fields body);
  }

  /**
   * @param requested reads what is asked for
   * @param words in which clients hear messages of rooms below
   */
  public DataReportApi(Requested requested, UnaryOperator<String> words, Places places) {
    this.requested = requested;
    this.words = words;
    this.places = places;
  }

  /** What is answered: the body is that of the job. */
  public List<Route> routes() {
    return List.of(new Route("POST", "/v1/attune/data_report", Scope.TRAINING, this::report));
  }

  private void report(Exchange exchange) throws IOException, InterruptedException {
    exchange.refuseOtherQueries();
    RunConfig config = requested.of(exchange.caller().tenant(), exchange.body());
    if (!free.tryAcquire(WAIT_SECONDS, TimeUnit.SECONDS)) {
      throw ApiException.busy(AT_A_TIME + " reports are being made, the most at a time; ask again");
    }
    try {
      DataReport report = DataInspection.of(config, Progress.silent());
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("object", "attune.data_report");
      json.setAll(report.toJson(words));
      exchange.answer(places.named(json));
    } catch (InputException e) {
      throw ApiException.badRequest(
          "training_file", places.named(words.apply(e.getMessage())));
    } finally {
      free.release();
    }
  }
}
