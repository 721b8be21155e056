package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.List;

/**
 * The examples of one file, in file order.
 *
 * @param source the file, as messages name it
 * @param examples in file order
 * @param reading how they were read
 */
public record Dataset(Path source, List<Example> examples, FileReading reading) {
  private static final ObjectMapper JSON = new ObjectMapper();

  public Dataset {
    examples = List.copyOf(examples);
  }

  /**
   * A dataset that was not read from columns.
   *
   * @throws InputException if a text of it holds half a character, which no tokenizer can read
   */
  public Dataset(Path source, List<Example> examples) {
    this(source, examples, FileReading.NONE);
    for (Example example : this.examples) {
      String broken = WholeCharacters.broken(example.texts());
      if (broken != null) {
        throw new InputException(where(example) + " has " + WholeCharacters.describe(broken));
      }
    }
  }

  /** A dataset of which nothing more is known than its columns, in words. */
  public Dataset(Path source, List<Example> examples, String columns) {
    this(source, examples, FileReading.of(columns));
  }

  /** Other examples of the same file. */
  public Dataset withExamples(List<Example> others) {
    return new Dataset(source, others, reading);
  }

  /** The same with one more finding of how it was read. */
  public Dataset with(Finding finding) {
    return new Dataset(source, examples, reading.with(finding));
  }

  /** The same, as if nothing had been found when it was read. */
  public Dataset withoutFindings() {
    return new Dataset(source, examples, reading.withoutFindings());
  }

  /** Which column plays which role, in words: {@code text <- sentence, label}. */
  public String columns() {
    return reading.columns();
  }

  /** Number of examples. */
  public int size() {
    return examples.size();
  }

  /** Example number {@code index}, counted from 0. */
  public Example get(int index) {
    return examples.get(index);
  }

  /**
   * The tools that the assistant of a conversation may call ("tools"): JSON schemas, in a list or,
   * as tables of one type have them, in the text of one. Null: none.
   *
   * @throws InputException if they are neither
   */
  public List<?> tools(Example example) {
    Object tools = example.fields().get("tools");
    if (tools instanceof String text) {
      if (text.isBlank()) {
        return null;
      }
      try {
        tools = JSON.readValue(text, Object.class);
      } catch (JsonProcessingException e) {
        throw new InputException(
            where(example) + ": \"tools\" is a text that is not JSON: " + e.getOriginalMessage(),
            e);
      }
    }
    if (tools == null || (tools instanceof List<?> list && list.isEmpty())) {
      return null;
    }
    if (!(tools instanceof List<?> list)) {
      throw new InputException(
          where(example)
              + ": \"tools\" must be a list of JSON schemas, or the text of one; it is "
              + tools);
    }
    return list;
  }

  /** "file, row 17": how messages name an example. */
  public String where(Example example) {
    return source + ", row " + example.row();
  }
}
