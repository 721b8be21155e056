package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.TerminalText;
import dev.attune.data.mapped.Ints;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;

/** The data report as a page of plain text. */
public final class DataReportText {
  private static final int BAR_WIDTH = 18;
  private static final int CLASSES_SHOWN = 12;
  private static final int BINS = 32;
  private static final int WORST_SHOWN = 3;
  private static final int FILES_SHOWN = 8;
  private static final int WRAP = 96;
  private static final String EIGHTHS = " ▏▎▍▌▋▊▉█";
  private static final String STEPS = " ▁▂▃▄▅▆▇█";
  private static final String ASCII_STEPS = " .:-=+*#@";

  private final DataReport report;
  private final boolean blocks;
  private final UnaryOperator<String> words;
  private final BiFunction<Finding.Severity, String, String> marks;
  private final StringBuilder page = new StringBuilder();

  DataReportText(DataReport report, boolean blocks, UnaryOperator<String> words) {
    this(report, blocks, words, (severity, mark) -> mark);
  }

  private DataReportText(
      DataReport report,
      boolean blocks,
      UnaryOperator<String> words,
      BiFunction<Finding.Severity, String, String> marks) {
    this.marks = marks;
    this.report = report;
    this.blocks = blocks;
    this.words = words;
  }

  /**
   * Prints a report, with block characters where the console can show them.
   *
   * @param words of the face that shows it: see {@link dev.attune.core.Term}
   */
  public static void print(DataReport report, PrintStream out, UnaryOperator<String> words) {
    print(report, out, words, (severity, mark) -> mark);
  }

  /**
   * The same with marks of findings that stand out.
   *
   * @param marks gives a mark as it is to be printed, as wide as it was to the eye
   */
  public static void print(
      DataReport report,
      PrintStream out,
      UnaryOperator<String> words,
      BiFunction<Finding.Severity, String, String> marks) {
    boolean blocks = Charset.defaultCharset().newEncoder().canEncode('█');
    new DataReportText(report, blocks, words, marks).print(out);
  }

  void print(PrintStream out) {
    line("");
    line("  Data report");
    line("");
    splits();
    classes();
    lengths();
    findings();
    out.print(page);
    out.flush();
  }

  private void splits() {
    boolean tokens = report.summaries().stream().anyMatch(s -> s.quantiles() != null);
    line(
        "  %-12s %9s%s",
        "",
        "rows",
        tokens
            ? String.format(
                " %12s   %5s %5s %5s %5s   %8s %10s",
                "tokens", "p50", "p90", "p99", "max", "cut rows", "lost")
            : "");
    for (SplitSummary s : report.summaries()) {
      String counts =
          s.quantiles() == null
              ? ""
              : String.format(
                  Locale.ROOT,
                  " %,12d   %,5d %,5d %,5d %,5d   %8s %10s",
                  s.tokens(),
                  s.quantiles().p50(),
                  s.quantiles().p90(),
                  s.quantiles().p99(),
                  s.quantiles().max(),
                  countOrNone(s.truncatedRows()),
                  countOrNone(s.droppedTokens()));
      line("  %-12s %,9d%s", s.name(), s.dataset().size(), counts);
    }
    for (SplitSummary s : report.summaries()) {
      String targets = s.quantiles() == null ? null : report.checks().describe(s);
      if (targets != null) {
        line("  %-12s %s", s.name(), targets);
      }
    }
    line("");
    for (SplitSummary s : report.summaries()) {
      source(s.name(), s.dataset());
    }
    line("");
  }

  private void source(String name, Dataset data) {
    String columns = data.columns().isEmpty() ? "" : "  [" + data.columns() + "]";
    List<DatasetPart> parts = data.parts();
    if (parts.size() == 1) {
      line("%s", String.format("  %-12s %s", name, data.source()) + columns + form(parts.get(0)));
      return;
    }
    line("  %-12s %s%s", name, Count.many(parts.size(), "file"), columns);
    int[] rows = data.rowsOfParts();
    for (int i = 0; i < Math.min(FILES_SHOWN, rows.length); i++) {
      line(
          "  %-12s %14s of %s%s",
          "", Count.many(rows[i], "row"), parts.get(i).file(), form(parts.get(i)));
    }
    if (parts.size() > FILES_SHOWN) {
      line("  %-12s and %,d more", "", parts.size() - FILES_SHOWN);
    }
  }

  private static String form(DatasetPart part) {
    return part.form().isEmpty() ? "" : "  (" + part.form() + ")";
  }

  private String countOrNone(long count) {
    return count == 0 ? (blocks ? "–" : "-") : String.format(Locale.ROOT, "%,d", count);
  }

  private void classes() {
    List<SplitSummary> splits =
        report.summaries().stream().filter(s -> !s.classCounts().isEmpty()).toList();
    if (splits.isEmpty()) {
      return;
    }
    Set<String> names = new LinkedHashSet<>();
    splits.forEach(s -> names.addAll(s.classCounts().keySet()));
    int width = 12;
    for (String name : names) {
      width = Math.max(width, Math.min(24, TerminalText.width(TerminalText.visible(name))));
    }
    StringBuilder head = new StringBuilder("  ").append(pad("", width));
    for (SplitSummary s : splits) {
      head.append(' ').append(pad(s.name(), BAR_WIDTH + 19));
    }
    line("%s", head.toString().stripTrailing());
    int shown = 0;
    for (String name : names) {
      if (shown++ == CLASSES_SHOWN && names.size() > CLASSES_SHOWN + 1) {
        line("  and %,d more", names.size() - CLASSES_SHOWN);
        break;
      }
      StringBuilder row = new StringBuilder("  ").append(TerminalText.left(name, width));
      for (SplitSummary s : splits) {
        int count = s.classCounts().getOrDefault(name, 0);
        long total = s.classCounts().values().stream().mapToLong(Integer::longValue).sum();
        int most = s.classCounts().values().stream().mapToInt(Integer::intValue).max().orElse(1);
        row.append(
            String.format(
                Locale.ROOT,
                " %s %,9d %5.1f %%",
                bar((double) count / Math.max(1, most)),
                count,
                100.0 * count / Math.max(1, total)));
        row.append(' ');
      }
      laidOut(row.toString().stripTrailing());
    }
    line("");
  }

  private void lengths() {
    boolean any = false;
    for (SplitSummary s : report.summaries()) {
      if (s.quantiles() == null) {
        continue;
      }
      if (!any) {
        line("  tokens a %s, 1 to %,d", report.checks().unit(), longest());
        any = true;
      }
      line("  %-12s %s", s.name(), histogram(s.lengths(), longest()));
    }
    if (!any) {
      return;
    }
    boolean train = report.summaries().stream().anyMatch(s -> s.name().equals("train"));
    if (train && report.maxLength() > 0) {
      line("");
      line(
          "  No padding: every token computed is a real one. Padded to the longest of each batch of"
              + " %d,",
          report.batchSize());
      line(
          "  %.0f %% would be; padded to max length %,d, %.0f %%.",
          100 * report.usefulShareIfPaddedToLongest(),
          report.maxLength(),
          100 * report.usefulShareIfPaddedToMaxLength());
    }
    for (SplitSummary s : report.summaries()) {
      if (!s.worst().isEmpty()) {
        List<String> rows = new ArrayList<>();
        s.worst().stream()
            .limit(WORST_SHOWN)
            .forEach(
                e ->
                    rows.add(
                        String.format(
                            Locale.ROOT,
                            "row %s loses %,d",
                            s.dataset().place(e.getKey()),
                            e.getValue())));
        line("");
        line("  %-12s %s tokens", "cut most in " + s.name() + ":", String.join(", ", rows));
      }
    }
    line("");
  }

  private int longest() {
    return report.summaries().stream()
        .filter(s -> s.quantiles() != null)
        .mapToInt(s -> Math.max(1, s.quantiles().max()))
        .max()
        .orElse(1);
  }

  private void findings() {
    if (report.findings().isEmpty()) {
      line("  Nothing to complain about.");
      line("");
      return;
    }
    for (Finding f : report.findings()) {
      String mark =
          switch (f.severity()) {
            case FATAL -> blocks ? "✗ FATAL  " : "x FATAL  ";
            case WARNING -> "! WARNING";
            case NOTE -> blocks ? "· note   " : "- note   ";
          };
      String after = String.format("  %-11s", f.split());
      int width = 2 + mark.length() + after.length();
      String prefix = "  " + marks.apply(f.severity(), mark) + after;
      wrapped(prefix, width, words.apply(report.sentence(f)) + ".");
    }
    line("");
  }

  /** A text behind a prefix that is so wide to the eye. */
  private void wrapped(String prefix, int width, String text) {
    StringBuilder current = new StringBuilder();
    String before = prefix;
    for (String word : TerminalText.visible(text).split(" ")) {
      int wide = TerminalText.width(current + " " + word);
      if (current.length() > 0 && width + wide > WRAP) {
        laidOut(before + current);
        before = " ".repeat(width);
        current.setLength(0);
      }
      current.append(' ').append(word);
    }
    laidOut(before + current);
  }

  /** How many rows have each length, from 1 token to the longest. */
  private String histogram(Ints lengths, int longest) {
    // Bins of equal whole widths: uneven ones would draw teeth into a smooth distribution.
    int width = (longest + BINS - 1) / BINS;
    int[] counts = new int[(longest + width - 1) / width];
    lengths.stream().forEach(length -> counts[(Math.max(1, length) - 1) / width]++);
    int most = 1;
    for (int count : counts) {
      most = Math.max(most, count);
    }
    String steps = blocks ? STEPS : ASCII_STEPS;
    StringBuilder out = new StringBuilder();
    for (int count : counts) {
      // Any row at all shows.
      int step = count == 0 ? 0 : Math.max(1, (int) Math.round(8.0 * count / most));
      out.append(steps.charAt(step));
    }
    return out.toString().stripTrailing();
  }

  private String bar(double share) {
    if (!blocks) {
      return pad("#".repeat((int) Math.round(share * BAR_WIDTH)), BAR_WIDTH);
    }
    int eighths = (int) Math.round(share * BAR_WIDTH * 8);
    if (share > 0) {
      eighths = Math.max(1, eighths);
    }
    String full = "█".repeat(eighths / 8);
    return pad(eighths % 8 == 0 ? full : full + EIGHTHS.charAt(eighths % 8), BAR_WIDTH);
  }

  private static String pad(String text, int width) {
    return text.length() >= width ? text : text + " ".repeat(width - text.length());
  }

  private void line(String format, Object... args) {
    laidOut(
        TerminalText.visible(args.length == 0 ? format : String.format(Locale.ROOT, format, args)));
  }

  private void laidOut(String line) {
    page.append(line).append('\n');
  }
}
