package dev.attune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

/** Training from Java: data in memory and in files, listeners, stops. */
class TrainerApiTest extends ApiTrial {
  @Test
  void examplesInMemoryTrainTheBytesThatTheSameFileTrains() throws Exception {
    trainer().train(file).epochs(1).saveTo(folder.resolve("file"));
    trainer().train(examples).epochs(1).saveTo(folder.resolve("list"));
    trainer().train(examples.stream()).epochs(1).saveTo(folder.resolve("stream"));
    Iterator<LabeledText> cursor = examples.iterator();
    LabeledText[] row = new LabeledText[1];
    Iterable<LabeledText> rows =
        Rows.of(
            cursor,
            c -> {
              boolean more = c.hasNext();
              row[0] = more ? c.next() : null;
              return more;
            },
            c -> row[0]);
    trainer().train(rows).epochs(1).saveTo(folder.resolve("rows"));
    byte[] expected = weights(folder.resolve("file"));
    for (String way : List.of("list", "stream", "rows")) {
      assertArrayEquals(expected, weights(folder.resolve(way)), way);
    }
  }

  /** A folder, a compressed file and one in another encoding train the bytes of the plain file. */
  @Test
  void filesTrainTheSameBytesHoweverTheyAreWritten() throws Exception {
    trainer().train(file).epochs(1).saveTo(folder.resolve("plain"));
    String content = Files.readString(file);
    Path several = Files.createDirectory(folder.resolve("several"));
    try (OutputStream out =
        new GZIPOutputStream(Files.newOutputStream(several.resolve("a.csv.gz")))) {
      out.write(content.getBytes(StandardCharsets.UTF_8));
    }
    trainer().train(several).epochs(1).saveTo(folder.resolve("folder"));
    Path wide = folder.resolve("wide.data");
    Files.writeString(wide, content.replace(',', ';'), StandardCharsets.UTF_16LE);
    Trainer<LabeledText> trainer = trainer().train(wide).epochs(1);
    InvalidInputException unnamed =
        assertThrows(InvalidInputException.class, () -> trainer.saveTo(folder.resolve("wide")));
    assertTrue(unnamed.getMessage().contains("option(\"format\")"), unnamed::getMessage);
    trainer.option("format", "csv").option("encoding", "UTF-16LE");
    trainer.option("delimiter", "semicolon").saveTo(folder.resolve("wide"));
    byte[] expected = weights(folder.resolve("plain"));
    for (String way : List.of("folder", "wide")) {
      assertArrayEquals(expected, weights(folder.resolve(way)), way);
    }
  }

  @Test
  void listenersHearEveryStepAndEvaluationOnTheCallingThread() {
    Thread caller = Thread.currentThread();
    List<TrainingStep> steps = new ArrayList<>();
    List<Evaluation> evaluations = new ArrayList<>();
    TrainingResult result =
        trainer()
            .train(many)
            .validation(examples.subList(0, 48))
            .test(examples.subList(48, 96))
            .epochs(3)
            .onStep(
                step -> {
                  assertSame(caller, Thread.currentThread());
                  steps.add(step);
                })
            .onEvaluation(evaluations::add)
            .saveTo(folder);
    assertEquals(75, result.steps());
    assertEquals(75, steps.size());
    assertEquals(75, steps.get(74).step());
    assertEquals(3, evaluations.size());
    assertEquals(3.0, result.epochs());
    assertEquals(evaluations.get(2).metrics(), result.metrics());
    assertTrue(result.metrics().get("accuracy") > 0.9, () -> result.metrics().toString());
    assertTrue(result.testMetrics().containsKey("accuracy"));
    assertFalse(result.stopped());
    assertEquals(folder, result.folder());
    try (Classifier classifier = Classifier.open(folder, o -> o.precision(Precision.FP32))) {
      assertEquals(List.of("negative", "positive"), classifier.labels());
      int right = 0;
      List<Prediction> predictions =
          classifier.predict(examples.stream().map(LabeledText::text).toList());
      for (int i = 0; i < predictions.size(); i++) {
        Prediction p = predictions.get(i);
        right += p.label().equals(examples.get(i).label()) ? 1 : 0;
        assertEquals(List.of("negative", "positive"), List.copyOf(p.scores().keySet()));
        assertEquals(p.score(), p.scores().get(p.label()));
        assertEquals(1, p.scores().values().stream().mapToDouble(v -> v).sum(), 1e-12);
        Prediction alone = classifier.predict(examples.get(i).text());
        assertEquals(p.label(), alone.label());
        assertEquals(p.score(), alone.score(), 1e-6); // few rows are added up in another order
      }
      assertTrue(right > 86, "right: " + right);
      assertEquals(List.of(), classifier.predict(List.of()));
      assertNotNull(classifier.predict("good", "bad").label());
    }
  }

  @Test
  void aStoppedRunResumesToTheBytesOfOneThatWasNot() throws Exception {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    trainer().train(examples).epochs(2).saveTo(whole);
    boolean[] enough = {false};
    TrainingResult first =
        trainer()
            .train(examples)
            .epochs(2)
            .onStep(step -> enough[0] = step.step() == 5)
            .stopWhen(() -> enough[0])
            .saveTo(parts);
    assertTrue(first.stopped());
    assertEquals(5, first.steps());
    assertFalse(Files.exists(parts.resolve("model.safetensors")));
    TrainingResult second = trainer().train(examples).epochs(2).resume().saveTo(parts);
    assertFalse(second.stopped());
    assertEquals(12, second.steps());
    assertArrayEquals(weights(whole), weights(parts));
  }

  @Test
  void anInterruptIsARequestToStop() throws Exception {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    trainer().train(examples).epochs(2).saveTo(whole);
    TrainingResult first =
        trainer()
            .train(examples)
            .epochs(2)
            .saveSteps(1) // files are being written whenever it comes
            .onStep(
                step -> {
                  if (step.step() == 4) {
                    Thread.currentThread().interrupt();
                  }
                })
            .saveTo(parts);
    assertTrue(Thread.interrupted(), "the flag is set again");
    assertTrue(first.stopped());
    TrainingResult second = trainer().train(examples).epochs(2).saveSteps(1).resume().saveTo(parts);
    assertEquals(12, second.steps());
    assertArrayEquals(weights(whole), weights(parts));
  }

  @Test
  void interruptsAtAnyTimeLoseNothing() throws Exception {
    Path whole = folder.resolve("whole");
    trainer().train(examples).epochs(2).saveTo(whole);
    for (int round = 0; round < 3; round++) {
      Path parts = folder.resolve("parts" + round);
      boolean resume = false;
      TrainingResult result;
      int delayMillis = 30 + 300 * round;
      do {
        Thread caller = Thread.currentThread();
        Thread other =
            new Thread(
                () -> {
                  try {
                    Thread.sleep(delayMillis);
                    caller.interrupt();
                  } catch (InterruptedException e) {
                    // the run ended first
                  }
                });
        other.start();
        Trainer<LabeledText> trainer = trainer().train(examples).epochs(2).saveSteps(2);
        result = (resume ? trainer.resume() : trainer).saveTo(parts);
        other.interrupt();
        other.join();
        Thread.interrupted();
        resume = true;
      } while (result.stopped());
      assertArrayEquals(weights(whole), weights(parts), "round " + round);
    }
  }

  @Test
  void whatAListenerThrowsEndsTheRunAndComesOut() {
    ArithmeticException thrown = new ArithmeticException("mine");
    ArithmeticException e =
        assertThrows(
            ArithmeticException.class,
            () ->
                trainer()
                    .train(examples)
                    .onStep(
                        step -> {
                          throw thrown;
                        })
                    .saveTo(folder));
    assertSame(thrown, e);
  }
}
