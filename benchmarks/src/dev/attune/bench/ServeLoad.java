package dev.attune.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.LabeledText;
import dev.attune.Trainer;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * Load on a server, from clients in the same process over loopback: each sends its next request
 * when the one before is answered. Prints a line of CSV for each number of clients.
 *
 * <p>Arguments: kind (generation, classification or embeddings), folder to work in, MiniLM's
 * folder, clients (1,16,64), seconds of a round, rounds.
 */
public final class ServeLoad {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int PROMPT_TOKENS = 32;
  private static final int NEW_TOKENS = 32;
  private static final int VOCABULARY = 50257;

  private static final String GPT2 =
      """
      {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 50257,
       "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "embd_pdrop": 0,
       "attn_pdrop": 0, "resid_pdrop": 0, "eos_token_id": 50256, "bos_token_id": 50256}
      """;

  private static final String WORDS =
      "the film is a long and quiet story of two people who have lost what they wanted and find"
          + " something else that they did not look for at all";

  private final String kind;
  private final AttuneServer server;
  private final HttpClient client = HttpClient.newHttpClient();

  private ServeLoad(String kind, AttuneServer server) {
    this.kind = kind;
    this.server = server;
  }

  /** What a level of load gave in a round. */
  private record Round(double requests, double tokens, List<Double> millis) {}

  public static void main(String[] args) throws Exception {
    String kind = args[0];
    Path work = Path.of(args[1]);
    List<Integer> levels = Arrays.stream(args[3].split(",")).map(Integer::valueOf).toList();
    double seconds = Double.parseDouble(args[4]);
    int rounds = Integer.parseInt(args[5]);
    Files.createDirectories(work);
    Path model =
        switch (kind) {
          case "generation" -> gpt2(work.resolve("gpt2"));
          case "classification" -> classifier(work.resolve("classifier"), args[2]);
          case "embeddings" -> Path.of(args[2]);
          default -> throw new IllegalArgumentException(kind);
        };
    ServerConfig config =
        new ServerConfig()
            .port(0)
            .dataDir(Files.createTempDirectory(work, "data"))
            .baseModel("model", model)
            .inference(o -> o.precision("bf16").concurrency(64).waiting(256).cacheMemory(1L << 30));
    try (AttuneServer server = AttuneServer.start(config)) {
      ServeLoad load = new ServeLoad(kind, server);
      load.round(levels.get(levels.size() - 1), seconds / 4); // opens, and compiles
      List<List<Round>> all = new ArrayList<>();
      levels.forEach(level -> all.add(new ArrayList<>()));
      for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < levels.size(); i++) {
          all.get(i).add(load.round(levels.get(i), seconds));
        }
      }
      double one = median(all.get(0).stream().map(Round::tokens).toList());
      for (int i = 0; i < levels.size(); i++) {
        List<Double> millis = all.get(i).stream().flatMap(r -> r.millis.stream()).sorted().toList();
        double tokens = median(all.get(i).stream().map(Round::tokens).toList());
        System.out.printf(
            Locale.ROOT,
            "%s,bf16,%d,%d,%.2f,%.1f,%.1f,%.1f,%.2f%n",
            kind,
            levels.get(i),
            rounds,
            median(all.get(i).stream().map(Round::requests).toList()),
            tokens,
            millis.get(millis.size() / 2),
            millis.get(Math.min(millis.size() - 1, (int) (0.99 * millis.size()))),
            tokens / one);
      }
    }
  }

  private static double median(List<Double> values) {
    return values.stream().sorted().toList().get(values.size() / 2);
  }

  private Round round(int clients, double seconds) throws InterruptedException {
    AtomicLong tokens = new AtomicLong();
    List<Double> millis = new ArrayList<>();
    long begin = System.nanoTime();
    long end = begin + (long) (seconds * 1e9);
    List<Thread> threads = new ArrayList<>();
    List<Throwable> failures = new ArrayList<>();
    for (int c = 0; c < clients; c++) {
      Random random = new Random(c);
      Thread thread =
          new Thread(
              () -> {
                try {
                  do {
                    long sent = System.nanoTime();
                    long made = ask(random);
                    double took = (System.nanoTime() - sent) * 1e-6;
                    tokens.addAndGet(made);
                    synchronized (millis) {
                      millis.add(took);
                    }
                  } while (System.nanoTime() < end);
                } catch (Exception e) {
                  synchronized (failures) {
                    failures.add(e);
                  }
                }
              });
      threads.add(thread);
      thread.start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    if (!failures.isEmpty()) {
      throw new IllegalStateException(failures.size() + " clients failed", failures.get(0));
    }
    double took = (System.nanoTime() - begin) * 1e-9;
    return new Round(millis.size() / took, tokens.get() / took, millis);
  }

  /** Sends a request; gives the tokens that were written, or read. */
  private long ask(Random random) throws Exception {
    ObjectNode body = JSON.createObjectNode().put("model", "model");
    String path;
    if (kind.equals("generation")) {
      path = "/completions";
      random.ints(PROMPT_TOKENS, 0, 50_000).forEach(body.putArray("prompt")::add);
      body.put("max_tokens", NEW_TOKENS).put("temperature", 0);
      body.putObject("logit_bias").put("50256", -100);
    } else {
      path = kind.equals("embeddings") ? "/embeddings" : "/classifications";
      List<String> words = new ArrayList<>(List.of(WORDS.split(" ")));
      Collections.shuffle(words, random);
      body.put(
          "input", words.stream().limit(10 + random.nextInt(15)).collect(Collectors.joining(" ")));
    }
    HttpResponse<byte[]> response =
        client.send(
            HttpRequest.newBuilder(URI.create(server.address() + path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(JSON.writeValueAsBytes(body)))
                .build(),
            HttpResponse.BodyHandlers.ofByteArray());
    JsonNode answer = JSON.readTree(response.body());
    if (response.statusCode() != 200) {
      throw new IllegalStateException(answer.toString());
    }
    return answer
        .at(kind.equals("generation") ? "/usage/completion_tokens" : "/usage/prompt_tokens")
        .asLong();
  }

  /** A GPT-2 with random weights, and a tokenizer whose tokens mean nothing but bytes. */
  private static Path gpt2(Path folder) throws Exception {
    if (Files.exists(folder.resolve("model.safetensors"))) {
      return folder;
    }
    Files.createDirectories(folder);
    Files.writeString(folder.resolve("config.json"), GPT2);
    ObjectNode vocabulary = JSON.createObjectNode();
    int others = 0;
    for (int b = 0; b < 256; b++) {
      boolean isPrintable = b > 32 && b < 127 || b > 160 && b != 173;
      vocabulary.put(String.valueOf((char) (isPrintable ? b : 256 + others++)), b);
    }
    for (int id = 256; id < VOCABULARY - 1; id++) {
      vocabulary.put("w" + id, id);
    }
    vocabulary.put("<|endoftext|>", VOCABULARY - 1);
    Files.writeString(folder.resolve("vocab.json"), vocabulary.toString());
    Files.writeString(folder.resolve("merges.txt"), "#version: 0.2\n");
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"GPT2Tokenizer\", \"eos_token\": \"<|endoftext|>\"}");
    try (CpuBackend backend = new CpuBackend(1);
        Model model =
            Families.create(
                backend, ModelFolder.readConfig(folder), HeadKind.LANGUAGE_MODEL, 0, null)) {
      ModelWeights.randomize(model, 7);
      ModelWeights.write(folder.resolve("model.safetensors"), model);
    }
    return folder;
  }

  private static Path classifier(Path folder, String base) {
    if (!Files.exists(folder)) {
      Trainer.classification(base)
          .train(
              List.of(
                  new LabeledText("a fine film", "positive"),
                  new LabeledText("a poor film", "negative"),
                  new LabeledText("a good film", "positive"),
                  new LabeledText("a sad film", "negative")))
          .maxSteps(1)
          .batchSize(4)
          .saveTo(folder);
    }
    return folder;
  }
}
