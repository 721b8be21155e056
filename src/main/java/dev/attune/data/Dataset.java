package dev.attune.data;

import java.nio.file.Path;
import java.util.List;

/**
 * The examples of one file, in file order.
 *
 * @param source the file, as messages name it
 * @param examples in file order
 * @param columns which column plays which role, in words: {@code text <- sentence, label}
 */
public record Dataset(Path source, List<Example> examples, String columns) {

  public Dataset {
    examples = List.copyOf(examples);
  }

  /** A dataset that was not read from columns. */
  public Dataset(Path source, List<Example> examples) {
    this(source, examples, "");
  }

  /** Number of examples. */
  public int size() {
    return examples.size();
  }

  /** Example number {@code index}, counted from 0. */
  public Example get(int index) {
    return examples.get(index);
  }

  /** "file, row 17": how messages name an example. */
  public String where(Example example) {
    return source + ", row " + example.row();
  }
}
