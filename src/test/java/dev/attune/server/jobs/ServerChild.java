package dev.attune.server.jobs;

import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import java.net.URI;
import java.nio.file.Path;

/** A server in a process of its own, to be killed. */
final class ServerChild {
  /** By which a server is told whom its owner wants to hear: a URL, and the secret. */
  private static final String WEBHOOK = "attune.test.webhook";

  private static final String SECRET = "attune.test.webhook.secret";

  private ServerChild() {}

  /** Options of Java for one whose owner's webhook is there. */
  static String[] withWebhook(URI url, String secret) {
    return new String[] {"-D" + WEBHOOK + "=" + url, "-D" + SECRET + "=" + secret};
  }

  /**
   * Serves until it is killed.
   *
   * @param arguments the folder that {@link JobsTrial#makeBases} has filled
   */
  public static void main(String[] arguments) throws InterruptedException {
    ServerConfig config = JobsTrial.config(Path.of(arguments[0]));
    String url = System.getProperty(WEBHOOK);
    if (url != null) {
      config.webhook(URI.create(url), System.getProperty(SECRET));
    }
    AttuneServer server = AttuneServer.start(config);
    System.out.println(server.address());
    Thread.sleep(Long.MAX_VALUE);
  }
}
