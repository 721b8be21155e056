package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.metrics.Words;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Questions with their contexts to sequences: question, then as much of the context as fits, in
 * windows that overlap, as Transformers' {@code run_qa.py} cuts them with {@code
 * truncation="only_second"}. Where a window does not hold the whole answer, its target is the first
 * token for both ends, and so it is where there is no answer.
 *
 * <p>One thing differs: where an answer begins in the last token of a window, {@code run_qa.py}
 * runs on to the special token behind it, whose offset is 0, and has the model learn that; here the
 * target is the answer's token.
 */
final class AnswerWindows implements RowEncoder<List<AnswerWindows.Window>> {
  /**
   * A question with a part of its context.
   *
   * @param ids (T)
   * @param typeIds (T), or null
   * @param contextBegin first row of the context
   * @param offsets begin and end of each token of the context part in the context, in code points,
   *     interleaved
   * @param start row of the answer's first token, 0 where the window does not hold the answer
   * @param end row of its last token
   */
  record Window(int[] ids, int[] typeIds, int contextBegin, int[] offsets, int start, int end) {
    /** Rows of the context. */
    int contextLength() {
      return offsets.length / 2;
    }
  }

  /**
   * What decoding needs: the windows in the order of the sequences, and the rows of the file.
   *
   * @param dataset the rows
   * @param windows without their tokens
   */
  record Notes(Dataset dataset, List<Window> windows) {}

  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final int stride;
  private final boolean withTargets;

  /**
   * @param stride tokens that neighbouring windows of a context share
   * @param withTargets whether answers must be there
   */
  AnswerWindows(TextTokenizer tokenizer, int maxLength, int stride, boolean withTargets) {
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.stride = stride;
    this.withTargets = withTargets;
  }

  @Override
  public List<Window> encode(Dataset dataset, Example example) {
    Check.input(
        example.text() != null && example.textPair() != null,
        "%s: question answering needs a question and a context",
        dataset.where(example));
    Check.input(
        !withTargets || example.answers() != null,
        "%s: the answers are missing",
        dataset.where(example));
    Encoding whole = tokenizer.encode(Words.stripStart(example.text()), example.textPair());
    int begin = 0;
    while (begin < whole.length() && whole.sequenceIds()[begin] != 1) {
      begin++;
    }
    int end = begin;
    while (end < whole.length() && whole.sequenceIds()[end] == 1) {
      end++;
    }
    Check.input(end > begin, "%s: the context has no tokens", dataset.where(example));
    Check.input(
        whole.isSpecial(0),
        "%s: this tokenizer begins sequences with no token of its own, which stands for \"no answer"
            + " here\"",
        dataset.where(example));
    int room = maxLength - (whole.length() - (end - begin));
    if (room <= stride && whole.length() > maxLength) {
      throw new InputException(
          dataset.where(example)
              + ": beside the question there is room for "
              + Count.many(Math.max(0, room), "token")
              + " of context, and windows overlap by "
              + stride
              + "; give a larger "
              + Term.MAX_LENGTH
              + " or a smaller "
              + Term.DOC_STRIDE);
    }
    int[] span = withTargets ? span(dataset, example) : null;
    List<Window> windows = new ArrayList<>();
    int from = begin;
    int to;
    do {
      to = Math.min(end, from + room);
      windows.add(window(whole, begin, from, to, end, span));
      from += room - stride;
    } while (to < end);
    return windows;
  }

  /** Begin and end of the first answer in the context, in code points; null where there is none. */
  static int[] span(Dataset dataset, Example example) {
    if (example.answers().isEmpty()) {
      return null;
    }
    try {
      return example.answers().get(0).spanIn(example.textPair());
    } catch (InputException e) {
      throw new InputException(dataset.where(example) + ": " + e.getMessage(), e);
    }
  }

  private Window window(Encoding whole, int begin, int from, int to, int end, int[] span) {
    int[] ids = part(whole.ids(), begin, from, to, end);
    int[] typeIds = tokenizer.usesTypeIds() ? part(whole.typeIds(), begin, from, to, end) : null;
    int[] offsets = Arrays.copyOfRange(whole.offsets(), 2 * from, 2 * to);
    int start = 0;
    int last = 0;
    int length = to - from;
    if (span != null && offsets[0] <= span[0] && offsets[2 * length - 1] >= span[1]) {
      // The last token that begins no later than the answer, the first that ends no earlier.
      int first = 0;
      while (first + 1 < length && offsets[2 * (first + 1)] <= span[0]) {
        first++;
      }
      int after = length - 1;
      while (after > 0 && offsets[2 * (after - 1) + 1] >= span[1]) {
        after--;
      }
      start = begin + first;
      last = begin + after;
    }
    return new Window(ids, typeIds, begin, offsets, start, last);
  }

  /** What stands before the context, a part of it, and what stands after. */
  static int[] part(int[] values, int begin, int from, int to, int end) {
    int[] out = new int[values.length - (end - begin) + (to - from)];
    System.arraycopy(values, 0, out, 0, begin);
    System.arraycopy(values, from, out, begin, to - from);
    System.arraycopy(values, end, out, begin + to - from, values.length - end);
    return out;
  }

  @Override
  public EncodedDataset pack(Dataset dataset, List<List<Window>> rows) {
    EncodedDataset.Builder builder =
        EncodedDataset.builder(
            withTargets ? TargetLayout.labels(2) : TargetLayout.NONE, tokenizer.usesTypeIds());
    int[] lengths = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    List<Window> windows = new ArrayList<>();
    List<Integer> sources = new ArrayList<>();
    for (int i = 0; i < lengths.length; i++) {
      for (Window window : rows.set(i, null)) {
        if (withTargets) {
          builder.add(window.ids(), window.typeIds(), new int[] {window.start(), window.end()});
        } else {
          builder.add(window.ids(), window.typeIds());
        }
        lengths[i] += window.ids().length;
        supervised[i] += window.end() > 0 ? 1 : 0;
        sources.add(i);
        // The tokens are the dataset's now.
        windows.add(
            new Window(
                null, null, window.contextBegin(), window.offsets(), window.start(), window.end()));
      }
    }
    EncodedDataset encoded =
        builder
            .rows(
                sources.stream().mapToInt(Integer::intValue).toArray(),
                new TokenLengths(
                    lengths, new int[lengths.length], supervised, builder.lengths(), null))
            .build();
    return encoded.withNotes(new Notes(dataset, List.copyOf(windows)));
  }
}
