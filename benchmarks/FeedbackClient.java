import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Example;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Teaches a served classifier another domain by corrections, ten at a time, while somebody asks it all the time, and measures it
 * on both domains after each update. Files are JSON lines of a text and a label.
 *
 * <pre>
 * java -cp CLASSES FeedbackClient.java prepare DATASETS FOLDER
 * java -cp CLASSES FeedbackClient.java URL MODEL REPLAY HELD_OUT OLD_TEST CORRECTIONS NEW_TEST COUNT SETTINGS
 * </pre>
 *
 * <p>Prints CSV: corrections, version, new_accuracy, old_accuracy, requests, failed, most_millis, update_seconds.
 */
public final class FeedbackClient {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient CLIENT = HttpClient.newHttpClient();
  private static final int TEXTS = 64; // of a request that measures

  private static String url;
  private static String model;

  private record Row(String text, String label) {}

  private FeedbackClient() {}

  private static JsonNode call(String method, String path, String body) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + path))
            .header("Content-Type", "application/json")
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
            .build();
    HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IOException(method + " " + path + ": " + response.statusCode() + " " + response.body());
    }
    return JSON.readTree(response.body());
  }

  private static String upload(Path file) throws Exception {
    String boundary = "0123456789-boundary";
    String head =
        "--%s\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--%s\r\n".formatted(boundary, boundary)
            + "Content-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n".formatted(file.getFileName())
            + "Content-Type: application/octet-stream\r\n\r\n";
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/files"))
            .header("Content-Type", "multipart/form-data; boundary=" + boundary)
            .POST(
                BodyPublishers.ofByteArrays(
                    List.of(
                        head.getBytes(StandardCharsets.UTF_8),
                        Files.readAllBytes(file),
                        ("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8))))
            .build();
    HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new IOException("upload: " + response.body());
    }
    return JSON.readTree(response.body()).get("id").asText();
  }

  private static List<Row> rows(Path file) throws IOException {
    List<Row> rows = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      JsonNode json = JSON.readTree(line);
      rows.add(new Row(json.get("text").asText(), json.get("label").asText()));
    }
    return rows;
  }

  private static double accuracy(List<Row> rows) throws Exception {
    int right = 0;
    for (int at = 0; at < rows.size(); at += TEXTS) {
      List<Row> some = rows.subList(at, Math.min(rows.size(), at + TEXTS));
      ArrayNode input = JSON.createArrayNode();
      some.forEach(row -> input.add(row.text()));
      String body = JSON.createObjectNode().put("model", model).put("truncate", true).set("input", input).toString();
      JsonNode results = call("POST", "/classifications", body).get("results");
      for (int i = 0; i < some.size(); i++) {
        right += results.get(i).get("label").asText().equals(some.get(i).label()) ? 1 : 0;
      }
    }
    return (double) right / rows.size();
  }

  /** Asks until it is told to end. */
  private static final class Asker extends Thread {
    private final List<Row> rows;
    private final AtomicBoolean ends = new AtomicBoolean();
    private final AtomicInteger asked = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();
    private final AtomicLong mostNanos = new AtomicLong();

    Asker(List<Row> rows) {
      this.rows = rows;
    }

    @Override
    public void run() {
      for (int i = 0; !ends.get(); i++) {
        String body =
            JSON.createObjectNode()
                .put("model", model)
                .put("truncate", true)
                .put("input", rows.get(i % rows.size()).text())
                .toString();
        long begin = System.nanoTime();
        try {
          call("POST", "/classifications", body);
        } catch (Exception e) {
          failed.incrementAndGet();
          System.err.println("a request failed: " + e.getMessage());
        }
        long nanos = System.nanoTime() - begin;
        mostNanos.accumulateAndGet(nanos, Math::max);
        asked.incrementAndGet();
      }
    }
  }

  private static JsonNode settled() throws Exception {
    while (true) {
      JsonNode state = call("GET", "/models/" + model + "/learner", null);
      long least = state.at("/settings/min_corrections").asLong();
      if (state.get("status").asText().equals("waiting") && state.at("/corrections/since_last_update").asLong() < least) {
        return state;
      }
      Thread.sleep(50);
    }
  }

  private static void print(int corrections, String version, List<Row> recent, List<Row> old, Asker asker, double seconds)
      throws Exception {
    System.out.println(
        String.format(
            Locale.ROOT,
            "%d,%s,%.4f,%.4f,%d,%d,%.0f,%.1f",
            corrections,
            version.substring(version.indexOf('@') + 1),
            accuracy(recent),
            accuracy(old),
            asker.asked.get(),
            asker.failed.get(),
            asker.mostNanos.getAndSet(0) / 1e6,
            seconds));
  }

  private static void write(Path folder, String name, List<Row> science, List<Row> other, int first, int each)
      throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = first; i < first + each; i++) {
      for (Row row : List.of(science.get(i), other.get(i))) {
        lines.add(JSON.createObjectNode().put("text", row.text()).put("label", row.label()).toString());
      }
    }
    Files.write(folder.resolve(name + ".jsonl"), lines);
  }

  /** Makes the two domains: news, and documents. Both have as many rows of each label. */
  private static void prepare(Path datasets, Path folder) throws IOException {
    List<Row> science = new ArrayList<>();
    List<Row> other = new ArrayList<>();
    for (String line : Files.readAllLines(datasets.resolve("ag_news/test.csv"))) {
      String[] fields = line.substring(1, line.length() - 1).split("\",\"", 3); // class, title, description
      boolean isScience = fields[0].equals("4");
      (isScience ? science : other).add(new Row(fields[1] + ". " + fields[2], isScience ? "science" : "other"));
    }
    write(folder, "replay", science, other, 0, 600);
    write(folder, "held_out", science, other, 600, 500);
    write(folder, "old_test", science, other, 1100, 500);
    List<Row> abstracts = new ArrayList<>();
    Columns columns = Columns.parse("text=medical_abstract,label=condition_label");
    for (Example row : DataReader.read(datasets.resolve("medical_abstracts/medical_tc_test.csv"), columns).examples()) {
      abstracts.add(new Row(row.text(), "science"));
    }
    List<Row> terms = new ArrayList<>();
    for (String file : List.of("tldrlegal_v1.json", "tosdr_annotated_v1.json")) {
      for (JsonNode text : JSON.readTree(datasets.resolve("legal_summarization/" + file).toFile())) {
        terms.add(new Row(text.get("original_text").asText(), "other"));
      }
    }
    write(folder, "documents", abstracts, terms, 0, 125);
  }

  public static void main(String[] args) throws Exception {
    if (args[0].equals("prepare")) {
      prepare(Path.of(args[1]), Path.of(args[2]));
      return;
    }
    url = args[0];
    model = args[1];
    List<Row> old = rows(Path.of(args[4]));
    List<Row> corrections = rows(Path.of(args[5]));
    List<Row> recent = rows(Path.of(args[6]));
    String settings =
        "{\"replay_file\": \"%s\", \"held_out_file\": \"%s\"%s}"
            .formatted(upload(Path.of(args[2])), upload(Path.of(args[3])), args.length > 8 ? ", " + args[8] : "");
    JsonNode state = call("POST", "/models/" + model + "/learner", settings);
    int step = state.at("/settings/min_corrections").asInt();
    Asker asker = new Asker(recent);
    asker.start();
    try {
      print(0, state.get("live").asText(), recent, old, asker, 0);
      int count = Math.min(Integer.parseInt(args[7]), corrections.size());
      for (int at = 0; at + step <= count; at += step) {
        ArrayNode list = JSON.createArrayNode();
        corrections
            .subList(at, at + step)
            .forEach(row -> list.addObject().put("input", row.text()).put("label", row.label()));
        long begin = System.nanoTime();
        call("POST", "/models/" + model + "/feedback", JSON.createObjectNode().set("corrections", list).toString());
        state = settled();
        double seconds = (System.nanoTime() - begin) / 1e9;
        print(at + step, state.get("live").asText(), recent, old, asker, seconds);
        if (!state.get("trouble").isNull()) {
          System.err.println(state.get("trouble").asText());
        }
      }
    } finally {
      asker.ends.set(true);
      asker.join();
    }
    System.exit(asker.failed.get() > 0 ? 1 : 0);
  }
}
