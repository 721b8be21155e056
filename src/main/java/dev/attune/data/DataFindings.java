package dev.attune.data;

import dev.attune.data.DataReport.Finding;
import dev.attune.data.DataReport.Severity;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;

/** The rules of the data report. */
final class DataFindings {
  /** A share of rows from which truncation or duplication is a warning rather than a note. */
  private static final double WARNING_SHARE = 0.01;

  private static final double MAJORITY_SHARE = 0.9;
  private static final int FEW_EXAMPLES = 10;

  private final TargetKind kind;
  private final LabelMap labels;
  private final int maxLength;
  private final List<Finding> list = new ArrayList<>();

  DataFindings(TargetKind kind, LabelMap labels, int maxLength) {
    this.kind = kind;
    this.labels = labels;
    this.maxLength = maxLength;
  }

  List<Finding> list() {
    return list;
  }

  void examine(String split, Dataset data, TokenLengths tokens, Map<String, Integer> counts) {
    if (data.size() == 0) {
      add(Severity.FATAL, "no_rows", split, "there are no rows");
      return;
    }
    if (kind != TargetKind.NEXT_TOKEN) {
      texts(split, data);
    }
    switch (kind) {
      case CLASS -> labels(split, data, counts);
      case NUMBER -> numbers(split, data);
      case TAGS -> tags(split, data, counts);
      case NEXT_TOKEN -> sources(split, data);
      case NONE -> {}
    }
    if (tokens != null) {
      truncation(split, data, tokens);
      if (tokens.texts() != null) {
        ends(split, data, tokens.texts());
      }
    }
    equalTexts(split, data);
  }

  /** Texts that are in two splits at once. */
  void compare(Map<String, Dataset> datasets) {
    Dataset train = datasets.get("train");
    if (train == null) {
      return;
    }
    Map<String, Integer> rows = new HashMap<>();
    for (Example example : train.examples()) {
      if (!isEmpty(example)) {
        rows.putIfAbsent(example.normalised(), example.row());
      }
    }
    datasets.forEach(
        (split, data) -> {
          if (!split.equals("train")) {
            rows(
                Severity.WARNING,
                "leakage",
                split,
                data,
                i -> !isEmpty(data.get(i)) && rows.containsKey(data.get(i).normalised()),
                n ->
                    many(n, "text is", "texts are")
                        + " in the training set too: "
                        + split
                        + " results will look better than they are");
          }
        });
  }

  private void texts(String split, Dataset data) {
    rows(
        Severity.FATAL,
        "empty_text",
        split,
        data,
        i -> isEmpty(data.get(i)),
        n -> many(n, "text is", "texts are") + " empty");
    rows(
        Severity.WARNING,
        "empty_text_pair",
        split,
        data,
        i -> data.get(i).textPair() != null && data.get(i).textPair().isBlank(),
        n ->
            many(n, "second text", "second texts")
                + " of a pair "
                + (n == 1 ? "is" : "are")
                + " empty");
  }

  private void labels(String split, Dataset data, Map<String, Integer> counts) {
    rows(
        Severity.FATAL,
        "missing_label",
        split,
        data,
        i -> !LabelMap.isPresent(data.get(i).label()),
        n -> many(n, "label is", "labels are") + " missing");
    if (labels != null) {
      rows(
          Severity.FATAL,
          "unknown_label",
          split,
          data,
          i -> LabelMap.isPresent(data.get(i).label()) && !labels.contains(data.get(i).label()),
          n ->
              many(n, "row has a label", "rows have labels")
                  + " that the training set lacks ("
                  + counts.keySet().stream()
                      .filter(name -> !labels.contains(name))
                      .limit(5)
                      .map(name -> '"' + name + '"')
                      .collect(Collectors.joining(", "))
                  + "). Known labels: "
                  + labels.describe());
    }
    if (split.equals("train")) {
      balance(split, counts, "class", "examples");
    } else {
      absent(split, counts);
    }
  }

  private void balance(String split, Map<String, Integer> counts, String noun, String unit) {
    List<Map.Entry<String, Integer>> present =
        counts.entrySet().stream().filter(e -> e.getValue() > 0).toList();
    if (present.size() == 1) {
      add(
          Severity.FATAL,
          "single_class",
          split,
          "every row has the same "
              + noun
              + ", \""
              + present.get(0).getKey()
              + "\": there is nothing to learn");
      return;
    }
    long total = present.stream().mapToLong(Map.Entry::getValue).sum();
    Map<String, List<String>> alike =
        present.stream()
            .map(Map.Entry::getKey)
            .collect(Collectors.groupingBy(name -> name.strip().toLowerCase(Locale.ROOT)));
    alike.values().stream()
        .filter(names -> names.size() > 1)
        .forEach(
            names ->
                add(
                    Severity.WARNING,
                    "similar_labels",
                    split,
                    "the labels "
                        + names.stream().map(n -> '"' + n + '"').collect(Collectors.joining(", "))
                        + " differ only in case or spaces, and are different classes"));
    for (Map.Entry<String, Integer> e : present) {
      if (kind == TargetKind.CLASS && e.getValue() >= MAJORITY_SHARE * total) {
        add(
            Severity.WARNING,
            "majority_class",
            split,
            String.format(
                Locale.ROOT,
                "%.1f %% of the rows are \"%s\": always guessing it is that accurate, so look at F1",
                100.0 * e.getValue() / total,
                e.getKey()));
      }
    }
    List<String> rare =
        present.stream()
            .filter(e -> e.getValue() < FEW_EXAMPLES)
            .map(e -> '"' + e.getKey() + "\" (" + e.getValue() + ')')
            .toList();
    if (!rare.isEmpty()) {
      add(
          Severity.NOTE,
          "rare_class",
          split,
          "fewer than "
              + FEW_EXAMPLES
              + " "
              + unit
              + " of "
              + rare.stream().limit(5).collect(Collectors.joining(", "))
              + (rare.size() > 5 ? " and " + (rare.size() - 5) + " more" : ""));
    }
  }

  private void absent(String split, Map<String, Integer> counts) {
    List<String> absent =
        counts.entrySet().stream()
            .filter(e -> e.getValue() == 0)
            .map(e -> '"' + e.getKey() + '"')
            .toList();
    if (!absent.isEmpty()) {
      add(
          Severity.NOTE,
          "absent_class",
          split,
          "no example of "
              + absent.stream().limit(5).collect(Collectors.joining(", "))
              + (absent.size() > 5 ? " and " + (absent.size() - 5) + " more" : ""));
    }
  }

  private void numbers(String split, Dataset data) {
    rows(
        Severity.FATAL,
        "bad_target",
        split,
        data,
        i -> Numbers.parse(data.get(i).label()) == null,
        n -> {
          String first =
              data.examples().stream()
                  .map(Example::label)
                  .filter(l -> Numbers.parse(l) == null)
                  .findFirst()
                  .orElse(null);
          return many(n, "target is", "targets are")
              + " not a finite number (first: "
              + (LabelMap.isPresent(first) ? '"' + first + '"' : "missing")
              + ")";
        });
    List<Float> values =
        data.examples().stream()
            .map(e -> Numbers.parse(e.label()))
            .filter(Objects::nonNull)
            .toList();
    if (split.equals("train")
        && values.size() == data.size()
        && values.stream().distinct().limit(2).count() == 1) {
      add(
          Severity.FATAL,
          "single_class",
          split,
          "every row has the same target, " + values.get(0) + ": there is nothing to learn");
    }
  }

  private void tags(String split, Dataset data, Map<String, Integer> counts) {
    rows(
        Severity.FATAL,
        "missing_label",
        split,
        data,
        i -> data.get(i).tags() == null,
        n -> many(n, "row has", "rows have") + " no tags");
    rows(
        Severity.FATAL,
        "tags_mismatch",
        split,
        data,
        i -> data.get(i).tags() != null && data.get(i).tags().size() != words(data.get(i)),
        n ->
            many(n, "row has", "rows have")
                + " another number of tags than of tokens (first: "
                + data.examples().stream()
                    .filter(e -> e.tags() != null && e.tags().size() != words(e))
                    .findFirst()
                    .map(e -> e.tags().size() + " tags, " + words(e) + " tokens")
                    .orElse("")
                + ")");
    if (labels != null) {
      rows(
          Severity.FATAL,
          "unknown_label",
          split,
          data,
          i ->
              data.get(i).tags() != null
                  && data.get(i).tags().stream().anyMatch(t -> !labels.contains(t)),
          n ->
              many(n, "row has", "rows have")
                  + " tags that the training set lacks ("
                  + counts.keySet().stream()
                      .filter(name -> !labels.contains(name))
                      .limit(5)
                      .map(name -> '"' + name + '"')
                      .collect(Collectors.joining(", "))
                  + "). Known tags: "
                  + labels.describe());
    }
    if (split.equals("train")) {
      balance(split, counts, "tag", "words");
    } else {
      absent(split, counts);
    }
  }

  /** What language modelling needs of each row: a text, a prompt's completion, or an answer. */
  private void sources(String split, Dataset data) {
    rows(
        Severity.FATAL,
        "ambiguous_text",
        split,
        data,
        i -> data.get(i).sources() > 1,
        n ->
            many(n, "row has", "rows have")
                + " more than one of text, prompt and messages: keep the one to learn from, or"
                + " rename the others");
    rows(
        Severity.FATAL,
        "empty_text",
        split,
        data,
        i -> data.get(i).sources() == 0 || (data.get(i).text() != null && isEmpty(data.get(i))),
        n -> many(n, "row has", "rows have") + " no text, prompt or messages");
    rows(
        Severity.FATAL,
        "missing_completion",
        split,
        data,
        i ->
            data.get(i).prompt() != null
                && (data.get(i).completion() == null || data.get(i).completion().isBlank()),
        n -> many(n, "row has a prompt", "rows have prompts") + " without completion");
    rows(
        Severity.FATAL,
        "no_answer",
        split,
        data,
        i ->
            data.get(i).messages() != null
                && !data.get(i).messages().get(data.get(i).messages().size() - 1).isAssistant(),
        n ->
            many(n, "conversation does", "conversations do")
                + " not end on the assistant's turn: there is no answer to learn");
    rows(
        Severity.WARNING,
        "no_gap",
        split,
        data,
        i -> runsTogether(data.get(i)),
        n ->
            many(n, "completion continues", "completions continue")
                + " the last word of the prompt: they are joined as they are, so begin completions"
                + " with a space or end prompts with a line break");
  }

  private static boolean runsTogether(Example example) {
    return example.prompt() != null
        && example.completion() != null
        && !example.prompt().isEmpty()
        && !example.completion().isEmpty()
        && Character.isLetterOrDigit(example.prompt().codePointBefore(example.prompt().length()))
        && Character.isLetterOrDigit(example.completion().codePointAt(0));
  }

  private void ends(String split, Dataset data, TokenLengths.Texts texts) {
    int learned = 0;
    for (boolean end : texts.ends()) {
      learned += end ? 1 : 0;
    }
    if (split.equals("train") && learned == 0) {
      add(
          Severity.WARNING,
          "no_end",
          split,
          "no row teaches the model to stop: the model folder names no end-of-sequence token"
              + " (eos_token), or every end was cut. What it generates will run to the limit");
    }
    boolean spaces = false;
    for (int i = 0; i < data.size(); i++) {
      spaces |= texts.bordersInside()[i] && endsInSpace(data.get(i).prompt());
    }
    String advice =
        spaces
            ? "Prompts should not end in a space"
            : "This model's tokenizer joins the two: end the prompts in what it joins with nothing,"
                + " such as a line end";
    rows(
        Severity.WARNING,
        "shared_token",
        split,
        data,
        i -> texts.bordersInside()[i],
        n ->
            many(n, "row has", "rows have")
                + " a token that begins in the prompt and ends in the completion: generation will"
                + " start from other tokens than training did. "
                + advice);
  }

  private static boolean endsInSpace(String prompt) {
    return prompt != null && prompt.endsWith(" ");
  }

  private void truncation(String split, Dataset data, TokenLengths tokens) {
    long lost = 0;
    int cut = 0;
    for (int dropped : tokens.dropped()) {
      lost += dropped;
      cut += dropped > 0 ? 1 : 0;
    }
    long all = lost;
    for (int length : tokens.lengths()) {
      all += length;
    }
    double lostShare = (double) lost / Math.max(1, all);
    long lostTokens = lost;
    rows(
        cut >= WARNING_SHARE * data.size() ? Severity.WARNING : Severity.NOTE,
        "truncated",
        split,
        data,
        i -> tokens.dropped()[i] > 0,
        n ->
            String.format(
                Locale.ROOT,
                "%s cut at max length %d: %,d tokens lost (%.1f %%)",
                many(n, "row is", "rows are"),
                maxLength,
                lostTokens,
                100 * lostShare));
    if (kind == TargetKind.NONE) {
      return;
    }
    long supervised = 0;
    long tagged = 0;
    for (int i = 0; i < data.size(); i++) {
      supervised += tokens.supervised()[i];
      tagged += data.get(i).tags() == null ? 0 : data.get(i).tags().size();
    }
    if (kind == TargetKind.NEXT_TOKEN) {
      leftOut(split, data, tokens, supervised);
      return;
    }
    if (supervised == 0) {
      add(
          Severity.FATAL,
          "nothing_supervised",
          split,
          "truncation at max length "
              + maxLength
              + " leaves no target to train on; give a larger --max-length");
      return;
    }
    rows(
        Severity.WARNING,
        "unsupervised_rows",
        split,
        data,
        i -> tokens.supervised()[i] == 0,
        n -> many(n, "row has", "rows have") + " no target left and cannot teach anything");
    if (kind == TargetKind.TAGS && tagged > supervised) {
      add(
          Severity.NOTE,
          "lost_tags",
          split,
          String.format(
              Locale.ROOT,
              "%,d of %,d tagged words are lost (truncated, or without tokens)",
              tagged - supervised,
              tagged));
    }
  }

  private void leftOut(String split, Dataset data, TokenLengths tokens, long supervised) {
    String cause =
        " within max length " + maxLength + "; give a larger --max-length or shorten the prompts";
    if (supervised == 0) {
      add(Severity.FATAL, "nothing_supervised", split, "no row has a token to learn" + cause);
      return;
    }
    rows(
        Severity.WARNING,
        "unsupervised_rows",
        split,
        data,
        i -> tokens.supervised()[i] == 0,
        n -> many(n, "row is", "rows are") + " left out: no token to learn" + cause);
  }

  private void equalTexts(String split, Dataset data) {
    Map<String, Integer> first = new HashMap<>();
    int[] sameAs = new int[data.size()];
    boolean[] inConflict = new boolean[data.size()];
    for (int i = 0; i < data.size(); i++) {
      sameAs[i] = -1;
      if (!isEmpty(data.get(i))) {
        Integer earlier = first.putIfAbsent(data.get(i).normalised(), i);
        if (earlier != null) {
          sameAs[i] = earlier;
          if (!Objects.equals(target(data.get(i)), target(data.get(earlier)))) {
            inConflict[i] = true;
            inConflict[earlier] = true;
          }
        }
      }
    }
    long duplicates = Arrays.stream(sameAs).filter(s -> s >= 0).count();
    rows(
        duplicates >= WARNING_SHARE * data.size() ? Severity.WARNING : Severity.NOTE,
        "duplicates",
        split,
        data,
        i -> sameAs[i] >= 0,
        n -> many(n, "row repeats", "rows repeat") + " the text of an earlier row");
    if (kind != TargetKind.NONE && kind != TargetKind.NEXT_TOKEN) {
      rows(
          Severity.WARNING,
          "label_conflict",
          split,
          data,
          i -> inConflict[i],
          n -> many(n, "row has", "rows have") + " equal text but different labels");
    }
  }

  private Object target(Example example) {
    return switch (kind) {
      case TAGS -> example.tags();
      case NUMBER -> {
        Float value = Numbers.parse(example.label());
        yield value == null ? "" : value;
      }
      default -> example.label();
    };
  }

  private boolean isEmpty(Example example) {
    if (kind == TargetKind.TAGS || (example.text() == null && example.tokens() != null)) {
      return example.tokens() == null || example.tokens().stream().allMatch(String::isBlank);
    }
    if (example.text() == null && (kind == TargetKind.NONE || kind == TargetKind.NEXT_TOKEN)) {
      return false; // prompts and messages
    }
    return example.text() == null || example.text().isBlank();
  }

  private static int words(Example example) {
    return example.tokens() == null ? 0 : example.tokens().size();
  }

  private static String many(int n, String one, String more) {
    return String.format(Locale.ROOT, "%,d %s", n, n == 1 ? one : more);
  }

  private interface Wording {
    String of(int count);
  }

  private void rows(
      Severity severity,
      String code,
      String split,
      Dataset data,
      IntPredicate concerned,
      Wording wording) {
    List<Integer> rows = new ArrayList<>();
    int count = 0;
    for (int i = 0; i < data.size(); i++) {
      if (concerned.test(i)) {
        count++;
        if (rows.size() < DataReport.ROWS_SHOWN) {
          rows.add(data.get(i).row());
        }
      }
    }
    if (count > 0) {
      list.add(new Finding(severity, code, split, wording.of(count), List.copyOf(rows), count));
    }
  }

  private void add(Severity severity, String code, String split, String message) {
    list.add(new Finding(severity, code, split, message, List.of(), 0));
  }
}
