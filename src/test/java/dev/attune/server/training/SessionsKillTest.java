package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.Client.Answer;
import dev.attune.server.data.DataCheck;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is killed again and again under a client that goes on from the number that the session
 * says: it ends in the bytes of a training that nobody disturbed. {@code -Dattune.server.kills=100}
 * tries it more often.
 */
@Timeout(3600)
class SessionsKillTest {
  private static final int KILLS = Integer.getInteger("attune.server.kills", 6);
  private static final long SEED = Long.getLong("attune.seed", 1);
  private static final int STEPS = 60;
  private static final int STEPS_OF_STATE = 5;
  private static final int CALLS_OF_STATE = 2 * STEPS_OF_STATE + 1;
  private static final int CALLS = STEPS / STEPS_OF_STATE * CALLS_OF_STATE;
  private static final int KNOWN_TO_WAIT = 429;

  @TempDir Path scratch;

  /** The answer to a session's call of a number, which says what it asks for. */
  private static Answer call(TrainingTrial trial, String session, int sequence) throws Exception {
    int state = (sequence - 1) / CALLS_OF_STATE;
    int place = (sequence - 1) % CALLS_OF_STATE;
    String path = TrainingTrial.PATH + session;
    String number = ", 'sequence': " + sequence + "}";
    if (place == CALLS_OF_STATE - 1) {
      return trial
          .client()
          .post(path + "/save_state", "{'name': 'state-" + state % 2 + "'" + number);
    }
    int step = state * STEPS_OF_STATE + place / 2;
    return place % 2 == 0
        ? trial.client().post(path + "/forward_backward", TrainingTrial.gradient(step, sequence))
        : trial.client().post(path + "/optim_step", TrainingTrial.STEP.replace("}", number));
  }

  /** Asks for all that is left; false: the server has gone. */
  private static boolean goOn(TrainingTrial trial, String session, int first) throws Exception {
    try {
      for (int sequence = first; sequence <= CALLS; ) {
        Answer answer = call(trial, session, sequence);
        if (answer.status() == KNOWN_TO_WAIT) {
          Thread.sleep(20);
        } else {
          assertTrue(answer.status() < 300, answer::text);
          sequence++;
        }
      }
      JsonNode last = TrainingTrial.good(call(trial, session, CALLS));
      JsonNode state = TrainingTrial.succeeded(trial.ended(session, last));
      assertEquals(STEPS, state.path("steps").asInt());
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void killsCostNothingThatIsNotSaid() throws Exception {
    TrainingTrial.makeBase(scratch);
    TrainingTrial trial = new TrainingTrial(scratch);
    Random random = new Random(SEED);
    Process child = TrainingChild.begin(scratch, trial);
    int restored = 0;
    try {
      String session = trial.begin("");
      int first = 1;
      for (int i = 0; i < KILLS; i++) {
        Process victim = child;
        CompletableFuture<Void> kill =
            CompletableFuture.runAsync(
                victim::destroyForcibly,
                CompletableFuture.delayedExecutor(random.nextInt(700), TimeUnit.MILLISECONDS));
        goOn(trial, session, first);
        kill.join();
        victim.waitFor();
        List<String> problems = DataCheck.of(trial.data());
        problems.removeIf(problem -> problem.startsWith("left over: ")); // the start removes it
        assertEquals(List.of(), problems);
        child = TrainingChild.begin(scratch, trial);
        restored += trial.get(session).path("status").asText().equals("restored") ? 1 : 0;
        first = 1 + trial.post(session + "/resume", "{}").path("last_sequence").asInt();
        assertEquals(0, (first - 1) % CALLS_OF_STATE, "it goes on from no state");
      }
      assertTrue(goOn(trial, session, first));
      assertArrayEquals(TrainingTrial.same(scratch, STEPS), trial.saved(session), "seed " + SEED);
      assertTrue(restored > 0, "no kill hit calls that no state had seen");
      System.out.printf(
          "survived: sessions: {%d kills, %d of them cost calls, seed %d}%n",
          KILLS, restored, SEED);
    } finally {
      child.destroyForcibly().waitFor();
    }
  }
}
