package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One word and its tag a line, parted by a tab or else by spaces, and a blank line between
 * sentences. More columns are named by position ({@code --columns tokens,_,_,tags}). Lines that
 * begin with {@code -DOCSTART-} part documents and are no sentence; comments before a sentence are
 * no words. Lines of CoNLL-U's ten columns are read as that has them: FORM is the word, UPOS its
 * tag, ranges (1-2) and empty nodes (1.1) are no words, and any line of a # before a sentence is a
 * comment. Elsewhere a # may be a word, and only what can hardly be one is a comment.
 */
final class ConllReader {
  /** Before a sentence, of CoNLL-U and of what took it over: "# text = It ran", "# id 3". */
  private static final Pattern COMMENT =
      Pattern.compile("# ?([\\w.:\\[\\]-]+ = |(newdoc|newpar)(\\s*$| id = )|id [^\\s]+)");

  private static final String XPOS = "_,tokens,_,_,tags,_,_,_,_,_";
  private static final String NO_TAG = "_";

  private final Path file;
  private final int wordColumn;
  private final int tagColumn;
  private final int width;
  private final boolean moreAllowed;
  private final boolean isUniversal; // CoNLL-U
  private final boolean isPositional; // the options say what columns are
  private final BadRows bad;

  ConllReader(DataFile data, ReadOptions options) {
    Columns columns = options.columns();
    this.file = data.shown();
    this.isUniversal = UniversalLines.areIn(data, options.written());
    this.isPositional = columns.isPositional();
    this.bad = new BadRows(options.skipBadRows(), "sentence");
    if (isPositional) {
      Map<ColumnRole, String> roles = columns.resolve(columns.positions());
      if (!columns.isWordAndTag()) {
        throw new InputException(
            file
                + ": a file of words needs "
                + Term.COLUMNS
                + " with tokens and tags, such as tokens,tags or tokens,_,_,tags");
      }
      wordColumn = columns.positions().indexOf(roles.get(ColumnRole.TOKENS));
      tagColumn = columns.positions().indexOf(roles.get(ColumnRole.TAGS));
      width = columns.positions().size();
      moreAllowed = columns.moreAllowed();
    } else {
      wordColumn = isUniversal ? UniversalLines.FORM : 0;
      tagColumn = isUniversal ? UniversalLines.UPOS : 1;
      width = isUniversal ? UniversalLines.WIDTH : 2;
      moreAllowed = false;
    }
  }

  /** The usual meaning of so many columns: the word is the first, its tag the last. */
  static String columns(int width) {
    return "tokens," + "_,".repeat(width - 2) + "tags";
  }

  Dataset read(TextLines lines) {
    List<Example> examples = new ArrayList<>();
    List<String> tokens = new ArrayList<>();
    List<String> tags = new ArrayList<>();
    int first = 0;
    int documents = 0;
    int comments = 0;
    int others = 0; // lines of CoNLL-U that are no words
    boolean sound = true; // whether all lines of the sentence can be read
    for (String raw = bad.read(lines::next); raw != null; raw = bad.read(lines::next)) {
      String line = TextLines.chomp(raw);
      boolean isDocument = line.startsWith("-DOCSTART-");
      documents += isDocument ? 1 : 0;
      if (isDocument || line.isBlank()) {
        flush(examples, sound, first, tokens, tags);
        sound = true;
        continue;
      }
      if (tokens.isEmpty() && sound && isComment(line, isUniversal)) {
        comments++;
        continue;
      }
      if (isUniversal && UniversalLines.isNoWord(TextLines.columns(line))) {
        others++;
        continue;
      }
      String[] cells;
      try {
        cells = cells(lines.number(), line);
      } catch (InputException e) {
        if (sound) {
          bad.add(lines.number(), e); // by the first of its lines that cannot be read
        }
        sound = false;
        continue;
      }
      first = tokens.isEmpty() ? lines.number() : first;
      tokens.add(cells[wordColumn]);
      tags.add(cells[tagColumn].strip());
    }
    if (lines.number() == 0) {
      throw new InputException(file + " is empty");
    }
    flush(examples, sound, first, tokens, tags);
    FileReading reading =
        new FileReading(
            "tokens, tags",
            Map.of(ColumnRole.TOKENS, "tokens", ColumnRole.TAGS, "tags"),
            null,
            "",
            List.of());
    Dataset data = bad.noted(new Dataset(file, examples, reading));
    if (documents > 0) {
      data =
          data.with(
              note(
                  "documents",
                  Count.many(documents, "line")
                      + " of -DOCSTART- part documents and are no sentences"));
    }
    if (isUniversal && !isPositional) {
      checkTagged(examples);
      data =
          data.with(
              note(
                  "conllu",
                  "the ten columns of CoNLL-U: words are FORM, tags UPOS. For XPOS: "
                      + Term.COLUMNS.of(XPOS)));
    }
    data = isUniversal ? untaggedNoted(data) : data;
    if (others > 0) {
      data =
          data.with(
              note(
                  "conllu_ids",
                  Count.many(others, "line")
                      + " of ranges (1-2) or empty nodes (1.1) are left out: they are no words"));
    }
    return comments == 0
        ? data
        : data.with(
            note(
                "comments",
                Count.many(comments, "line")
                    + (isUniversal
                        ? " before a sentence (# …) "
                        : " before a sentence (# name = value, # id …) ")
                    + (comments == 1 ? "is a comment and no word" : "are comments and no words")));
  }

  private static Finding note(String code, String message) {
    return Finding.ofFile(Finding.Severity.NOTE, code, message);
  }

  /**
   * Whether a line in front of a sentence is no word.
   *
   * @param isUniversal whether it is of CoNLL-U, where a word is never the first on its line
   */
  static boolean isComment(String line, boolean isUniversal) {
    return isUniversal ? line.startsWith("#") : COMMENT.matcher(line).lookingAt();
  }

  private void checkTagged(List<Example> sentences) {
    boolean hasTags =
        sentences.stream().flatMap(s -> s.tags().stream()).anyMatch(tag -> !tag.equals(NO_TAG));
    if (!hasTags) {
      throw new InputException(
          file
              + " has the ten columns of CoNLL-U, and no tag in the fourth (UPOS). Say where tags"
              + " stand: "
              + Term.COLUMNS.of(XPOS)
              + " is XPOS");
    }
  }

  /** What stands for no tag is learned as if it were one. */
  private static Dataset untaggedNoted(Dataset data) {
    List<Integer> rows = new ArrayList<>();
    int sentences = 0;
    int words = 0;
    for (Example sentence : data.examples()) {
      int untagged = Collections.frequency(sentence.tags(), NO_TAG);
      if (untagged > 0) {
        words += untagged;
        sentences++;
        if (rows.size() < Finding.ROWS_SHOWN) {
          rows.add(sentence.row());
        }
      }
    }
    return words == 0
        ? data
        : data.with(
            new Finding(
                Finding.Severity.WARNING,
                "conllu_untagged",
                "",
                Count.many(words, "word")
                    + " of "
                    + Count.many(sentences, "sentence")
                    + (words == 1 ? " has" : " have")
                    + " no tag: _ is learned as if it were one",
                rows,
                sentences));
  }

  private String[] cells(int row, String line) {
    String[] cells = TextLines.columns(line);
    if (cells.length != width && !(moreAllowed && cells.length > width)) {
      throw new InputException(
          file
              + ", row "
              + row
              + " has "
              + cells.length
              + (cells.length == 1 ? " column" : " columns")
              + " instead of "
              + width
              + ": "
              + Excerpt.quoted(Arrays.asList(cells))
              + ". Each line is a word and its tag"
              + (cells.length > 2
                  ? "; where there are more columns, say where they stand: "
                      + Term.COLUMNS.of(columns(cells.length))
                  : ""));
    }
    if (cells[wordColumn].isBlank() || cells[tagColumn].isBlank()) {
      throw new InputException(
          file
              + ", row "
              + row
              + ": the "
              + (cells[wordColumn].isBlank() ? "word" : "tag")
              + " is missing: "
              + Excerpt.quoted(Arrays.asList(cells)));
    }
    return cells;
  }

  /** Ends a sentence; one with a line that cannot be read is left out with it. */
  private static void flush(
      List<Example> examples, boolean sound, int first, List<String> tokens, List<String> tags) {
    if (!tokens.isEmpty() && sound) {
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("tokens", List.copyOf(tokens));
      fields.put("tags", List.copyOf(tags));
      examples.add(new Example(first, null, null, null, tokens, tags, fields));
    }
    tokens.clear();
    tags.clear();
  }
}
