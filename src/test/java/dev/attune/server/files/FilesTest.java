package dev.attune.server.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.AttuneServer;
import dev.attune.server.Client;
import dev.attune.server.Client.Answer;
import dev.attune.server.ServerConfig;
import dev.attune.server.data.DataCheck;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Files and uploads over HTTP. */
@Timeout(60)
class FilesTest {
  private static final String ROWS = "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"b\"}\n";
  private static final long QUOTA = 1 << 20;

  @TempDir private Path folder;
  private AttuneServer server;
  private Client client;

  @BeforeEach
  void start() {
    server =
        AttuneServer.start(
            new ServerConfig().port(0).dataDir(folder.resolve("data")).tenantFileBytes(QUOTA));
    client = new Client(server.address(), null);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private void restart() {
    server.close();
    start();
  }

  private List<Path> onDisk() throws IOException {
    try (Stream<Path> files = Files.walk(folder.resolve("data"))) {
      return files
          .filter(Files::isRegularFile)
          .filter(f -> f.toString().matches(".*/(files|uploads)/.*"))
          .toList();
    }
  }

  private void eventuallyNothingIsLeft() throws Exception {
    for (int i = 0; i < 100 && !onDisk().isEmpty(); i++) {
      Thread.sleep(50);
    }
    assertEquals(List.of(), onDisk());
  }

  @Test
  void aFileIsUploadedListedReadAndDeleted() throws Exception {
    Answer made = client.upload("rows.jsonl", ROWS);
    assertEquals(200, made.status(), made::text);
    JsonNode file = made.json();
    assertEquals("file", file.path("object").asText());
    assertEquals(ROWS.length(), file.path("bytes").asInt());
    assertEquals("rows.jsonl", file.path("filename").asText());
    assertEquals("fine-tune", file.path("purpose").asText());
    assertEquals("processed", file.path("status").asText());
    String id = file.path("id").asText();
    assertTrue(id.matches("file-[0-9A-Za-z]{24}"), id);

    restart(); // what was answered is there
    assertEquals(file, client.get("files/" + id).json());
    assertEquals(ROWS, client.get("files/" + id + "/content").text());
    assertEquals(file, client.get("files").json().path("data").path(0));
    assertEquals(List.of(), DataCheckOnceStopped.of(folder, server));
    start();

    Answer gone = client.delete("files/" + id);
    assertTrue(gone.json().path("deleted").asBoolean(), gone::text);
    assertEquals(404, client.get("files/" + id).status());
    assertEquals(404, client.get("files/" + id + "/content").status());
    assertEquals(404, client.delete("files/" + id).status());
    assertEquals(List.of(), onDisk());
  }

  /** A check wants the folder for itself. */
  private static final class DataCheckOnceStopped {
    private static List<String> of(Path folder, AttuneServer server) throws IOException {
      server.close();
      return DataCheck.of(folder.resolve("data"));
    }
  }

  @Test
  void listsComeInPagesAndInOrder() throws Exception {
    String[] ids = new String[5];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = client.upload(i + ".jsonl", ROWS).json().path("id").asText();
    }
    JsonNode first = client.get("files?limit=2").json();
    assertEquals(ids[4], first.path("first_id").asText());
    assertEquals(ids[3], first.path("last_id").asText());
    assertTrue(first.path("has_more").asBoolean());
    JsonNode rest = client.get("files?limit=3&after=" + ids[3]).json();
    assertEquals(ids[0], rest.path("last_id").asText());
    assertFalse(rest.path("has_more").asBoolean());
    JsonNode oldest = client.get("files?order=asc&limit=1&purpose=fine-tune").json();
    assertEquals(ids[0], oldest.path("first_id").asText());
    assertTrue(client.get("files?purpose=user_data").json().path("data").isEmpty());
    assertEquals(404, client.get("files?after=file-none").status());
    assertEquals("limit", client.get("files?limit=0").json().at("/error/param").asText());
    assertEquals("order", client.get("files?order=up").json().at("/error/param").asText());
    assertEquals("sort", client.get("files?sort=x").json().at("/error/param").asText());
  }

  @Test
  void whatIsNoFileForFineTuningIsRefusedAndLeavesNothing() throws Exception {
    Map<String, String> purpose = Map.of("purpose", "fine-tune");
    byte[] rows = ROWS.getBytes(StandardCharsets.UTF_8);
    record Case(byte[] form, String message) {}
    List<Case> cases =
        List.of(
            new Case(Client.form("file", "a.jsonl", rows, Map.of()), "'purpose' is missing"),
            new Case(
                Client.form("file", "a.jsonl", rows, Map.of("purpose", "batch")), "no batches"),
            new Case(
                Client.form("file", "a.jsonl", rows, Map.of("purpose", "x")), "no such purpose"),
            new Case(Client.form("data", "a.jsonl", rows, purpose), "'file' is missing"),
            new Case(Client.form("file", "a.jsonl", new byte[0], purpose), "empty"),
            new Case(
                Client.form("file", "a.jsonl", "{}\n \n[1]\n".getBytes(), purpose),
                "Line 3 is no JSON object"),
            new Case(
                Client.form("file", "a.jsonl", "text,label\n".getBytes(), purpose),
                "Line 1 is no JSON object"),
            new Case(Client.form("file", "..", rows, purpose), "The file's name"),
            new Case(
                Client.form("file", "a.jsonl", rows, Map.of("purpose", "fine-tune", "color", "x")),
                "not supported here: color"),
            new Case(
                Client.form(
                    "file",
                    "a.jsonl",
                    rows,
                    Map.of(
                        "purpose",
                        "fine-tune",
                        "expires_after[anchor]",
                        "created_at",
                        "expires_after[seconds]",
                        "5")),
                "from 3600 to 2592000"));
    for (Case one : cases) {
      Answer answer = client.postForm("files", one.form());
      assertEquals(400, answer.status(), answer::text);
      assertTrue(answer.message().contains(one.message()), answer::text);
    }
    byte[] cut = Client.form("file", "a.jsonl", rows, purpose);
    Answer answer = client.postForm("files", java.util.Arrays.copyOf(cut, cut.length - 6));
    assertEquals(400, answer.status(), answer::text);
    Answer json = client.post("files", "{}");
    assertEquals(415, json.status(), json::text);
    assertEquals(List.of(), onDisk());
    assertTrue(client.get("files").json().path("data").isEmpty());
  }

  @Test
  void thePurposeMayComeFirstAndFilesMayExpire() throws Exception {
    Map<String, String> texts = new LinkedHashMap<>();
    texts.put("purpose", "user_data");
    texts.put("expires_after[anchor]", "created_at");
    texts.put("expires_after[seconds]", "3600");
    String form =
        new String(
            Client.form("file", "x.bin", "no lines at all".getBytes(), texts),
            StandardCharsets.UTF_8);
    int end = form.indexOf("--" + Client.BOUNDARY, 5);
    int last = form.lastIndexOf("--" + Client.BOUNDARY);
    String turned = form.substring(end, last) + form.substring(0, end) + form.substring(last);
    Answer made = client.postForm("files", turned.getBytes(StandardCharsets.UTF_8));
    assertEquals(200, made.status(), made::text);
    JsonNode file = made.json();
    assertEquals(3600, file.path("expires_at").asLong() - file.path("created_at").asLong());
    assertEquals("x.bin", file.path("filename").asText());
  }

  @Test
  void anUploadThatBreaksOffLeavesNothing() throws Exception {
    byte[] form =
        Client.form(
            "file",
            "a.jsonl",
            ROWS.repeat(1000).getBytes(StandardCharsets.UTF_8),
            Map.of("purpose", "fine-tune"));
    try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
      OutputStream out = socket.getOutputStream();
      String head =
          "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
              + form.length
              + "\r\nContent-Type: multipart/form-data; boundary="
              + Client.BOUNDARY
              + "\r\n\r\n";
      out.write(head.getBytes(StandardCharsets.US_ASCII));
      out.write(form, 0, form.length / 2);
      out.flush();
      for (int i = 0; i < 100 && onDisk().isEmpty(); i++) {
        Thread.sleep(50);
      }
      assertEquals(1, onDisk().size());
    }
    eventuallyNothingIsLeft();
    assertTrue(client.get("files").json().path("data").isEmpty());
    assertEquals(200, client.upload("a.jsonl", ROWS).status());
  }

  @Test
  void whatACrashLeavesGoesAtTheNextStart() throws Exception {
    String id = client.upload("a.jsonl", ROWS).json().path("id").asText();
    server.close();
    Path data = folder.resolve("data");
    Files.writeString(data.resolve("files/incoming/file-half"), "half");
    Files.writeString(data.resolve("files/file-whole.jsonl"), "moved, but not told of");
    Files.writeString(data.resolve("uploads/part_x"), "part");
    Files.createDirectories(data.resolve("models/ftjob-gone/model"));
    Files.createDirectories(data.resolve("models/ftjob-empty"));
    assertEquals(5, DataCheck.of(data).size());
    start();
    assertFalse(Files.exists(data.resolve("models/ftjob-gone")));
    assertFalse(Files.exists(data.resolve("models/ftjob-empty")));
    assertEquals(1, onDisk().size());
    assertEquals(200, client.get("files/" + id).status());
  }

  @Test
  void damageIsFound() throws Exception {
    String one = client.upload("a.jsonl", ROWS).json().path("id").asText();
    String other = client.upload("b.jsonl", ROWS).json().path("id").asText();
    String third = client.upload("c.jsonl", ROWS).json().path("id").asText();
    server.close();
    Path files = folder.resolve("data/files");
    Files.delete(files.resolve(one + ".jsonl"));
    Files.writeString(files.resolve(other + ".jsonl"), ROWS.replace('a', 'A'));
    Files.writeString(files.resolve(third + ".jsonl"), "short");
    List<String> problems = DataCheck.of(folder.resolve("data"));
    assertEquals(3, problems.size(), problems::toString);
    assertTrue(problems.get(0).contains("missing"), problems::toString);
    assertTrue(problems.get(1).contains("other bytes"), problems::toString);
    assertTrue(problems.get(2).contains("has 5 bytes"), problems::toString);
    start();
  }

  @Test
  void aQuotaIsKeptExactly() throws Exception {
    String row = "{\"text\":\"" + "a".repeat(1 << 18) + "\"}";
    for (int i = 0; i < 3; i++) {
      assertEquals(200, client.upload("a.jsonl", row).status());
    }
    Answer over = client.upload("b.jsonl", row);
    assertEquals(429, over.status(), over::text);
    assertEquals("insufficient_quota", over.json().at("/error/code").asText());
    assertEquals("false", over.header("x-should-retry"));
    assertTrue(over.message().contains(" bytes of " + QUOTA), over::text);
    String left = "{\"text\":\"" + "a".repeat((int) (QUOTA - 3 * row.length() - 11)) + "\"}";
    String id = client.upload("c.jsonl", left).json().path("id").asText();
    assertEquals(429, client.upload("d.jsonl", "{}").status());
    assertEquals(200, client.delete("files/" + id).status());
    assertEquals(200, client.upload("d.jsonl", "{}").status());
    // What is too large is refused before it is sent.
    Answer early =
        client.send(
            client
                .request("files")
                .header("Content-Type", "multipart/form-data; boundary=" + Client.BOUNDARY)
                .POST(BodyPublishers.ofByteArray(new byte[8 << 20])));
    assertEquals(429, early.status(), early::text);
  }

  @Test
  void namesAreTextAndNeverPaths() throws Exception {
    record Name(String sent, String kept) {}
    for (Name name :
        List.of(
            new Name("../../../../etc/cron.d/evil.jsonl", "evil.jsonl"),
            new Name("C:\\\\temp\\\\rows.jsonl", "rows.jsonl"),
            new Name("Übung — 実験 <b>.jsonl", "Übung — 実験 <b>.jsonl"),
            new Name(".jsonl", ".jsonl"))) {
      Answer made = client.upload(name.sent(), ROWS);
      assertEquals(200, made.status(), made::text);
      assertEquals(name.kept(), made.json().path("filename").asText());
    }
    assertEquals(4, onDisk().size());
    for (Path file : onDisk()) {
      assertTrue(file.getFileName().toString().matches("file-[0-9A-Za-z]{24}\\.jsonl"));
    }
    Answer control = client.upload("a\u0007b.jsonl", ROWS);
    assertEquals(400, control.status(), control::text);
  }

  @Test
  void anUploadInPartsBecomesOneFile() throws Exception {
    Random random = new Random(7);
    byte[] content = new byte[300_000];
    random.nextBytes(content);
    Answer made =
        client.post(
            "uploads",
            "{'filename':'big.bin','purpose':'user_data','bytes':300000,"
                + "'mime_type':'application/octet-stream'}");
    assertEquals(200, made.status(), made::text);
    JsonNode upload = made.json();
    assertEquals("pending", upload.path("status").asText());
    assertEquals(3600, upload.path("expires_at").asLong() - upload.path("created_at").asLong());
    String path = "uploads/" + upload.path("id").asText();
    String[] parts = new String[3];
    for (int i = 2; i >= 0; i--) { // they may come in any order
      byte[] piece = java.util.Arrays.copyOfRange(content, i * 100_000, (i + 1) * 100_000);
      Answer part = client.postForm(path + "/parts", Client.form("data", "blob", piece, Map.of()));
      assertEquals(200, part.status(), part::text);
      assertEquals("upload.part", part.json().path("object").asText());
      parts[i] = part.json().path("id").asText();
    }
    restart(); // parts that were answered are there

    String order = "{'part_ids':['%s','%s','%s']%s}";
    Answer few = client.post(path + "/complete", "{'part_ids':['" + parts[0] + "']}");
    assertTrue(few.message().contains("have 100000 bytes"), few::text);
    Answer unknown =
        client.post(path + "/complete", String.format(order, parts[0], parts[1], "part_x", ""));
    assertTrue(unknown.message().contains("no part 'part_x'"), unknown::text);
    Answer twice =
        client.post(path + "/complete", String.format(order, parts[0], parts[1], parts[1], ""));
    assertTrue(twice.message().contains("twice"), twice::text);
    Answer sum =
        client.post(
            path + "/complete", String.format(order, parts[0], parts[1], parts[2], ",'md5':'00'"));
    assertTrue(sum.message().contains("MD5"), sum::text);

    String md5 =
        java.util.HexFormat.of()
            .formatHex(java.security.MessageDigest.getInstance("MD5").digest(content));
    Answer done =
        client.post(
            path + "/complete",
            String.format(order, parts[0], parts[1], parts[2], ",'md5':'" + md5 + "'"));
    assertEquals(200, done.status(), done::text);
    assertEquals("completed", done.json().path("status").asText());
    String file = done.json().at("/file/id").asText();
    assertArrayEquals(content, client.get("files/" + file + "/content").bytes());
    assertEquals(1, onDisk().size());
    Answer again =
        client.post(path + "/complete", String.format(order, parts[0], parts[1], parts[2], ""));
    assertEquals(done.json(), again.json());
    restart();
    Answer same =
        client.post(
            path + "/complete",
            String.format(order, parts[0], parts[1], parts[2], ",'md5':'" + md5 + "'"));
    assertEquals(done.json(), same.json());
    Answer otherBytes =
        client.post(
            path + "/complete", String.format(order, parts[0], parts[1], parts[2], ",'md5':'00'"));
    assertEquals(409, otherBytes.status(), otherBytes::text);
    assertTrue(otherBytes.message().contains(md5), otherBytes::text);
    Answer otherOrder =
        client.post(path + "/complete", String.format(order, parts[1], parts[0], parts[2], ""));
    assertEquals(409, otherOrder.status(), otherOrder::text);
    assertEquals(409, client.post(path + "/cancel").status());
    server.close();
    assertEquals(List.of(), DataCheck.of(folder.resolve("data")));
    start();
  }

  /** Whoever asks for a file while it is deleted gets it whole, or learns that there is none. */
  @Test
  void aFileIsReadWhileItIsDeleted() throws Exception {
    for (int i = 0; i < 60; i++) {
      String path = "files/" + client.upload("a.jsonl", "{}\n").json().path("id").asText();
      List<CompletableFuture<Answer>> answers = new ArrayList<>();
      for (int k = 0; k < 8; k++) {
        boolean deletes = k == 4;
        answers.add(CompletableFuture.supplyAsync(() -> asked(path, deletes)));
      }
      for (CompletableFuture<Answer> answer : answers) {
        int status = answer.join().status();
        assertTrue(status == 200 || status == 404, answer.join()::text);
      }
    }
  }

  private Answer asked(String path, boolean deletes) {
    try {
      return deletes ? client.delete(path) : client.get(path + "/content");
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void anUploadIsCancelledAndHoldsWhatItWasCreatedFor() throws Exception {
    String path =
        "uploads/"
            + client
                .post(
                    "uploads",
                    "{'filename':'a.jsonl','purpose':'fine-tune','bytes':10,'mime_type':'x/y'}")
                .json()
                .path("id")
                .asText();
    Answer more =
        client.postForm(path + "/parts", Client.form("data", "x", new byte[11], Map.of()));
    assertEquals(400, more.status(), more::text);
    byte[] all = Client.form("data", "x", new byte[10], Map.of());
    for (int i = 1; i <= 5; i++) { // sent again, as after an answer that was lost
      assertEquals(200, client.postForm(path + "/parts", all).status());
      assertEquals(i, onDisk().size());
    }
    assertEquals(400, client.postForm(path + "/parts", all).status());
    Answer cancelled = client.post(path + "/cancel");
    assertEquals("cancelled", cancelled.json().path("status").asText(), cancelled::text);
    assertTrue(cancelled.json().path("file").isNull());
    assertEquals(List.of(), onDisk());
    assertEquals(
        409,
        client.postForm(path + "/parts", Client.form("data", "x", new byte[1], Map.of())).status());
    assertEquals(404, client.post("uploads/upload_none/cancel").status());
    Answer large =
        client.post(
            "uploads",
            "{'filename':'a.jsonl','purpose':'fine-tune','bytes':"
                + (QUOTA + 1)
                + ",'mime_type':'x'}");
    assertEquals(429, large.status(), large::text);
    assertNull(large.json().get("id"));
  }
}
