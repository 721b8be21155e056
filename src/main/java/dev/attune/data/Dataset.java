package dev.attune.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.data.mapped.Store;
import dev.attune.data.mapped.StoreException;
import dev.attune.data.mapped.StoreWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/**
 * The examples of one file, in file order; or of several files, one after another.
 *
 * @param source the file, or what stands for the files, as messages name it
 * @param examples in file order. Rows of several files are numbered on from file to file; {@link
 *     #file} and {@link #rowInFile} say the file and its own row.
 * @param reading how they were read
 * @param parts the files, in order; at least one
 */
public record Dataset(
    Path source, List<Example> examples, FileReading reading, List<DatasetPart> parts) {

  public Dataset {
    examples = examples instanceof ExampleList ? examples : List.copyOf(examples);
    parts = List.copyOf(parts);
  }

  /** The examples of one file. */
  public Dataset(Path source, List<Example> examples, FileReading reading) {
    this(source, examples, reading, List.of(new DatasetPart(source, 0, examples.size(), "")));
  }

  /** Those of which nothing more is known than the columns, in words. */
  public Dataset(Path source, List<Example> examples, String columns) {
    this(source, examples, FileReading.of(columns));
  }

  /** Other examples of the same files. */
  public Dataset withExamples(List<Example> others) {
    return new Dataset(source, others, reading, parts);
  }

  /** The same with one more finding of how it was read. */
  public Dataset with(Finding finding) {
    return new Dataset(source, examples, reading.with(finding), parts);
  }

  /** The same, as if nothing had been found when it was read. */
  public Dataset withoutFindings() {
    return new Dataset(source, examples, reading.withoutFindings(), parts);
  }

  /** The examples of each file that are here, in the order of {@link #parts}. */
  int[] rowsOfParts() {
    if (parts.size() == 1) {
      return new int[] {size()};
    }
    TreeMap<Integer, Integer> indices = new TreeMap<>(); // by the rows before
    for (int i = 0; i < parts.size(); i++) {
      if (parts.get(i).examples() > 0) {
        indices.put(parts.get(i).rowsBefore(), i);
      }
    }
    int[] counts = new int[parts.size()];
    for (Example example : examples) {
      Map.Entry<Integer, Integer> part = indices.lowerEntry(example.row());
      counts[part == null ? 0 : part.getValue()]++;
    }
    return counts;
  }

  /** Which column plays which role, in words: {@code text <- sentence, label}. */
  public String columns() {
    return reading.columns();
  }

  /** The same with what the data report is to say of how its one file is written. */
  Dataset written(String form) {
    return new Dataset(
        source, examples, reading, List.of(new DatasetPart(source, 0, examples.size(), form)));
  }

  /** Several files as one. */
  static Dataset joined(List<Dataset> files, RowSpace space) {
    if (files.size() == 1) {
      return files.get(0);
    }
    ColumnRole.OF_CLASSES.forEach(role -> checkNamed(files, role));
    RowSpace.Rows<Example> examples = space.examples();
    List<DatasetPart> parts = new ArrayList<>();
    List<Finding> findings = new ArrayList<>();
    int before = 0;
    // What names its fields row by row has no columns where it has no rows.
    Dataset first = files.stream().filter(file -> file.size() > 0).findFirst().orElse(files.get(0));
    for (Dataset file : files) {
      if (file.size() > 0 && !file.columns().equals(first.columns())) {
        throw new InputException(
            String.format(
                "%s has the columns [%s], %s has [%s]; files that are read as one need the same",
                first.source, first.columns(), file.source, file.columns()));
      }
      int last = 0;
      for (Example example : file.examples) {
        examples.add(example.numbered(before + example.row()));
        last = Math.max(last, example.row());
      }
      for (Finding finding : file.reading.findings()) {
        findings.add(finding.after(before));
        last = Math.max(last, finding.rows().stream().mapToInt(Integer::intValue).max().orElse(0));
      }
      space.drop(file.examples);
      parts.add(new DatasetPart(file.source, before, file.size(), file.parts.get(0).form()));
      before += last;
    }
    Path name = Path.of(files.get(0).source + " and " + (files.size() - 1) + " more");
    FileReading reading = first.reading.withoutFindings();
    for (Finding finding : findings) {
      reading = reading.with(finding);
    }
    return new Dataset(name, examples.list(), reading, parts);
  }

  /** Refuses files of which one has classes by name and another by number. */
  private static void checkNamed(List<Dataset> files, ColumnRole role) {
    Dataset named =
        files.stream()
            .filter(file -> file.reading.classesOf(role) != null)
            .findFirst()
            .orElse(null);
    if (named == null) {
      return;
    }
    List<String> names = named.reading.classesOf(role);
    for (Dataset file : files) {
      Set<String> labels =
          file.reading.classesOf(role) == null ? file.labels(role) : Set.<String>of();
      if (LabelNumbers.areNumbers(List.copyOf(labels)) && !names.containsAll(labels)) {
        throw new InputException(
            String.format(
                "%s has classes by name, and %s has numbers that nothing names, so that they would"
                    + " be other classes. %s says what the numbers of both mean, from 0 on",
                named.source, file.source, LabelNumbers.option(names)));
      }
    }
  }

  private Set<String> labels(ColumnRole role) {
    Set<String> labels = new HashSet<>();
    for (Example example : examples) {
      if (role == ColumnRole.TAGS) {
        labels.addAll(example.tags() == null ? List.of() : example.tags());
      } else {
        labels.addAll(example.labels() == null ? List.of() : example.labels());
        labels.add(example.label());
      }
    }
    labels.remove(null);
    return labels;
  }

  /**
   * What the examples are of: the same for the same content, whoever reads it and when; null: not
   * known, as of what is in memory.
   */
  public String contentKey() {
    return examples instanceof ExampleList list ? list.contentKey() : null;
  }

  /**
   * Something that is found out by reading all examples: of examples in a store it is kept there,
   * so that it is found out once.
   *
   * @param what it is, with all that it depends on beside the examples and how they were read;
   *     null: it cannot be kept
   */
  public JsonNode foundOut(String what, Supplier<JsonNode> finding) {
    if (what == null
        || !(examples instanceof ExampleList list)
        || list.contentKey() == null
        || list.stores() == null) {
      return finding.get();
    }
    String key = "facts-" + ContentKey.of(list.contentKey()).with(what).text();
    try {
      Store known = list.stores().find(key);
      if (known != null) {
        return known.facts();
      }
    } catch (StoreException | InputException e) {
      return finding.get(); // the folder of stores has gone
    }
    JsonNode facts = finding.get();
    try (StoreWriter writer = list.stores().begin()) {
      list.stores().publish(writer, key, facts);
    } catch (StoreException | InputException e) {
      // A full disk: it is found out again the next time.
    }
    return facts;
  }

  /** Whether the examples lie in files rather than in memory. */
  public boolean isStored() {
    return examples instanceof ExampleList;
  }

  /** About how many bytes an example takes in its file; 0 where it is in memory. */
  public int storedBytes(int index) {
    return examples instanceof ExampleList list ? list.sizeBytes(index) : 0;
  }

  /**
   * The first {@link #rows}, with all examples that they are.
   *
   * @param count no more than there are
   */
  public Dataset first(int count) {
    if (!reading.isRunning()) {
      return withExamples(ExampleList.first(examples, count));
    }
    int end = 0;
    for (int texts = 0; end < size(); end++) {
      texts += continues(end) ? 0 : 1;
      if (texts > count) {
        break;
      }
    }
    return new Dataset(source, ExampleList.first(examples, end), reading, parts.subList(0, count));
  }

  /** The examples with these indices, in their order. */
  public Dataset chosen(int[] indices) {
    return withExamples(ExampleList.chosen(examples, indices));
  }

  /**
   * Every example changed.
   *
   * @param change a pure function, which throws nothing for these examples
   * @param said what it does, in full: the same words for the same change
   */
  Dataset changed(UnaryOperator<Example> change, String said) {
    return withExamples(ExampleList.changed(examples, change, said));
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

  /**
   * Whether an example is not a text of its own but goes on with that of the example before: a
   * running text that is too large for memory is several of these, one after the other.
   */
  public boolean continues(int index) {
    return reading.isRunning() && rowInFile(get(index).row()) > 1;
  }

  /** Rows of the files: the examples, unless several are one text. */
  public int rows() {
    return reading.isRunning() ? parts.size() : size();
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
    if (tools == null && example.fields().get("input") instanceof Map<?, ?> input) {
      tools = input.get("tools"); // as OpenAI has them
    }
    if (tools instanceof String text) {
      if (text.isBlank() || text.strip().equals("null")) {
        return null;
      }
      tools = CellValue.plain(text);
      if (tools == null) {
        throw new InputException(
            where(example)
                + ": \"tools\" is a text that is no list of JSON: "
                + Excerpt.shortened(text));
      }
    }
    if (tools == null || (tools instanceof List<?> list && list.isEmpty())) {
      return null;
    }
    if (!(JsonNumber.plain(tools) instanceof List<?> list)) {
      throw new InputException(
          where(example)
              + ": \"tools\" must be a list of JSON schemas, or the text of one; it is "
              + tools);
    }
    return list.stream().map(Dataset::asTool).toList();
  }

  /** A function that stands alone, as ShareGPT's rows have it, as the tool that it is. */
  private static Object asTool(Object given) {
    boolean isBare =
        given instanceof Map<?, ?> tool
            && tool.get("name") instanceof String
            && tool.containsKey("parameters")
            && !tool.containsKey("type")
            && !tool.containsKey("function");
    return isBare ? ChatTurn.ofFunction(given) : given;
  }

  /** "file, row 17": how messages name an example. */
  public String where(Example example) {
    return file(example.row()) + ", row " + rowInFile(example.row());
  }

  /** A row in a list of rows: "17", or of several files "b.csv:17". */
  public String place(int row) {
    String number = String.valueOf(rowInFile(row));
    return parts.size() == 1 ? number : file(row) + ":" + number;
  }

  /** The file that a row is of. */
  public Path file(int row) {
    return part(row).file();
  }

  /** The number of a row in its file. */
  public int rowInFile(int row) {
    return row - part(row).rowsBefore();
  }

  private DatasetPart part(int row) {
    DatasetPart found = parts.get(0);
    for (DatasetPart part : parts) {
      found = part.rowsBefore() < row && part.examples() > 0 ? part : found;
    }
    return found;
  }
}
