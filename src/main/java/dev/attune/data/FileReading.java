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
 */
public record FileReading(
    String columns,
    Map<Columns.Role, String> roles,
    List<String> positions,
    String advice,
    List<Finding> findings,
    boolean isRunning) {
  /** Of rows that come from no file. */
  public static final FileReading NONE = of("");

  public FileReading {
    roles = Map.copyOf(roles);
    findings = List.copyOf(findings);
  }

  /** A reading of rows that are each whole. */
  public FileReading(
      String columns,
      Map<Columns.Role, String> roles,
      List<String> positions,
      String advice,
      List<Finding> findings) {
    this(columns, roles, positions, advice, findings, false);
  }

  /** The same of rows that may be parts of one running text. */
  FileReading running() {
    return new FileReading(columns, roles, positions, advice, findings, true);
  }

  /** Where nothing more is known than the columns, in words. */
  public static FileReading of(String columns) {
    return new FileReading(columns, Map.of(), null, "", List.of());
  }

  /** The same with one more finding. */
  FileReading with(Finding finding) {
    List<Finding> more = new ArrayList<>(findings);
    more.add(finding);
    return new FileReading(columns, roles, positions, advice, more, isRunning);
  }

  /** The same with other advice. */
  FileReading advising(String other) {
    return new FileReading(columns, roles, positions, other, findings, isRunning);
  }

  FileReading withoutFindings() {
    return new FileReading(columns, roles, positions, advice, List.of(), isRunning);
  }

  /** A sentence with the advice behind it. */
  public String advised(String sentence) {
    return advice.isEmpty() ? sentence : sentence + ". " + advice;
  }

  /** The option that reads a prompt or an instruction as a text; null where there is none. */
  public String promptAsText() {
    String prompt = roles.getOrDefault(Columns.Role.PROMPT, roles.get(Columns.Role.INSTRUCTION));
    if (prompt == null || roles.containsKey(Columns.Role.TEXT)) {
      return null;
    }
    Map<Columns.Role, String> option = new LinkedHashMap<>();
    option.put(Columns.Role.TEXT, prompt);
    if (roles.containsKey(Columns.Role.LABEL)) {
      option.put(Columns.Role.LABEL, roles.get(Columns.Role.LABEL));
    }
    return ColumnsOption.of(option);
  }

  /** The options that read one of several texts, where a row has text, prompt and messages. */
  public String oneSource() {
    return Stream.of(Columns.Role.TEXT, Columns.Role.PROMPT, Columns.Role.MESSAGES)
        .filter(roles::containsKey)
        .map(role -> ColumnsOption.of(Map.of(role, roles.get(role))))
        .collect(Collectors.joining(" or "));
  }

  /** The options that read one of a row's two texts, or both, one behind the other. */
  public String oneOfTwo() {
    String question = roles.get(Columns.Role.QUESTION);
    String text = roles.getOrDefault(Columns.Role.TEXT, question);
    String second = roles.get(Columns.Role.TEXT_PAIR);
    if (text == null || positions != null) {
      return oneText();
    }
    if (question != null) {
      Map<Columns.Role, String> all = new LinkedHashMap<>();
      all.put(Columns.Role.INSTRUCTION, question);
      all.put(Columns.Role.INPUT, roles.get(Columns.Role.CONTEXT));
      all.put(Columns.Role.COMPLETION, "NAME");
      return ColumnsOption.of(Map.of(Columns.Role.TEXT, text)) + " or " + ColumnsOption.of(all);
    }
    Map<Columns.Role, String> both = new LinkedHashMap<>();
    both.put(Columns.Role.PROMPT, text);
    both.put(Columns.Role.COMPLETION, second == null ? "NAME" : second);
    return ColumnsOption.of(Map.of(Columns.Role.TEXT, text)) + " or " + ColumnsOption.of(both);
  }

  /** The option that reads the first of a row's two texts. */
  public String oneText() {
    String text = roles.getOrDefault(Columns.Role.TEXT, roles.get(Columns.Role.QUESTION));
    if (positions == null || text == null) {
      return ColumnsOption.of(Map.of(Columns.Role.TEXT, text == null ? "NAME" : text));
    }
    String second = roles.getOrDefault(Columns.Role.TEXT_PAIR, roles.get(Columns.Role.CONTEXT));
    return Term.COLUMNS.of(
        positions.stream()
            .map(name -> name.equals(text) ? "text" : name.equals(second) ? "_" : name)
            .collect(Collectors.joining(",")));
  }

  /** The option that reads the words of the text; null where there is no column of texts. */
  public String textAsTokens() {
    String text = roles.get(Columns.Role.TEXT);
    Map<Columns.Role, String> option = new LinkedHashMap<>();
    option.put(Columns.Role.TOKENS, text);
    if (!roles.containsKey(Columns.Role.TAGS)) {
      option.put(Columns.Role.TAGS, "NAME");
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
    Map<Columns.Role, String> names = new EnumMap<>(Columns.Role.class);
    roles.forEach((role, column) -> names.put(role, first.field(column)));
    return ColumnsOption.of(names);
  }

  /** The option that exchanges text and label; null where they are no columns of a file. */
  public String exchanged() {
    String text = roles.get(Columns.Role.TEXT);
    String label = roles.get(Columns.Role.LABEL);
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
    Map<Columns.Role, String> exchanged = new LinkedHashMap<>();
    exchanged.put(Columns.Role.TEXT, label);
    exchanged.put(Columns.Role.LABEL, text);
    return ColumnsOption.of(exchanged);
  }
}
