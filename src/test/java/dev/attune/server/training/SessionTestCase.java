package dev.attune.server.training;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A base for the class, and a server with a folder of its own for each test. */
abstract class SessionTestCase {
  @TempDir static Path shared;
  @TempDir Path scratch;
  TrainingTrial trial;

  @BeforeAll
  static void makeBase() {
    TrainingTrial.makeBase(shared);
  }

  @BeforeEach
  void start() {
    trial =
        new TrainingTrial(scratch)
            .start(TrainingTrial.config(shared).dataDir(scratch.resolve("data")));
  }

  @AfterEach
  void end() {
    trial.close();
  }
}
