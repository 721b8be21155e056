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
  private final Map<Path, HeadModel> open = new LinkedHashMap<>(4, 0.75f, true);
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

  private static String question(LabelledText row) {
    return row.text() + (row.pair() == null ? "" : '\0' + row.pair());
  }

  @Override
  public synchronized List<String> labels(Path folder, List<LabelledText> rows) {
    Map<String, String> answers = said.computeIfAbsent(folder, f -> new HashMap<>());
    if (answers.size() + rows.size() > MOST_ANSWERS) {
      answers.clear();
    }
    Map<String, Example> asked = new LinkedHashMap<>();
    for (LabelledText row : rows) {
      if (!answers.containsKey(question(row))) {
        asked.putIfAbsent(question(row), row.example(asked.size() + 1));
      }
    }
    if (!asked.isEmpty()) {
      Dataset texts = new Dataset(Path.of("corrections"), new ArrayList<>(asked.values()));
      Iterator<String> questions = asked.keySet().iterator();
      opened(folder)
          .predict(texts, Classification.Predicted.class)
          .forEach(predicted -> answers.put(questions.next(), predicted.label()));
    }
    return rows.stream().map(row -> answers.get(question(row))).toList();
  }

  private HeadModel opened(Path folder) {
    HeadModel model = open.get(folder);
    if (model != null) {
      return model;
    }
    while (open.size() >= OPEN) {
      Iterator<HeadModel> eldest = open.values().iterator();
      HeadModel closed = eldest.next();
      eldest.remove();
      closed.close();
    }
    HeadModel opened = HeadModel.open(folder, OpenOptions.DEFAULT, compute, Classification.TYPE);
    open.put(folder, opened);
    return opened;
  }

  @Override
  public synchronized void close() {
    open.values().forEach(HeadModel::close);
    open.clear();
  }
}
