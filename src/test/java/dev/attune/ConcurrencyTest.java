package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Many threads on open models: answers, closing, interrupts. */
@Timeout(600)
class ConcurrencyTest {
  private static final int THREADS = 8;

  @TempDir private static Path folder;
  private static Path classifierFolder;
  private static Path labelsFolder;
  private static Path questionsFolder;
  private static Path decoderFolder;
  private static List<String> texts;
  private static List<Question> questions;

  @BeforeAll
  static void write() throws IOException {
    Path data = TinyModel.writeData(folder.resolve("train.csv"), 64, 5);
    texts = Files.readAllLines(data).stream().skip(1).map(line -> line.split(",")[0]).toList();
    try (Backend backend = new CpuBackend(1)) {
      Path bert = TinyModel.write(folder.resolve("bert"), backend);
      decoderFolder = TinyDecoder.write(folder.resolve("llama"), backend, 32);
      classifierFolder = folder.resolve("classifier");
      Trainer.classification(bert.toString()).train(data).maxSteps(2).saveTo(classifierFolder);
      labelsFolder = folder.resolve("labels");
      Trainer.multiLabelClassification(bert.toString())
          .train(
              texts.stream()
                  .map(text -> new MultiLabeledText(text, List.of(text.split(" ")[0], "all"))))
          .maxSteps(2)
          .saveTo(labelsFolder);
      questionsFolder = folder.resolve("questions");
      Trainer.questionAnswering(bert.toString())
          .train(
              texts.stream()
                  .map(text -> new AnsweredQuestion("is it", text, text.split(" ")[0], 0)))
          .maxLength(16)
          .docStride(3)
          .maxSteps(2)
          .saveTo(questionsFolder);
      // Of one window and of several.
      questions =
          texts.stream()
              .map(t -> new Question("is it", t.length() % 2 == 0 ? t : t + t + t))
              .toList();
    }
  }

  private static void together(IntFunction<Callable<Void>> work) throws Exception {
    ExecutorService executor = Executors.newFixedThreadPool(THREADS);
    try {
      List<Future<Void>> running = new ArrayList<>();
      for (int t = 0; t < THREADS; t++) {
        running.add(executor.submit(work.apply(t)));
      }
      for (Future<Void> one : running) {
        one.get();
      }
    } finally {
      executor.shutdownNow();
    }
  }

  /** What a text is continued by, for a number: greedy, sampled, from several prompts, a beam. */
  private static String continued(Generator generator, int number, StringBuilder streamed) {
    String prompt = "text " + number % 5;
    return switch (number % 4) {
      case 0 -> generator.generate(prompt, o -> o.maxNewTokens(12), streamed::append).text();
      case 1 ->
          generator
              .generate(
                  prompt, o -> o.maxNewTokens(12).temperature(1.5).seed(number), streamed::append)
              .text();
      case 2 ->
          generator
              .generate(
                  List.of(prompt, "b", "cd", prompt),
                  o -> o.maxNewTokens(6).topK(5).seed(3).concurrency(3))
              .toString();
      default -> generator.generate(prompt, o -> o.maxNewTokens(5).beams(3)).text();
    };
  }

  private static <I, O> void asksTogether(
      int calls, List<I> items, Function<I, O> one, Function<List<I>, List<O>> all)
      throws Exception {
    List<O> alone = items.stream().map(one).toList();
    List<O> batch = all.apply(items);
    together(
        thread ->
            () -> {
              for (int call = 0; call < calls; call++) {
                int i = (call * 3 + thread) % items.size();
                if (call % 16 == 0) {
                  assertEquals(batch, all.apply(items));
                } else {
                  assertEquals(alone.get(i), one.apply(items.get(i)));
                }
              }
              return null;
            });
  }

  private static void classifies(int calls) throws Exception {
    try (Classifier classifier = Classifier.open(classifierFolder)) {
      asksTogether(calls, texts, classifier::predict, classifier::predict);
    }
  }

  private static void labels(int calls) throws Exception {
    try (MultiLabelClassifier classifier = MultiLabelClassifier.open(labelsFolder)) {
      asksTogether(calls, texts, classifier::predict, classifier::predict);
    }
  }

  private static void answers(int calls) throws Exception {
    try (QuestionAnswerer answerer = QuestionAnswerer.open(questionsFolder)) {
      asksTogether(calls, questions, q -> answered(answerer, q), answerer::answer);
    }
  }

  /** As the folder says, or with a call's own options. */
  private static Answering answered(QuestionAnswerer answerer, Question q) {
    return q.context().length() % 3 == 0
        ? answerer.answer(q.question(), q.context(), o -> o.nBest(3).docStride(2))
        : answerer.answer(q.question(), q.context());
  }

  private static void generates(int calls) throws Exception {
    try (Generator first = Generator.open(decoderFolder);
        Generator second = Generator.open(decoderFolder, o -> o.threads(3))) {
      List<String> alone = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        alone.add(continued(first, i, new StringBuilder()));
      }
      together(
          thread ->
              () -> {
                Generator generator = thread % 3 == 0 ? second : first;
                for (int call = 0; call < calls; call++) {
                  int i = (call * 7 + thread) % alone.size();
                  StringBuilder streamed = new StringBuilder();
                  assertEquals(alone.get(i), continued(generator, i, streamed));
                  if (i % 4 < 2) {
                    assertEquals(alone.get(i), streamed.toString());
                  }
                }
                return null;
              });
    }
  }

  private static void closes(int rounds) throws Exception {
    for (int round = 0; round < rounds; round++) {
      Generator generator = Generator.open(decoderFolder);
      Classifier classifier = Classifier.open(classifierFolder);
      MultiLabelClassifier labels = MultiLabelClassifier.open(labelsFolder);
      QuestionAnswerer answerer = QuestionAnswerer.open(questionsFolder);
      List<IntConsumer> calls =
          List.of(
              thread -> continued(generator, thread, new StringBuilder()),
              thread -> classifier.predict(texts.get(thread)),
              thread -> labels.predict(texts.get(thread)),
              thread -> answered(answerer, questions.get(thread)));
      CountDownLatch begun = new CountDownLatch(THREADS);
      int delayMillis = ThreadLocalRandom.current().nextInt(1, 20);
      Thread closer =
          new Thread(
              () -> {
                try {
                  begun.await();
                  Thread.sleep(delayMillis);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
                generator.close();
                classifier.close();
                labels.close();
                answerer.close();
              });
      closer.start();
      together(
          thread ->
              () -> {
                begun.countDown();
                try {
                  while (true) {
                    calls.get(thread % calls.size()).accept(thread);
                  }
                } catch (IllegalStateException e) {
                  assertEquals("the model is closed", e.getMessage());
                }
                return null;
              });
      closer.join();
      for (IntConsumer call : calls) {
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> call.accept(0));
        assertEquals("the model is closed", e.getMessage());
      }
      generator.close();
      classifier.close();
      labels.close();
      answerer.close();
    }
  }

  private static void isInterrupted(int interrupts) throws Exception {
    try (Generator generator = Generator.open(decoderFolder);
        MultiLabelClassifier labels = MultiLabelClassifier.open(labelsFolder);
        QuestionAnswerer answerer = QuestionAnswerer.open(questionsFolder)) {
      isInterrupted(interrupts, i -> continued(generator, i, new StringBuilder()));
      isInterrupted(interrupts, i -> labels.predict(texts.subList(i, i + 10)));
      isInterrupted(interrupts, i -> answered(answerer, questions.get(i)));
    }
  }

  private static void isInterrupted(int interrupts, IntFunction<Object> work) throws Exception {
    List<Object> alone = IntStream.range(0, 20).mapToObj(work).toList();
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger ended = new AtomicInteger();
    List<Throwable> failures = new ArrayList<>();
    List<Thread> callers = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      int thread = t;
      Thread caller =
          new Thread(
              () -> {
                for (int call = 0; !over.get(); call++) {
                  int i = (call + thread) % alone.size();
                  try {
                    assertEquals(alone.get(i), work.apply(i));
                  } catch (CallInterruptedException e) {
                    assertTrue(Thread.interrupted());
                    ended.incrementAndGet();
                  }
                }
              });
      caller.setUncaughtExceptionHandler(
          (where, e) -> {
            synchronized (failures) {
              failures.add(e);
            }
          });
      callers.add(caller);
      caller.start();
    }
    for (int i = 0; i < interrupts; i++) {
      callers.get(i % THREADS).interrupt();
      Thread.sleep(1);
    }
    over.set(true);
    for (Thread caller : callers) {
      caller.join();
    }
    assertEquals(List.of(), failures);
    assertTrue(ended.get() > 0);
    assertEquals(alone.get(0), work.apply(0));
  }

  @Test
  void manyThreadsClassifyAsOneDoes() throws Exception {
    classifies(200);
  }

  @Test
  void manyThreadsGiveLabelsAsOneDoes() throws Exception {
    labels(200);
  }

  @Test
  void manyThreadsAnswerAsOneDoes() throws Exception {
    answers(200);
  }

  @Test
  void manyThreadsGenerateAsOneDoes() throws Exception {
    generates(20);
  }

  @Test
  void closingWaitsForItsUsers() throws Exception {
    closes(5);
  }

  @Test
  void anInterruptEndsACallAndNothingElse() throws Exception {
    isInterrupted(100);
  }

  @Test
  void aLongPredictionEndsWhenItsThreadIsInterrupted() throws Exception {
    try (Classifier classifier = Classifier.open(classifierFolder);
        MultiLabelClassifier labels = MultiLabelClassifier.open(labelsFolder);
        QuestionAnswerer answerer = QuestionAnswerer.open(questionsFolder)) {
      List<String> many = Collections.nCopies(200_000, texts.get(0));
      List<Question> asked = Collections.nCopies(200_000, questions.get(0));
      List<Object> before =
          List.of(classifier.predict("good"), labels.predict("good"), answerer.answer(questions));
      endsWhenInterrupted(() -> classifier.predict(many));
      endsWhenInterrupted(() -> labels.predict(many));
      endsWhenInterrupted(() -> answerer.answer(asked));
      assertEquals(
          before,
          List.of(classifier.predict("good"), labels.predict("good"), answerer.answer(questions)));
    }
  }

  private static void endsWhenInterrupted(Executable work) throws Exception {
    Thread caller = Thread.currentThread();
    Thread other =
        new Thread(
            () -> {
              try {
                Thread.sleep(100);
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
              caller.interrupt();
            });
    other.start();
    assertThrows(CallInterruptedException.class, work);
    assertTrue(Thread.interrupted());
    other.join();
  }

  @Test
  void aListenerMayAskTheModelThatItHears() {
    try (Generator generator = Generator.open(decoderFolder)) {
      String inner = generator.generate("b", o -> o.maxNewTokens(3)).text();
      String outer = generator.generate("a", o -> o.maxNewTokens(6)).text();
      Generation heard =
          generator.generate(
              "a",
              o -> o.maxNewTokens(6),
              piece -> assertEquals(inner, generator.generate("b", o -> o.maxNewTokens(3)).text()));
      assertEquals(outer, heard.text());
    }
  }

  @Test
  @Tag("nightly")
  void allOfItForLong() throws Exception {
    classifies(10_000);
    labels(10_000);
    answers(10_000);
    generates(1_000);
    closes(200);
    isInterrupted(5_000);
  }
}
