package dev.attune.data;

import dev.attune.core.InputException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * The lines of a UTF-8 file, numbered from 1. Strict: a byte that is not UTF-8 is an error with its
 * line. A byte order mark is skipped. Lines end at LF; a CR before it stays, for {@link #chomp}.
 */
final class Utf8Lines implements AutoCloseable {
  private final Path file;
  private final Reader reader;
  private final char[] buffer = new char[1 << 15];
  private int begin;
  private int end;
  private int number;
  private boolean broken;

  Utf8Lines(Path file) {
    this.file = file;
    try {
      if (Files.isDirectory(file)) {
        throw new InputException(file + " is a folder; give a file");
      }
      this.reader =
          new InputStreamReader(
              Files.newInputStream(file),
              StandardCharsets.UTF_8
                  .newDecoder()
                  .onMalformedInput(CodingErrorAction.REPORT)
                  .onUnmappableCharacter(CodingErrorAction.REPORT));
    } catch (NoSuchFileException e) {
      throw new InputException(file + " does not exist", e);
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The next line without its LF, or null at the end of the file. */
  String next() {
    StringBuilder rest = null;
    while (true) {
      for (int i = begin; i < end; i++) {
        if (buffer[i] == '\n') {
          String part = new String(buffer, begin, i - begin);
          begin = i + 1;
          broken = true;
          return numbered(rest == null ? part : rest.append(part).toString());
        }
      }
      if (begin < end) {
        rest = rest == null ? new StringBuilder() : rest;
        rest.append(buffer, begin, end - begin);
      }
      begin = 0;
      try {
        end = Math.max(0, reader.read(buffer, 0, buffer.length));
      } catch (CharacterCodingException e) {
        throw malformed();
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
      if (end == 0) {
        broken &= rest == null;
        return rest == null ? null : numbered(rest.toString());
      }
    }
  }

  /** The number of the line that {@link #next} gave last. */
  int number() {
    return number;
  }

  /** Whether the line that {@link #next} gave last ends in a line break. */
  boolean endsInBreak() {
    return broken;
  }

  /** The line without the CR of a CRLF file. */
  static String chomp(String line) {
    return line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
  }

  @Override
  public void close() {
    try {
      reader.close();
    } catch (IOException e) {
      throw new InputException(file + " cannot be closed: " + e.getMessage(), e);
    }
  }

  private String numbered(String line) {
    number++;
    return number == 1 && line.startsWith("\uFEFF") ? line.substring(1) : line;
  }

  /** The decoder does not say where; so the lines are decoded one by one. */
  private InputException malformed() {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      byte[] line = new byte[256];
      int length = 0;
      int row = 1;
      while (true) {
        int b = in.read();
        if (b == '\n' || b < 0) {
          ByteBuffer bytes = ByteBuffer.wrap(line, 0, length);
          try {
            StandardCharsets.UTF_8.newDecoder().decode(bytes);
          } catch (CharacterCodingException e) {
            return malformed(row, bytes.position(), line[bytes.position()] & 0xFF);
          }
          if (b < 0) {
            break;
          }
          row++;
          length = 0;
        } else {
          line = length == line.length ? Arrays.copyOf(line, 2 * length) : line;
          line[length++] = (byte) b;
        }
      }
    } catch (IOException e) {
      return new InputException(file + " is not UTF-8 and cannot be read again", e);
    }
    return new InputException(file + " is not UTF-8");
  }

  private InputException malformed(int row, int at, int value) {
    boolean wide = row == 1 && at == 0 && (value == 0xFF || value == 0xFE);
    String guess = wide ? "UTF-16" : "ISO-8859-1";
    return new InputException(
        String.format(
            "%s, row %d: byte %d (0x%02X) is not UTF-8. The file may be %s; convert it: iconv -f %s"
                + " -t UTF-8 %s > utf8-%s",
            file, row, at + 1, value, guess, guess, file, file.getFileName()));
  }
}
