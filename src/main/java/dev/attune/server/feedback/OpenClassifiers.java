package dev.attune.server.feedback;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.run.Compute;
import dev.attune.run.HeadModel;
import dev.attune.run.OpenOptions;
import dev.attune.task.Classification;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Classifiers that are kept open for judging, the two that were used last: the live version and the
 * one before. What one has said is remembered: candidates are measured on the same rows again and
 * again.
 */
final class OpenClassifiers implements Judge {
  private static final int OPEN = 2;
  private static final int REMEMBERED = 4; // folders
  private static final int MOST_ANSWERS = 20_000; // of a folder

  private final Compute compute;
  private final Map<Path, Held> open = new LinkedHashMap<>(4, 0.75f, true);
  private final Map<Path, Map<String, String>> said =
      new LinkedHashMap<>(8, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Path, Map<String, String>> eldest) {
          return size() > REMEMBERED;
        }
      };

  OpenClassifiers(Compute compute) {
    this.compute = compute;
  }

  /** A digest, since texts may be long and many. */
  private static String question(LabelledText row) {
    String asked = row.text() + (row.pair() == null ? "" : '\0' + row.pair());
    return HexFormat.of().formatHex(LabelledText.digest(asked));
  }

  @Override
  public List<String> labels(Path folder, Path base, List<LabelledText> rows) {
    List<String> questions = rows.stream().map(OpenClassifiers::question).toList();
    Map<String, String> answers = remembered(folder, questions);
    Map<String, Example> asked = new LinkedHashMap<>();
    for (int i = 0; i < rows.size(); i++) {
      if (!answers.containsKey(questions.get(i))) {
        asked.putIfAbsent(questions.get(i), rows.get(i).example(asked.size() + 1));
      }
    }
    if (!asked.isEmpty()) {
      Map<String, String> found = answered(folder, base, asked);
      answers.putAll(found);
      remember(folder, found);
    }
    return questions.stream().map(answers::get).toList();
  }

  private synchronized Map<String, String> remembered(Path folder, List<String> questions) {
    Map<String, String> all = said.getOrDefault(folder, Map.of());
    Map<String, String> found = new HashMap<>();
    for (String question : questions) {
      String answer = all.get(question);
      if (answer != null) {
        found.put(question, answer);
      }
    }
    return found;
  }

  private synchronized void remember(Path folder, Map<String, String> answers) {
    Map<String, String> all = said.computeIfAbsent(folder, f -> new HashMap<>());
    if (all.size() + answers.size() > MOST_ANSWERS) {
      all.clear();
    }
    all.putAll(answers);
  }

  /** Asks a model; those who ask the same one wait for each other, and nobody else does. */
  private Map<String, String> answered(Path folder, Path base, Map<String, Example> asked) {
    Dataset texts = new Dataset(Path.of("corrections"), new ArrayList<>(asked.values()));
    Iterator<String> questions = asked.keySet().iterator();
    Map<String, String> answers = new HashMap<>();
    Held held = take(folder);
    try {
      synchronized (held) {
        held.opened(folder, base)
            .predict(texts, Classification.Predicted.class)
            .forEach(predicted -> answers.put(questions.next(), predicted.label()));
      }
    } finally {
      release(held);
    }
    return answers;
  }

  /** A model that is kept open, or about to be opened by who has it. */
  private final class Held {
    private HeadModel model;
    private int users; // guarded by all

    private HeadModel opened(Path folder, Path base) {
      if (model == null) {
        OpenOptions usual = OpenOptions.DEFAULT;
        OpenOptions options =
            new OpenOptions(
                base == null ? null : base.toString(),
                usual.weights(),
                usual.maxLength(),
                usual.task());
        model = HeadModel.open(folder, options, compute, Classification.TYPE);
      }
      return model;
    }

    private void close() {
      if (model != null) {
        model.close();
      }
    }
  }

  private synchronized Held take(Path folder) {
    Held held = open.get(folder);
    if (held == null) {
      closeIdle(OPEN - 1);
      held = new Held();
      open.put(folder, held);
    }
    held.users++;
    return held;
  }

  private synchronized void release(Held held) {
    held.users--;
    closeIdle(OPEN);
    notifyAll();
  }

  /** Closes those that nobody uses, the longest unused first, until so many are open. */
  private void closeIdle(int most) {
    Iterator<Held> eldest = open.values().iterator();
    while (open.size() > most && eldest.hasNext()) {
      Held held = eldest.next();
      if (held.users == 0) {
        eldest.remove();
        held.close();
      }
    }
  }

  /** Waits for those who ask, then closes all. */
  @Override
  public synchronized void close() {
    try {
      while (open.values().stream().anyMatch(held -> held.users > 0)) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return; // the process is about to end
    }
    closeIdle(0);
  }
}
