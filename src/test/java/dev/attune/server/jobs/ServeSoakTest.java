package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.run.RunOption;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients of all kinds at once, for {@code -Dattune.soak.minutes} minutes, while the server is
 * killed now and then; for the last part it is left alone, and its memory must stay what it is.
 * {@code tools/serve_soak.sh} runs it.
 */
@Tag("nightly")
class ServeSoakTest {
  private static final double MINUTES =
      Double.parseDouble(System.getProperty("attune.soak.minutes", "10"));

  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final int STEPS = 120;
  private static final int OPEN_JOBS = 3;
  private static final double SHARE_WITH_KILLS = 0.6;

  /** Memory after warming up, and more that is none's fault. */
  private static final double MOST_GROWTH = 1.25;

  private static final long MOST_MORE_KIB = 48 << 10;

  @TempDir Path scratch;

  private final Map<String, AtomicLong> counts = new ConcurrentHashMap<>();
  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
  private final Queue<String> refusedInside = new ConcurrentLinkedQueue<>(); // ids of requests
  private final List<String> jobs = new ArrayList<>();
  private final Map<String, String> files = new ConcurrentHashMap<>(); // content by id
  private volatile URI address;
  private volatile boolean isOver;

  /** What a client does again and again. */
  private interface Act {
    void run(Client client, Random random) throws Exception;
  }

  private void count(String what) {
    counts.computeIfAbsent(what, key -> new AtomicLong()).incrementAndGet();
  }

  /** A connection that breaks is what a kill does; any other failure is a fault. */
  private Thread begun(String name, int number, Act act) {
    Random random = new Random(SEED * 31 + number);
    Thread thread =
        new Thread(
            () -> {
              while (!isOver) {
                try {
                  act.run(new Client(address, null), random);
                  count(name);
                } catch (IOException e) {
                  count("broken off");
                  JobsTrial.pause(100);
                } catch (Exception | AssertionError e) {
                  wrong.add(name + ": " + e);
                  JobsTrial.pause(100);
                }
              }
            },
            name);
    thread.start();
    return thread;
  }

  private Answer send(Client client, String path, String json) throws Exception {
    return noted(
        client.send(
            client
                .request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(json.replace('\'', '"')))));
  }

  private Answer noted(Answer answer) {
    if (answer.status() >= 500) {
      refusedInside.add(answer.header("x-request-id"));
      count("status " + answer.status());
    }
    return answer;
  }

  private static void assertAnswered(Answer answer) {
    assertTrue(
        answer.status() == 200 || answer.status() == 429 || answer.status() >= 500, answer::text);
  }

  private void chat(Client client, Random random) throws Exception {
    assertAnswered(
        send(
            client,
            "chat/completions",
            "{'model':'decoder','max_tokens':8,'stream':"
                + random.nextBoolean()
                + ",'messages':[{'role':'user','content':'a"
                + random.nextInt(100)
                + "'}]}"));
  }

  private void embed(Client client, Random random) throws Exception {
    assertAnswered(
        send(
            client,
            "embeddings",
            "{'model':'encoder','input':['good','a bad " + random.nextInt(9) + "']}"));
    JobsTrial.pause(5);
  }

  /** Reads a little of a stream, and hangs up. */
  private void leave(Client client, Random random) throws Exception {
    String body =
        "{\"model\":\"decoder\",\"prompt\":\"a\",\"max_tokens\":20,\"stream\":true,\"n\":4}";
    try (Socket socket = new Socket(address.getHost(), address.getPort())) {
      socket
          .getOutputStream()
          .write(
              ("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                      + "\r\nContent-Length: "
                      + body.length()
                      + "\r\n\r\n"
                      + body)
                  .getBytes(StandardCharsets.US_ASCII));
      socket.getInputStream().readNBytes(1 + random.nextInt(400));
    }
    JobsTrial.pause(20);
  }

  private void misuse(Client client, Random random) throws Exception {
    String[] bodies = {
      "{",
      "{'model':'none','prompt':'a'}",
      "{'model':'decoder','prompt':'" + "a".repeat(2_000_000) + "'}",
      "[]"
    };
    int status = send(client, "completions", bodies[random.nextInt(bodies.length)]).status();
    assertTrue(status >= 400 && status < 500, "status " + status);
    JobsTrial.pause(50);
  }

  private void keep(Client client, Random random) throws Exception {
    String content = JobsTrial.chats(1 + random.nextInt(200));
    Answer made = noted(client.upload("soak.jsonl", content));
    assertAnswered(made);
    if (made.status() == 200) {
      String id = made.json().path("id").asText();
      if (random.nextInt(4) == 0) {
        files.put(id, content);
      } else {
        noted(client.delete("files/" + id));
      }
    }
    JobsTrial.pause(50);
  }

  private void look(Client client, Random random) throws Exception {
    for (String path : List.of("/metrics", "/health", "models", "files", "fine_tuning/jobs")) {
      assertAnswered(noted(client.get(path)));
    }
    JobsTrial.pause(100);
  }

  /** Makes a job where few are open, or has one wait and go on. */
  private void train(Client client, Random random, String file) throws Exception {
    JsonNode newest = client.get("fine_tuning/jobs?limit=100").json().path("data");
    List<String> open = new ArrayList<>();
    newest.forEach(
        job -> {
          if (!job.hasNonNull("finished_at")) {
            open.add(job.path("id").asText());
          }
        });
    if (open.size() < OPEN_JOBS) {
      Answer made = send(client, "fine_tuning/jobs", JobsTrial.job(file, STEPS).toString());
      assertAnswered(made);
      if (made.status() == 200) {
        synchronized (jobs) {
          jobs.add(made.json().path("id").asText());
        }
      }
    } else {
      String id = open.get(random.nextInt(open.size()));
      noted(client.post("fine_tuning/jobs/" + id + "/pause"));
      JobsTrial.pause(random.nextInt(500));
      noted(client.post("fine_tuning/jobs/" + id + "/resume"));
    }
    JobsTrial.pause(500);
  }

  @Test
  void clientsAndKillsLoseNothing() throws Exception {
    JobsTrial.makeBases(scratch);
    Random random = new Random(SEED);
    String chats = JobsTrial.chats(40);
    long begin = System.nanoTime();
    long withKills = Math.round(MINUTES * SHARE_WITH_KILLS * 60e9);
    long whole = Math.round(MINUTES * 60e9);
    ServedProcess server = new ServedProcess(scratch, "512m");
    List<Thread> threads = new ArrayList<>();
    try {
      address = server.address();
      String file =
          new Client(address, null).upload("chats.jsonl", chats).json().path("id").asText();
      Act[] acts = {
        this::chat,
        this::chat,
        this::embed,
        this::leave,
        this::misuse,
        this::keep,
        this::look,
        (client, own) -> train(client, own, file)
      };
      String[] names = {"chat", "chat", "embed", "leave", "misuse", "keep", "look", "train"};
      for (int i = 0; i < acts.length; i++) {
        threads.add(begun(names[i], i, acts[i]));
      }
      int kills = 0;
      while (System.nanoTime() - begin < withKills) {
        Thread.sleep(5_000 + random.nextInt(20_000));
        server.close();
        kills++;
        server = new ServedProcess(scratch, "512m");
        address = server.address();
      }
      long left = whole - (System.nanoTime() - begin);
      Thread.sleep(Math.max(0, left / 2 / 1_000_000));
      long warm = server.memory("VmRSS");
      Thread.sleep(Math.max(0, left / 2 / 1_000_000));
      long last = server.memory("VmRSS");
      isOver = true;
      for (Thread thread : threads) {
        thread.join();
      }
      System.out.printf(
          "soak: %.1f minutes, %d kills, memory %d then %d MiB, %d jobs, %d files kept, %s%n",
          MINUTES, kills, warm >> 10, last >> 10, jobs.size(), files.size(), new TreeMap<>(counts));
      check(chats);
      assertTrue(
          last <= warm * MOST_GROWTH + MOST_MORE_KIB, "memory was " + warm + " KiB, is " + last);
    } finally {
      isOver = true;
      server.close();
    }
  }

  private void check(String chats) throws Exception {
    assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
    JobsTrial trial = new JobsTrial(scratch, address);
    byte[] same =
        Files.readAllBytes(trial.trained(chats, STEPS, Map.of(RunOption.BATCH_SIZE, "1")));
    for (String id : jobs) {
      if (trial.job(id).path("status").asText().equals("paused")) { // a kill came before it went on
        trial.post("/fine_tuning/jobs/" + id + "/resume");
      }
      trial.awaitStatus(id, "succeeded");
      assertArrayEquals(same, Files.readAllBytes(trial.made(id)), id + ", seed " + SEED);
      List<String> events = trial.events(id);
      for (String once : List.of("The job has successfully completed", "Step " + STEPS + "/")) {
        assertEquals(1, events.stream().filter(e -> e.startsWith(once)).count(), events::toString);
      }
    }
    Client client = new Client(address, null);
    for (Map.Entry<String, String> file : files.entrySet()) {
      assertEquals(file.getValue(), client.get("files/" + file.getKey() + "/content").text());
    }
    String log = ServedProcess.read(ServedProcess.log(scratch));
    for (String id : refusedInside) {
      assertTrue(log.contains(id), "nothing in the log of the server's error in " + id);
    }
  }
}
