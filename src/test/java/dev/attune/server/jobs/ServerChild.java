package dev.attune.server.jobs;

import dev.attune.server.AttuneServer;
import java.nio.file.Path;

/** A server in a process of its own, to be killed. */
final class ServerChild {
  private ServerChild() {}

  /**
   * Serves until it is killed.
   *
   * @param arguments the folder that {@link JobsTrial#makeBases} has filled
   */
  public static void main(String[] arguments) throws InterruptedException {
    AttuneServer server = AttuneServer.start(JobsTrial.config(Path.of(arguments[0])));
    System.out.println(server.address());
    Thread.sleep(Long.MAX_VALUE);
  }
}
