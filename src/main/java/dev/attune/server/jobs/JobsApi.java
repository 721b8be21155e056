package dev.attune.server.jobs;

import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.EventStream;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Page;
import dev.attune.server.http.Route;
import dev.attune.server.http.Shares;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/**
 * {@code /v1/fine_tuning/jobs}: OpenAI's, with what is Attune's own in the field {@code attune}.
 */
public final class JobsApi {
  private static final String JOBS = "/v1/fine_tuning/jobs";
  private static final String JOB = JOBS + "/{job}";

  /** Each holds a thread. */
  private static final int MOST_STREAMS = 64;

  private static final long LOOK_MILLIS = 500;
  private static final long PING_NANOS = 10_000_000_000L;
  private static final int STREAM_PIECE = 500;

  private final Jobs jobs;
  private final Shares streams = new Shares(MOST_STREAMS);

  /** Over all jobs. */
  public JobsApi(Jobs jobs) {
    this.jobs = jobs;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(
        new Route("POST", JOBS, Scope.TRAINING, this::create),
        new Route("GET", JOBS, Scope.TRAINING, this::list),
        new Route("GET", JOB, Scope.TRAINING, this::retrieve),
        new Route("POST", JOB + "/cancel", Scope.TRAINING, this::cancel),
        new Route("POST", JOB + "/pause", Scope.TRAINING, this::pause),
        new Route("POST", JOB + "/resume", Scope.TRAINING, this::resume),
        new Route("GET", JOB + "/events", Scope.TRAINING, this::events),
        new Route("GET", JOB + "/checkpoints", Scope.TRAINING, this::checkpoints));
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    JobRequest request = JobRequest.of(exchange.body());
    if (request.priority() > 0 && !exchange.caller().scopes().contains(Scope.ADMIN)) {
      throw ApiException.forbidden(
          "'attune.priority' is "
              + request.priority()
              + "; above 0 it goes before the jobs of others, for which this API key lacks the scope"
              + " 'admin'");
    }
    answer(exchange, jobs.create(exchange.caller().tenant(), request));
  }

  private void answer(Exchange exchange, Job job) throws IOException {
    exchange.answer(job.toJson(jobs.progress(job)));
  }

  private void list(Exchange exchange) throws IOException {
    Page page = Page.of(exchange, 20, 100);
    List<Job> found =
        jobs.store().list(exchange.caller().tenant(), page, exchange.queryMap("metadata[", "]"));
    exchange.refuseOtherQueries();
    exchange.answer(page.answer(found, Job::id, job -> job.toJson(jobs.progress(job))));
  }

  private Job job(Exchange exchange) {
    return jobs.store().find(exchange.caller().tenant(), exchange.parameter("job"));
  }

  private void retrieve(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    answer(exchange, job(exchange));
  }

  private void cancel(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    answer(exchange, jobs.cancel(job(exchange)));
  }

  private void pause(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    answer(exchange, jobs.pause(job(exchange)));
  }

  private void resume(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    answer(exchange, jobs.resume(job(exchange)));
  }

  private void events(Exchange exchange) throws IOException, InterruptedException {
    Job job = job(exchange);
    String stream = exchange.query("stream");
    if (stream != null && !Set.of("true", "false").contains(stream)) {
      throw ApiException.badRequest(
          "stream", "'stream' is '" + stream + "'; it must be true or false");
    }
    Page page = Page.of(exchange, 20, 1000);
    exchange.refuseOtherQueries();
    if ("true".equals(stream)) {
      stream(exchange, job);
    } else {
      exchange.answer(
          page.answer(jobs.store().trail().events(job.id(), page), JobEvent::id, JobEvent::toJson));
    }
  }

  /** All events from the first on, until the job has ended. */
  private void stream(Exchange exchange, Job job) throws IOException, InterruptedException {
    if (!streams.tryAcquire(job.tenant())) {
      throw ApiException.busy(
          "As many streams of events are open as there may be, "
              + streams.mostOfTenant()
              + " of a tenant and "
              + MOST_STREAMS
              + " of all; ask for the list");
    }
    try {
      EventStream out = exchange.events();
      long last = 0;
      long sent = System.nanoTime();
      while (true) {
        long seen = jobs.store().changes();
        boolean isOver =
            exchange.serverEnds()
                || jobs.store().find(job.id()).map(now -> now.status().isEnd()).orElse(true);
        List<JobEvent> next = jobs.store().trail().eventsAfter(job.id(), last, STREAM_PIECE);
        for (JobEvent event : next) {
          out.send(event.toJson());
          last = event.number();
          sent = System.nanoTime();
        }
        if (isOver && next.isEmpty()) {
          break;
        }
        if (next.isEmpty()) {
          jobs.store().await(seen, LOOK_MILLIS);
          exchange.checkCaller();
          if (System.nanoTime() - sent > PING_NANOS) {
            out.ping();
            sent = System.nanoTime();
          }
        }
      }
      out.done();
    } finally {
      streams.release(job.tenant());
    }
  }

  private void checkpoints(Exchange exchange) throws IOException {
    Job job = job(exchange);
    Page page = Page.of(exchange, 10, 100);
    exchange.refuseOtherQueries();
    List<JobCheckpoint> all = jobs.store().trail().checkpoints(job.id());
    int from = 0;
    if (page.after() != null) {
      while (from < all.size() && !all.get(from).id().equals(page.after())) {
        from++;
      }
      if (from == all.size()) {
        throw ApiException.badRequest("after", "The job has no checkpoint '" + page.after() + "'");
      }
      from++;
    }
    List<JobCheckpoint> rest = all.subList(from, Math.min(all.size(), from + page.limit() + 1));
    exchange.answer(page.answer(rest, JobCheckpoint::id, JobCheckpoint::toJson));
  }
}
