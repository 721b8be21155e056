package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code attune keys} and {@code attune serve --check}, as they are typed. */
class KeysCommandTest {
  @TempDir private Path folder;

  private record Said(int status, String text) {}

  private Said attune(String... words) {
    List<String> all = new ArrayList<>(List.of(words));
    all.addAll(List.of("--data-dir", folder.resolve("data").toString()));
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream both = new PrintStream(said, true, StandardCharsets.UTF_8);
    try {
      System.setOut(both);
      System.setErr(both);
      int status = Main.run(all.toArray(String[]::new));
      return new Said(status, said.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  private static void assertSays(int status, String words, Said said) {
    assertEquals(status, said.status(), said.text());
    assertTrue(said.text().contains(words), said.text());
  }

  @Test
  void keysAreCreatedListedAndRevoked() {
    assertSays(2, "is no data folder of a server", attune("keys", "list"));
    assertSays(2, "is no data folder of a server", attune("serve", "--check"));
    Said made =
        attune("keys", "create", "--scope", "training,admin", "--tenant", "a", "--expires", "2h");
    assertSays(0, "of tenant a, for admin, training, until ", made);
    String key = made.text().strip().split("\\s")[0];
    assertTrue(key.startsWith("sk-attune-"), made.text());
    String id = "key_" + key.substring(10, 26);
    Said listed = attune("keys", "list");
    assertSays(0, id, listed);
    assertTrue(!listed.text().contains(key.substring(27)), listed.text());
    assertSays(0, "opens nothing any more", attune("keys", "revoke", id));
    assertSays(2, "that is not revoked", attune("keys", "revoke", id));
    assertSays(0, "revoked ", attune("keys", "list"));
    assertSays(0, "all is as the journal has it", attune("serve", "--check"));
  }

  @Test
  void whatIsNoKeyIsRefused() {
    assertSays(2, "say what to do", attune("keys"));
    assertSays(2, "there is no attune keys make", attune("keys", "make"));
    assertSays(2, "there is no scope 'root'", attune("keys", "create", "--scope", "root"));
    assertSays(2, "1 to 32 lower-case letters", attune("keys", "create", "--tenant", "A b"));
    assertSays(2, "as 90d, 12h or 30m", attune("keys", "create", "--expires", "soon"));
    assertSays(2, "is for attune keys create", attune("keys", "list", "--tenant", "a"));
    assertSays(2, "say which keys", attune("keys", "revoke"));
    assertSays(2, "from 0 to 65535", attune("serve", "--port", "70000"));
    assertSays(2, "no address", attune("serve", "--port", "0", "--host", "no such host"));
    assertSays(2, "is required", attune("serve", "--port", "0", "--tls-cert", "x"));
    assertSays(
        2, "twice", attune("serve", "--base-model", "a=" + folder, "--base-model", "a=" + folder));
  }
}
