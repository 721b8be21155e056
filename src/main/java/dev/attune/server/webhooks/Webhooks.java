package dev.attune.server.webhooks;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** All webhooks, and what is on its way to them. Any number of threads use it. */
public final class Webhooks implements AutoCloseable {
  /** Its tables. */
  public static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE webhooks(
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL,
            secret TEXT NOT NULL, events TEXT NOT NULL, created INTEGER NOT NULL,
            updated INTEGER NOT NULL) WITHOUT ROWID
          """,
          """
          CREATE TABLE webhook_messages(
            number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, webhook TEXT NOT NULL,
            body TEXT NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL)
          """,
          "CREATE INDEX messages_by_time ON webhook_messages(due)");

  /** What can be told. */
  static final List<String> EVENTS =
      List.of("fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled");

  /** How long to wait after each try that failed; after the last of them there is no other. */
  private static final List<Duration> USUAL_WAITS =
      List.of(
          Duration.ofSeconds(5),
          Duration.ofSeconds(30),
          Duration.ofMinutes(2),
          Duration.ofMinutes(10),
          Duration.ofHours(1),
          Duration.ofHours(6),
          Duration.ofHours(24));

  private static final System.Logger LOG = System.getLogger("dev.attune.server.webhooks");
  private static final int SENDERS = 4;
  private static final int MOST_OF_TENANT = 20;
  private static final long LONGEST_WAIT_MILLIS = 60_000;

  private final Journal journal;
  private final Map<String, Webhook> owners = new LinkedHashMap<>();
  private final List<Duration> waits;
  private final ExecutorService senders;
  private final Thread thread;
  private final Object changed = new Object();
  private final Set<String> busy = new HashSet<>(); // webhooks, guarded by changed
  private boolean woken; // guarded by changed
  private boolean closed; // guarded by changed

  /** A message on its way. */
  private record Message(long number, String id, String webhook, String body, int attempts) {}

  /**
   * Webhooks that hear once this is started.
   *
   * @param ownUrls of the server's owner, with their secrets
   */
  public Webhooks(Journal journal, Map<URI, String> ownUrls) {
    this(journal, ownUrls, USUAL_WAITS);
  }

  Webhooks(Journal journal, Map<URI, String> ownUrls, List<Duration> waits) {
    this.journal = journal;
    this.waits = waits;
    ownUrls.forEach(
        (url, secret) -> {
          Signature.check(secret);
          String id = "owner:" + url;
          owners.put(
              id,
              new Webhook(id, null, "", Endpoint.of(url.toString(), true), secret, EVENTS, 0, 0));
        });
    this.senders =
        Executors.newFixedThreadPool(
            SENDERS,
            work -> {
              Thread sender = new Thread(work, "attune-webhook-sender");
              sender.setDaemon(true);
              return sender;
            });
    this.thread = new Thread(this::run, "attune-webhooks");
    thread.setDaemon(true);
  }

  /** Begins to send what is to be sent. */
  public void start() {
    thread.start();
  }

  private static Webhook read(ResultSet row) throws SQLException {
    return new Webhook(
        row.getString("id"),
        row.getString("tenant"),
        row.getString("name"),
        new Endpoint(URI.create(row.getString("url")), false),
        row.getString("secret"),
        List.of(row.getString("events").split(",")),
        row.getLong("created"),
        row.getLong("updated"));
  }

  /** Those of a tenant, the newest first. */
  List<Webhook> list(String tenant) {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM webhooks WHERE tenant = ? ORDER BY created DESC, id",
                Webhooks::read,
                tenant));
  }

  /**
   * One of a tenant's.
   *
   * @throws ApiException if it has none of that id
   */
  Webhook find(String tenant, String id) {
    return list(tenant).stream()
        .filter(webhook -> webhook.id().equals(id))
        .findFirst()
        .orElseThrow(() -> ApiException.notFound(null, "There is no webhook '" + id + "'"));
  }

  /** Notes a new one, with a new secret. */
  Webhook create(String tenant, String name, Endpoint endpoint, List<String> events) {
    long now = Instant.now().getEpochSecond();
    Webhook webhook =
        new Webhook(
            Ids.next("wh_"), tenant, name, endpoint, Signature.newSecret(), events, now, now);
    journal.change(
        session -> {
          List<Webhook> there =
              session.list("SELECT * FROM webhooks WHERE tenant = ?", Webhooks::read, tenant);
          if (there.size() >= MOST_OF_TENANT) {
            throw ApiException.overQuota(
                "There are "
                    + MOST_OF_TENANT
                    + " webhooks, the most that there may be; delete one");
          }
          return session.update(
              "INSERT INTO webhooks VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
              webhook.id(),
              tenant,
              name,
              endpoint.url().toString(),
              webhook.secret(),
              String.join(",", events),
              now,
              now);
        });
    return webhook;
  }

  /** Notes how one is now. */
  Webhook update(Webhook webhook) {
    journal.change(
        session ->
            session.update(
                "UPDATE webhooks SET name = ?, url = ?, secret = ?, events = ?, updated = ?"
                    + " WHERE id = ? AND tenant = ?",
                webhook.name(),
                webhook.endpoint().url().toString(),
                webhook.secret(),
                String.join(",", webhook.events()),
                Instant.now().getEpochSecond(),
                webhook.id(),
                webhook.tenant()));
    return find(webhook.tenant(), webhook.id());
  }

  /** Forgets one, with what was on its way to it. */
  void delete(String tenant, String id) {
    journal.change(
        session -> {
          int rows = session.update("DELETE FROM webhooks WHERE id = ? AND tenant = ?", id, tenant);
          if (rows == 0) {
            throw ApiException.notFound(null, "There is no webhook '" + id + "'");
          }
          return session.update("DELETE FROM webhook_messages WHERE webhook = ?", id);
        });
  }

  /**
   * Tells all whom it concerns, within the change that they are told of. Call {@link #wake} once
   * that is committed.
   *
   * @param type such as {@code fine_tuning.job.succeeded}
   * @param subject id of what it is about
   */
  public void tell(Journal.Session session, String tenant, String type, String subject) {
    List<Webhook> concerned = new ArrayList<>(owners.values());
    concerned.addAll(
        session.list("SELECT * FROM webhooks WHERE tenant = ?", Webhooks::read, tenant));
    for (Webhook webhook : concerned) {
      if (webhook.events().contains(type)) {
        ObjectNode body = body(type, subject);
        session.update(
            "INSERT INTO webhook_messages(id, webhook, body, attempts, due) VALUES(?, ?, ?, 0, ?)",
            body.path("id").asText(),
            webhook.id(),
            body.toString(),
            System.currentTimeMillis());
      }
    }
  }

  private static ObjectNode body(String type, String subject) {
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("object", "event").put("id", Ids.next("evt_")).put("type", type);
    body.put("created_at", Instant.now().getEpochSecond());
    body.putObject("data").put("id", subject);
    return body;
  }

  /**
   * Sends one a message at once, to try it.
   *
   * @return the status of its answer
   * @throws IOException if it could not be sent
   */
  static int test(Webhook webhook, String type) throws IOException {
    ObjectNode body = body(type, "ftjob-test");
    return post(webhook, body.path("id").asText(), body.toString());
  }

  /** Has what is new be sent at once. */
  public void wake() {
    synchronized (changed) {
      woken = true;
      changed.notifyAll();
    }
  }

  private void run() {
    while (true) {
      try {
        long wait = hand(due());
        synchronized (changed) {
          if (closed) {
            return;
          }
          if (!woken) {
            changed.wait(wait);
          }
          woken = false;
        }
      } catch (InterruptedException e) {
        return;
      } catch (RuntimeException e) {
        LOG.log(Level.ERROR, "webhooks cannot be sent: " + e.getMessage(), e);
        pause();
      }
    }
  }

  private void pause() {
    try {
      Thread.sleep(1000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The first message of each webhook, by the time when it is due. */
  private List<Map.Entry<Message, Long>> due() {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM webhook_messages WHERE number IN"
                    + " (SELECT min(number) FROM webhook_messages GROUP BY webhook) ORDER BY due",
                row ->
                    Map.entry(
                        new Message(
                            row.getLong("number"),
                            row.getString("id"),
                            row.getString("webhook"),
                            row.getString("body"),
                            row.getInt("attempts")),
                        row.getLong("due"))));
  }

  /** Hands on what is due; returns how long until something else is. */
  private long hand(List<Map.Entry<Message, Long>> messages) {
    long now = System.currentTimeMillis();
    long wait = LONGEST_WAIT_MILLIS;
    for (Map.Entry<Message, Long> message : messages) {
      if (message.getValue() > now) {
        wait = Math.min(wait, message.getValue() - now);
        continue;
      }
      synchronized (changed) {
        if (closed || !busy.add(message.getKey().webhook())) {
          continue;
        }
      }
      senders.execute(() -> send(message.getKey()));
    }
    return Math.max(1, wait);
  }

  private Optional<Webhook> find(String id) {
    return owners.containsKey(id)
        ? Optional.of(owners.get(id))
        : journal.read(
            session -> session.first("SELECT * FROM webhooks WHERE id = ?", Webhooks::read, id));
  }

  private void send(Message message) {
    try {
      Optional<Webhook> webhook = find(message.webhook());
      String failure =
          webhook.isEmpty() ? "nobody wants it any more" : failure(webhook.get(), message);
      boolean isLast = webhook.isEmpty() || message.attempts() >= waits.size();
      if (failure == null || isLast) {
        journal.change(
            session ->
                session.update("DELETE FROM webhook_messages WHERE number = ?", message.number()));
      } else {
        long due = System.currentTimeMillis() + waits.get(message.attempts()).toMillis();
        journal.change(
            session ->
                session.update(
                    "UPDATE webhook_messages SET attempts = attempts + 1, due = ? WHERE number = ?",
                    due,
                    message.number()));
      }
      if (failure != null) {
        LOG.log(
            isLast ? Level.WARNING : Level.INFO,
            message.id()
                + " to "
                + message.webhook()
                + (isLast ? " is given up: " : " will be sent again: ")
                + failure);
      }
    } catch (RuntimeException e) {
      LOG.log(Level.ERROR, message.id() + ": " + e.getMessage(), e);
      pause(); // it is due still
    } finally {
      synchronized (changed) {
        busy.remove(message.webhook());
      }
      wake();
    }
  }

  /** Null: it was taken. */
  private static String failure(Webhook webhook, Message message) {
    try {
      int status = post(webhook, message.id(), message.body());
      return status >= 200 && status < 300 ? null : "it answered " + status;
    } catch (IOException | RuntimeException e) {
      return words(e);
    }
  }

  /** Why a message could not be sent, as whoever wants it may read it. */
  static String words(Exception e) {
    return e instanceof UnknownHostException
        ? "there is no host '" + e.getMessage() + "'"
        : e.getMessage() == null ? "the connection failed" : e.getMessage();
  }

  private static int post(Webhook webhook, String id, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    long timestamp = Instant.now().getEpochSecond();
    Map<String, String> headers = new LinkedHashMap<>();
    headers.put("webhook-id", id);
    headers.put("webhook-timestamp", Long.toString(timestamp));
    headers.put("webhook-signature", Signature.of(webhook.secret(), id, timestamp, body));
    return webhook.endpoint().post(body, headers);
  }

  /** How many messages are on their way. */
  public long waiting() {
    return journal.read(
        session ->
            session
                .first("SELECT count(*) FROM webhook_messages", row -> row.getLong(1))
                .orElseThrow());
  }

  /** Ends; what is not sent is sent after the next start. */
  @Override
  public void close() {
    synchronized (changed) {
      closed = true;
      changed.notifyAll();
    }
    senders.shutdownNow();
    try {
      thread.join(TimeUnit.SECONDS.toMillis(10));
      senders.awaitTermination(15, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
