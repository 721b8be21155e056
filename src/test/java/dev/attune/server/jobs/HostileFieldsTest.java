package dev.attune.server.jobs;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunOption;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.access.KeyStore;
import dev.attune.server.data.DataFolder;
import dev.attune.server.http.Caller.Scope;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Requests of all routes with values that no field expects: each is answered, or refused in words
 * that name the field and tell nothing of the server's code or disk.
 */
@Timeout(600)
class HostileFieldsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Of code, or of this machine. */
  private static final Pattern INSIDE =
      Pattern.compile(
          "Exception|java\\.|javax?\\.|dev\\.attune|com\\.fasterxml|org\\.|\\bnull\\b|`|(?<![\\w:/])/(?:tmp|home|root|work|usr)/|@[0-9a-f]{5,}");

  /** As JSON. */
  private static final List<String> VALUES =
      List.of(
          "null",
          "true",
          "0",
          "-1",
          "1.5",
          "1e308",
          "-1e308",
          "1e-320",
          "1e999",
          "2147483648",
          "9223372036854775807",
          "9223372036854775808",
          "1" + "0".repeat(300),
          "\"\"",
          "\" \"",
          "\"\\u0000\"",
          "\"\\ud800\"",
          "\"../../../etc/passwd\"",
          "\"/etc/passwd\"",
          "\"%s%n${jndi:ldap://127.0.0.1/a}'; DROP TABLE jobs; --\"",
          "\"" + "a".repeat(5_000) + "\"",
          "[]",
          "{}",
          "[null]",
          "[[[]]]",
          "[\"a\", 1, {}]",
          "{\"a\": null}",
          "{\"\": \"\"}",
          "{\"a\": ".repeat(40) + "1" + "}".repeat(40));

  @TempDir static Path scratch;
  private static AttuneServer server;
  private static Client client;
  private static String file;

  @BeforeAll
  static void start() throws Exception {
    JobsTrial.makeBases(scratch);
    server =
        AttuneServer.start(
            JobsTrial.config(scratch)
                .tenantJobs(100_000)
                .trainingMemoryBytes(1L << 28)
                .inference(options -> options.precision("fp32").cacheMemory(1 << 20)));
    String key;
    try (DataFolder beside = DataFolder.openBeside(scratch.resolve("data"))) {
      key = new KeyStore(beside.journal()).create("test", "a", Set.of(Scope.values()), null).text();
    }
    client = new Client(server.address(), key);
    file = client.upload("a.jsonl", JobsTrial.chats(8)).json().path("id").asText();
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private static Answer send(String path, String body) throws Exception {
    return client.send(
        client
            .request(path)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body, StandardCharsets.UTF_8)));
  }

  /** Returns the message of a refusal; empty: it was answered. */
  private static String checked(Answer answer, String what) throws IOException {
    String text = answer.text();
    assertTrue(answer.status() < 500, what + ": " + answer.status() + " " + text);
    if (answer.status() == 200) {
      return "";
    }
    JsonNode error = JSON.readTree(text).path("error");
    String message = error.path("message").asText();
    assertFalse(message.isBlank(), what + ": " + text);
    assertTrue(message.length() < 2_000, what + ": " + text);
    boolean mayBeNull = what.contains("null") || message.startsWith("The body is no JSON");
    String own = mayBeNull ? message.replace("null", "") : message;
    assertFalse(INSIDE.matcher(own).find(), what + ": " + message);
    return message + " " + error.path("param").asText("");
  }

  /** Names of fields, one below the other, of each value of a body. */
  private static void places(JsonNode node, List<String> before, List<List<String>> out) {
    if (!before.isEmpty()) {
      out.add(before);
    }
    if (node instanceof ObjectNode object) {
      object
          .fieldNames()
          .forEachRemaining(name -> places(object.get(name), with(before, name), out));
    } else if (node instanceof ArrayNode array && !array.isEmpty()) {
      places(array.get(0), with(before, "0"), out);
    }
  }

  private static List<String> with(List<String> before, String name) {
    List<String> all = new ArrayList<>(before);
    all.add(name);
    return all;
  }

  /** The body with a marker at a place, for which a value is written that no tree may hold. */
  private static String replaced(JsonNode body, List<String> place, String value) {
    JsonNode copy = body.deepCopy();
    JsonNode parent = copy;
    for (String name : place.subList(0, place.size() - 1)) {
      parent = parent instanceof ArrayNode ? parent.get(0) : parent.get(name);
    }
    String marker = "<here>";
    if (parent instanceof ArrayNode array) {
      array.set(0, marker);
    } else {
      ((ObjectNode) parent).put(place.get(place.size() - 1), marker);
    }
    return copy.toString().replace('"' + marker + '"', value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "chat/completions | {'model': 'decoder', 'messages': [{'role': 'user', 'content': 'a',"
            + " 'name': 'n'}], 'max_tokens': 1, 'temperature': 0.5, 'top_p': 0.5, 'min_p': 0.1,"
            + " 'top_k': 3, 'repetition_penalty': 1.1, 'prompt_lookup_num_tokens': 2, 'n': 1, 'stop': ['x'], 'seed': 1,"
            + " 'logit_bias': {'1': 1}, 'logprobs': true, 'top_logprobs': 1, 'stream': false,"
            + " 'presence_penalty': 0, 'frequency_penalty': 0, 'response_format': {'type': 'text'},"
            + " 'modalities': ['text'], 'service_tier': 'auto', 'store': false}",
        "completions | {'model': 'decoder', 'prompt': ['a'], 'max_tokens': 1, 'logprobs': 1,"
            + " 'n': 1, 'best_of': 1, 'echo': false, 'stop': 'x', 'stream': false}",
        "embeddings | {'model': 'encoder', 'input': ['good'], 'dimensions': 2,"
            + " 'encoding_format': 'float'}",
        "classifications | {'model': 'encoder', 'input': [['good', 'bad']], 'truncate': true}",
        "uploads | {'filename': 'a.jsonl', 'purpose': 'fine-tune', 'bytes': 5,"
            + " 'mime_type': 'text/plain', 'expires_after': {'anchor': 'created_at',"
            + " 'seconds': 3600}}",
        "uploads/UPLOAD/complete | {'part_ids': ['part_a'], 'md5': 'a'}",
        "attune/keys | {'name': 'a', 'tenant': 'other', 'scopes': ['inference'],"
            + " 'expires_after': {'seconds': 1}}",
        "models/encoder/learner | {'min_corrections': 2, 'learning_rate': 1e-4, 'epochs': 1,"
            + " 'replay_file': 'FILE', 'held_out_file': 'FILE', 'feedback': 'all'}",
        "models/encoder/feedback | {'corrections': [{'input': 'a', 'pair': 'b', 'label': 'c'}]}",
        "webhook_endpoints | {'url': 'https://8.8.8.8/', 'name': 'a',"
            + " 'event_types': ['fine_tuning.job.succeeded']}",
        "attune/data_report | {'model': 'decoder', 'training_file': 'FILE'}",
      })
  void eachFieldOfABodyIsReadOrRefused(String path, String body) throws Exception {
    String upload =
        send(
                "uploads",
                "{\"filename\":\"a\",\"purpose\":\"fine-tune\",\"bytes\":1,\"mime_type\":\"x\"}")
            .json()
            .path("id")
            .asText();
    String to = path.replace("UPLOAD", upload);
    JsonNode valid = JSON.readTree(body.replace('\'', '"').replace("FILE", file));
    String usual = checked(send(to, valid.toString()), path);
    List<List<String>> places = new ArrayList<>();
    places(valid, List.of(), places);
    assertTrue(places.size() > 1, places::toString);
    for (List<String> place : places) {
      for (String value : VALUES) {
        String what = path + " " + place + " = " + value.substring(0, Math.min(60, value.length()));
        String message = checked(send(to, replaced(valid, place, value)), what);
        assertTrue(
            message.isEmpty() || message.equals(usual) || names(message, place),
            what + ": " + message);
      }
    }
  }

  /** The field, or one around it, or one of several; or what is wrong with the whole body. */
  private static boolean names(String message, List<String> place) {
    return place.stream()
            .map(name -> name.replaceFirst("s$", ""))
            .anyMatch(name -> !name.equals("0") && message.contains(name))
        || message.startsWith("The body is no JSON")
        || message.contains("tokens");
  }

  @Test
  void eachFieldOfAJobIsReadOrRefused() throws Exception {
    JsonNode valid =
        JSON.readTree(
            ("{'model': 'decoder', 'training_file': 'FILE', 'validation_file': 'FILE', 'seed': 1,"
                    + " 'suffix': 'a', 'metadata': {'a': 'b'}, 'method': {'type': 'supervised',"
                    + " 'supervised': {'hyperparameters': {'n_epochs': 1, 'batch_size': 1,"
                    + " 'learning_rate_multiplier': 1}}}, 'integrations': [], 'attune':"
                    + " {'max_steps': 1, 'priority': 0, 'deadline': 99999999999, 'lora_r': 2,"
                    + " 'lora_alpha': 8, 'task': 'causal-lm', 'lora_targets': 'q_proj',"
                    + " 'weight_decay': 0, 'max_length': 20}}")
                .replace('\'', '"')
                .replace("FILE", file));
    List<List<String>> places = new ArrayList<>();
    places(valid, List.of(), places);
    for (List<String> place : places) {
      for (String value : VALUES) {
        String what = place + " = " + value.substring(0, Math.min(60, value.length()));
        Answer answer = send("fine_tuning/jobs", replaced(valid, place, value));
        String message = checked(answer, what);
        if (message.isEmpty()) {
          String job = answer.json().path("id").asText();
          checked(client.post("fine_tuning/jobs/" + job + "/cancel"), what); // it may have failed
        } else {
          assertTrue(names(message, place), what + ": " + message);
        }
      }
    }
  }

  @Test
  void aWebhookOnAPrivateNetworkIsRefusedWhenItIsNamed() throws Exception {
    for (String url :
        List.of(
            "http://127.0.0.1/",
            "http://localhost:8080/a",
            "https://10.1.2.3/",
            "http://[::1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://2130706433/")) {
      Answer answer = send("webhook_endpoints", "{\"url\":\"" + url + "\"}");
      assertTrue(answer.status() == 400, () -> url + ": " + answer.text());
      assertTrue(answer.text().contains("\"param\":\"url\""), answer::text);
    }
  }

  @Test
  void theRangeOfANumberIsTold() throws Exception {
    for (String[] option :
        new String[][] {
          {"lora_alpha", "1e308", "from 0.000001 to 1000000"},
          {"lora_r", "1000000", "1 to 256"},
          {"learning_rate", "1e308", "at most 1"},
          {"weight_decay", "1e308", "to 1"},
        }) {
      String body =
          String.format(
              "{\"model\":\"decoder\",\"training_file\":\"%s\",\"attune\":{\"%s\":%s}}",
              file, option[0], option[1]);
      Answer answer = send("fine_tuning/jobs", body);
      assertTrue(answer.status() == 400, answer::text);
      assertTrue(answer.message().contains("attune." + option[0]), answer::text);
      assertTrue(answer.message().contains(option[2]), answer::text);
    }
  }

  /** Numbers that are finite, and mean nothing. */
  @Test
  void noOptionOfAJobEndsInAnErrorOfTheServer() throws Exception {
    List<String> jobs = new ArrayList<>();
    List<String> wrong = new ArrayList<>();
    for (RunOption option : CommandOptions.TRAIN) {
      for (String value :
          List.of("1e308", "-1e308", "1e-320", "9223372036854775807", "1000000000")) {
        String name = JobOptions.name(option);
        String body =
            String.format(
                "{\"model\":\"decoder\",\"training_file\":\"%s\",\"attune\":{%s\"%s\":%s}}",
                file, option == RunOption.MAX_STEPS ? "" : "\"max_steps\":1,", name, value);
        Answer answer = send("fine_tuning/jobs", body);
        String message = checked(answer, name + " = " + value);
        if (message.isEmpty()) {
          jobs.add(answer.json().path("id").asText());
          if (option == RunOption.MAX_STEPS) {
            client.post("fine_tuning/jobs/" + jobs.get(jobs.size() - 1) + "/cancel");
          }
        } else {
          assertTrue(message.contains(name) || message.contains("attune."), name + ": " + message);
        }
      }
    }
    for (String id : jobs) {
      JsonNode job = client.get("fine_tuning/jobs/" + id).json();
      for (int i = 0; !job.hasNonNull("finished_at") && i < 6_000; i++) {
        JobsTrial.pause(20);
        job = client.get("fine_tuning/jobs/" + id).json();
      }
      String error = job.path("error").toString();
      if (!job.hasNonNull("finished_at")
          || error.contains("server_error")
          || INSIDE.matcher(job.at("/error/message").asText()).find()) {
        wrong.add(job.path("attune") + ": " + job.path("status") + " " + error);
      }
    }
    assertTrue(wrong.isEmpty(), String.join("\n", wrong));
  }

  @Test
  void whatStandsInAnAddressIsReadOrRefused() throws Exception {
    List<String> values =
        List.of(
            "",
            "%20",
            "-1",
            "0",
            "1e3",
            "99999999999999999999",
            "NaN",
            "%00",
            "%F0%9F%98%80",
            "..%2F..%2Fetc%2Fpasswd",
            "'%20OR%201=1--",
            "a".repeat(3_000));
    List<String> paths =
        List.of(
            "files?limit=",
            "files?after=",
            "files?order=",
            "files?purpose=",
            "files?nothing=",
            "files/",
            "fine_tuning/jobs?limit=",
            "fine_tuning/jobs?after=",
            "fine_tuning/jobs?metadata[a]=",
            "fine_tuning/jobs/",
            "fine_tuning/jobs/ftjob-none/events?stream=",
            "models/",
            "models/encoder/versions?limit=",
            "models/encoder/versions/",
            "models/encoder/learner?a=",
            "webhook_endpoints?limit=",
            "webhook_endpoints?after=",
            "webhook_endpoints/",
            "attune/keys?limit=",
            "attune/live?jobs=",
            "attune/jobs/none/run?a=",
            "attune/machine?a=",
            "attune/tasks?a=",
            "uploads/");
    for (String path : paths) {
      for (String value : values) {
        String at = path.replace("[", "%5B").replace("]", "%5D") + value;
        String what = path + value.substring(0, Math.min(30, value.length()));
        checked(client.get(at), what);
        if (path.endsWith("/")) {
          try {
            checked(client.delete(at), "DELETE " + what);
          } catch (IOException e) {
            throw new AssertionError("DELETE " + what, e);
          }
        }
      }
    }
  }

  @Test
  void whatIsNoJsonIsRefusedInPlainWords() throws Exception {
    for (String body :
        List.of(
            "{",
            "{\"a\": 1",
            "{\"a\": [1, 2",
            "{} {}",
            "{\"a\": 1,}",
            "{'a': 1}",
            "{\"a\": tru}",
            "{\"a\": 01}",
            "{\"a\": \"\n\"}",
            "{\"a\": \"\\x\"}",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": " + "9".repeat(5_000) + "}",
            "{\"" + "a".repeat(60_000) + "\": 1}",
            "[".repeat(5_000),
            "\"a\"",
            "// a\n{}",
            "")) {
      String message =
          checked(send("completions", body), body.substring(0, Math.min(9, body.length())));
      assertTrue(message.startsWith("The body is no JSON"), message);
    }
  }
}
