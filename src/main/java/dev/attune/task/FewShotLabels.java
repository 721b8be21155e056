package dev.attune.task;

import dev.attune.batch.Batch;
import dev.attune.batch.TextRows;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.folder.LinearHead;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/** What few-shot learns of rows: one label each, or any number. */
interface FewShotLabels {
  /** The type of the few-shot task itself. */
  TaskType type();

  /** What measures and reads the logits of the head. */
  Task task();

  /** K names. */
  default LabelMap labels() {
    return task().labels();
  }

  /**
   * A row's labels as a vector (K), whose product with another row's says how alike their texts are
   * to be: 1 where the labels are the same, 0 where none is.
   *
   * @throws InputException naming the row, where it has no label, or one that is unknown
   */
  float[] likeness(Dataset dataset, Example example);

  /** How rows are encoded for the regression. */
  default TextRows rows(TextTokenizer tokenizer, int maxLength) {
    return (TextRows) task().encoder(tokenizer, maxLength, Purpose.FITTING);
  }

  /** Texts as rows: of the first label, the second, and so on, and of the first again. */
  List<Example> labelled(List<String> texts);

  /** All pairs of a dataset's rows. */
  RowPairs pairs(Dataset dataset);

  /** Collects the labels of so many rows, for the regression. */
  Gold gold(int rows);

  /** The labels of rows. */
  interface Gold {
    /** Takes those of a sequence of a batch. */
    void add(int row, Batch batch, int sequence);

    /** The regression of the labels on the vectors of all rows (N,C). */
    LinearHead fit(float[][] vectors, double c);
  }

  /** One label a row: one regression on all. */
  record One(TaskType type, Classification task) implements FewShotLabels {
    @Override
    public float[] likeness(Dataset dataset, Example example) {
      float[] one = new float[labels().size()];
      one[id(dataset, example)] = 1;
      return one;
    }

    @Override
    public List<Example> labelled(List<String> texts) {
      return IntStream.range(0, texts.size())
          .mapToObj(k -> Example.of(k + 1, texts.get(k), labels().name(k % labels().size())))
          .toList();
    }

    @Override
    public RowPairs pairs(Dataset dataset) {
      return new LabelledRows(
          dataset.examples().stream().mapToInt(example -> id(dataset, example)).toArray());
    }

    private int id(Dataset dataset, Example example) {
      return labels().id(example.label(), dataset, example);
    }

    @Override
    public Gold gold(int rows) {
      int[] ids = new int[rows];
      return new Gold() {
        @Override
        public void add(int row, Batch batch, int sequence) {
          ids[row] = batch.labels()[sequence];
        }

        @Override
        public LinearHead fit(float[][] vectors, double c) {
          return LogisticRegression.fit(vectors, ids, labels().size(), c);
        }
      };
    }
  }

  /** Any number a row: a regression for each label, of the rows that have it beside the rest. */
  record Several(TaskType type, MultiLabelClassification task) implements FewShotLabels {
    /** The cosine of two rows' sets of labels, each a vector of ones. */
    @Override
    public float[] likeness(Dataset dataset, Example example) {
      float[] unit = task.targets(dataset, example);
      int count = 0;
      for (float value : unit) {
        count += value > 0 ? 1 : 0;
      }
      for (int k = 0; k < unit.length; k++) {
        unit[k] /= (float) Math.sqrt(Math.max(1, count));
      }
      return unit;
    }

    @Override
    public List<Example> labelled(List<String> texts) {
      return IntStream.range(0, texts.size())
          .mapToObj(
              k ->
                  Example.ofLabels(
                      k + 1, texts.get(k), null, List.of(labels().name(k % labels().size()))))
          .toList();
    }

    @Override
    public RowPairs pairs(Dataset dataset) {
      return new LabelSetRows(
          dataset.examples().stream().map(example -> set(dataset, example)).toList());
    }

    private BitSet set(Dataset dataset, Example example) {
      float[] targets = task.targets(dataset, example);
      BitSet set = new BitSet();
      for (int k = 0; k < targets.length; k++) {
        set.set(k, targets[k] > 0);
      }
      return set;
    }

    @Override
    public Gold gold(int rows) {
      int K = labels().size();
      boolean[][] gold = new boolean[rows][];
      return new Gold() {
        @Override
        public void add(int row, Batch batch, int sequence) {
          gold[row] = MultiLabelClassification.gold(batch, sequence, K);
        }

        @Override
        public LinearHead fit(float[][] vectors, double c) {
          return LogisticRegression.fitEach(vectors, Arrays.asList(gold), K, c);
        }
      };
    }
  }

  /** The labels of a task of few shots. */
  static FewShotLabels of(TaskType type, LabelMap labels, boolean several) {
    return several
        ? new Several(type, new MultiLabelClassification(labels))
        : new One(type, new Classification(labels));
  }
}
