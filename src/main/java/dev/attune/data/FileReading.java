package dev.attune.data;

import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How a file was read: for the data report, and for advice that names the file's own columns.
 *
 * @param columns which column plays which role, in words: {@code text <- sentence, label}
 * @param roles the column of each role
 * @param positions the columns in their order where they were given by position; else null
 * @param advice what to do where rows turn out to lack their label or words; empty: nothing is
 *     known
 * @param findings what reading found; of no split yet
 * @param isRunning whether rows may be parts of one running text: see {@link Dataset#continues}
 * @param classes the names that numbers were given, from 0 on, of each column where that was done
 */
public record FileReading(
    String columns,
    Map<ColumnRole, String> roles,
    List<String> positions,
    String advice,
    List<Finding> findings,
    boolean isRunning,
    Map<String, List<String>> classes) {
  /** Of rows that come from no file. */
  public static final FileReading NONE = of("");

  public FileReading {
    roles = Map.copyOf(roles);
    findings = List.copyOf(findings);
    classes = Map.copyOf(classes);
  }

  /** A reading that gave no number a name. */
  public FileReading(
      String columns,
      Map<ColumnRole, String> roles,
      List<String> positions,
      String advice,
      List<Finding> findings,
      boolean isRunning) {
    this(columns, roles, positions, advice, findings, isRunning, Map.of());
  }

  /** A reading of rows that are each whole. */
  public FileReading(
      String columns,
      Map<ColumnRole, String> roles,
      List<String> positions,
      String advice,
      List<Finding> findings) {
    this(columns, roles, positions, advice, findings, false);
  }

  /** The same of rows that may be parts of one running text. */
  FileReading running() {
    return new FileReading(columns, roles, positions, advice, findings, true, classes);
  }

  /** Where nothing more is known than the columns, in words. */
  public static FileReading of(String columns) {
    return new FileReading(columns, Map.of(), null, "", List.of());
  }

  /** The same with one more finding. */
  FileReading with(Finding finding) {
    List<Finding> more = new ArrayList<>(findings);
    more.add(finding);
    return new FileReading(columns, roles, positions, advice, more, isRunning, classes);
  }

  /** The same with other advice. */
  FileReading advising(String other) {
    return new FileReading(columns, roles, positions, other, findings, isRunning, classes);
  }

  FileReading withoutFindings() {
    return new FileReading(columns, roles, positions, advice, List.of(), isRunning, classes);
  }

  /** The names that the numbers of a role were given; null: none. */
  List<String> classesOf(ColumnRole role) {
    return roles.containsKey(role) ? classes.get(roles.get(role)) : null;
  }

  /** A sentence with the advice behind it. */
  public String advised(String sentence) {
    return advice.isEmpty() ? sentence : sentence + ". " + advice;
  }

  /** The option that reads a prompt or an instruction as a text; null where there is none. */
  public String promptAsText() {
    String prompt = roles.getOrDefault(ColumnRole.PROMPT, roles.get(ColumnRole.INSTRUCTION));
    if (prompt == null || roles.containsKey(ColumnRole.TEXT)) {
      return null;
    }
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TEXT, prompt);
    if (roles.containsKey(ColumnRole.LABEL)) {
      option.put(ColumnRole.LABEL, roles.get(ColumnRole.LABEL));
    }
    return ColumnsOption.of(option);
  }

  /** The options that read one of several texts, where a row has text, prompt and messages. */
  public String oneSource() {
    return Stream.of(ColumnRole.TEXT, ColumnRole.PROMPT, ColumnRole.MESSAGES)
        .filter(roles::containsKey)
        .map(role -> ColumnsOption.of(Map.of(role, roles.get(role))))
        .collect(Collectors.joining(" or "));
  }

  /** The options that read one of a row's two texts, or both, one behind the other. */
  public String oneOfTwo() {
    String question = roles.get(ColumnRole.QUESTION);
    String text = roles.getOrDefault(ColumnRole.TEXT, question);
    String second = roles.get(ColumnRole.TEXT_PAIR);
    if (text == null || positions != null) {
      return oneText();
    }
    if (question != null) {
      Map<ColumnRole, String> all = new LinkedHashMap<>();
      all.put(ColumnRole.INSTRUCTION, question);
      all.put(ColumnRole.INPUT, roles.get(ColumnRole.CONTEXT));
      all.put(ColumnRole.COMPLETION, "NAME");
      return ColumnsOption.of(Map.of(ColumnRole.TEXT, text)) + " or " + ColumnsOption.of(all);
    }
    Map<ColumnRole, String> both = new LinkedHashMap<>();
    both.put(ColumnRole.PROMPT, text);
    both.put(ColumnRole.COMPLETION, second == null ? "NAME" : second);
    return ColumnsOption.of(Map.of(ColumnRole.TEXT, text)) + " or " + ColumnsOption.of(both);
  }

  /** The option that reads the first of a row's two texts. */
  public String oneText() {
    String text = roles.getOrDefault(ColumnRole.TEXT, roles.get(ColumnRole.QUESTION));
    if (positions == null || text == null) {
      return ColumnsOption.of(Map.of(ColumnRole.TEXT, text == null ? "NAME" : text));
    }
    String second = roles.getOrDefault(ColumnRole.TEXT_PAIR, roles.get(ColumnRole.CONTEXT));
    return Term.COLUMNS.of(
        positions.stream()
            .map(name -> name.equals(text) ? "text" : name.equals(second) ? "_" : name)
            .collect(Collectors.joining(",")));
  }

  /** The option that reads the words of the text; null where there is no column of texts. */
  public String textAsTokens() {
    String text = roles.get(ColumnRole.TEXT);
    Map<ColumnRole, String> option = new LinkedHashMap<>();
    option.put(ColumnRole.TOKENS, text);
    if (!roles.containsKey(ColumnRole.TAGS)) {
      option.put(ColumnRole.TAGS, roles.getOrDefault(ColumnRole.LABEL, "NAME"));
    }
    return text == null ? null : ColumnsOption.of(option);
  }

  /**
   * The option for a header where columns are given by position; null where they are given by name.
   *
   * @param first row of the file
   */
  public String asHeader(Example first) {
    if (positions == null) {
      return null;
    }
    Map<ColumnRole, String> names = new EnumMap<>(ColumnRole.class);
    roles.forEach((role, column) -> names.put(role, first.field(column)));
    return ColumnsOption.of(names);
  }

  /** The option that exchanges text and label; null where they are no columns of a file. */
  public String exchanged() {
    String text = roles.get(ColumnRole.TEXT);
    String label = roles.get(ColumnRole.LABEL);
    if (text == null || label == null) {
      return null;
    }
    if (positions != null) {
      return Term.COLUMNS.of(
          String.join(
              ",",
              positions.stream()
                  .map(name -> name.equals(text) ? label : name.equals(label) ? text : name)
                  .toList()));
    }
    Map<ColumnRole, String> exchanged = new LinkedHashMap<>();
    exchanged.put(ColumnRole.TEXT, label);
    exchanged.put(ColumnRole.LABEL, text);
    return ColumnsOption.of(exchanged);
  }
}
