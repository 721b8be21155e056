package dev.attune.data;

import dev.attune.core.InputException;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;

/**
 * The lines of a text, numbered from 1. Lines end at LF; a CR before it stays, for {@link #chomp}.
 * A text that begins with a stretch in which CR alone ends lines, as on old Macs, has lines that
 * end at CR; LF in the fields of a table that stand in quotes ends none.
 */
final class TextLines implements AutoCloseable {
  /** Characters of a line; more is no line but another kind of file. */
  private static final int LONGEST = 1 << 28;

  private final Path file;
  private final Reader reader;
  private final boolean quotes;
  private final char[] buffer = new char[1 << 15];
  private char lineEnd;
  private int begin;
  private int end;
  private int number;
  private boolean broken;

  /**
   * The lines of a text.
   *
   * @param file as messages name it
   */
  TextLines(Path file, Reader reader) {
    this(file, reader, false);
  }

  /**
   * The lines of a text that may be a table.
   *
   * @param file as messages name it
   * @param quotes whether line breaks may stand in fields in quotes
   */
  TextLines(Path file, Reader reader, boolean quotes) {
    this.file = file;
    this.reader = reader;
    this.quotes = quotes;
  }

  /** The next line without its line end, or null at the end of the file. */
  String next() {
    StringBuilder rest = null;
    while (true) {
      for (int i = begin; i < end; i++) {
        if (buffer[i] == lineEnd) {
          String part = new String(buffer, begin, i - begin);
          begin = i + 1;
          broken = true;
          number++;
          return checked(rest == null ? part : rest.append(part).toString());
        }
      }
      if (begin < end) {
        rest = rest == null ? new StringBuilder() : rest;
        rest.append(buffer, begin, end - begin);
        if (rest.length() > LONGEST) {
          throw new InputException(
              file + ", row " + (number + 1) + " is longer than any line of text can be");
        }
      }
      fill();
      if (end == 0) {
        broken &= rest == null;
        number += rest == null ? 0 : 1;
        return rest == null ? null : checked(rest.toString());
      }
    }
  }

  /** Leaves out so many of the next lines. */
  void skip(int lines) {
    for (int i = 0; i < lines; i++) {
      next();
    }
  }

  /** Zeros come of files that are damaged, or are no text. */
  private String checked(String line) {
    int zero = line.indexOf('\0');
    if (zero < 0) {
      return line;
    }
    throw new InputException(
        file
            + ", row "
            + number
            + ": character "
            + (zero + 1)
            + " is NUL, a byte of zero, which no text holds: the file is damaged, or none of text."
            + " This makes a file without such bytes: tr -d '\\000' < "
            + file.getFileName()
            + " > clean");
  }

  private void fill() {
    boolean first = lineEnd == 0;
    begin = 0;
    end = 0; // what was read before is not there twice where reading fails
    try {
      end = Math.max(0, reader.read(buffer, 0, buffer.length));
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
    if (first) {
      lineEnd = lineEnd();
    }
  }

  /**
   * CR where there is no LF, as old programs for the Macintosh end lines; in tables also where LF
   * is nowhere but in fields in quotes, and CR alone outside them. A CR at the very end may be half
   * of CRLF.
   */
  private char lineEnd() {
    boolean lineFeeds = false;
    boolean carriageReturns = false;
    boolean unquoted = false;
    boolean quoted = false;
    for (int i = 0; i < end; i++) {
      quoted ^= quotes && buffer[i] == '"';
      if (buffer[i] == '\n') {
        if (!quoted) {
          return '\n';
        }
        lineFeeds = true;
      } else if (buffer[i] == '\r' && i + 1 < end && buffer[i + 1] != '\n') {
        carriageReturns = true;
        unquoted |= !quoted;
      }
    }
    return (lineFeeds ? unquoted : carriageReturns) ? '\r' : '\n';
  }

  /** The number of the line that {@link #next} gave last. */
  int number() {
    return number;
  }

  /** Whether the line that {@link #next} gave last ends in a line break. */
  boolean endsInBreak() {
    return broken;
  }

  /** The columns of a line of words: between tabs where there is one, else between spaces. */
  static String[] columns(String line) {
    return line.indexOf('\t') >= 0 ? line.split("\t", -1) : line.strip().split(" +");
  }

  /** The line without the CR of a CRLF file, or those of one that was converted more than once. */
  static String chomp(String line) {
    int length = line.length();
    while (length > 0 && line.charAt(length - 1) == '\r') {
      length--;
    }
    return line.substring(0, length);
  }

  @Override
  public void close() {
    try {
      reader.close();
    } catch (IOException e) {
      throw new InputException(file + " cannot be closed: " + e.getMessage(), e);
    }
  }
}
