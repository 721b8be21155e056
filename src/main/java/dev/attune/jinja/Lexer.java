package dev.attune.jinja;

import dev.attune.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;

/**
 * A template to tokens, with the white space rules of {@code trim_blocks} and {@code
 * lstrip_blocks}: the line break after a block goes, and so does what indents a block that begins
 * its line. A minus inside a tag takes all white space on its side, a plus keeps it.
 */
final class Lexer {
  /** Longest first. */
  private static final String[] OPERATORS = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";"
  };

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;
  private boolean lineStarts = true;

  private Lexer(String source) {
    String unix = source.replace("\r\n", "\n").replace('\r', '\n');
    this.source = unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix;
  }

  static List<Token> tokens(String source) {
    Lexer lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < source.length()) {
      int tag = nextTag();
      if (tag < 0) {
        data(source.substring(at));
        break;
      }
      char kind = source.charAt(tag + 1);
      char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
      String before = source.substring(at, tag);
      if (sign == '-') {
        before = Text.strip(before, null, false, true);
      } else if (sign != '+' && kind != '{') {
        before = unindented(before);
      }
      int begin = at;
      data(before);
      line += lines(source.substring(begin + before.length(), tag));
      at = tag + (sign == '-' || sign == '+' ? 3 : 2);
      switch (kind) {
        case '#' -> comment();
        case '{' -> inside(Kind.VARIABLE_BEGIN, Kind.VARIABLE_END, "}}");
        default -> {
          if (!raw()) {
            inside(Kind.BLOCK_BEGIN, Kind.BLOCK_END, "%}");
          }
        }
      }
    }
    tokens.add(new Token(Kind.END, "", line));
  }

  private int nextTag() {
    for (int i = at; i + 1 < source.length(); i++) {
      if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  private String unindented(String before) {
    int begin = before.lastIndexOf('\n') + 1;
    boolean blank =
        begin < before.length() && before.substring(begin).chars().allMatch(Text::isSpace);
    return blank && (begin > 0 || lineStarts) ? before.substring(0, begin) : before;
  }

  private void data(String text) {
    if (!text.isEmpty()) {
      tokens.add(new Token(Kind.DATA, text, line));
      line += lines(text);
    }
  }

  private static int lines(String text) {
    return (int) text.chars().filter(c -> c == '\n').count();
  }

  private void comment() {
    int end = source.indexOf("#}", at);
    if (end < 0) {
      throw TemplateException.of("line %d: a comment {# is never closed", line);
    }
    boolean signed = end > at && "-+".indexOf(source.charAt(end - 1)) >= 0;
    line += lines(source.substring(at, end));
    at = end + 2;
    afterTag(signed ? source.charAt(end - 1) : ' ', true);
  }

  /** What white space goes after a tag that ends before {@link #at}. */
  private void afterTag(char sign, boolean trimsLine) {
    int begin = at;
    if (sign == '-') {
      while (at < source.length() && Text.isSpace(source.charAt(at))) {
        at++;
      }
    } else if (sign != '+' && trimsLine && at < source.length() && source.charAt(at) == '\n') {
      at++;
    }
    line += lines(source.substring(begin, at));
    lineStarts = at > begin && source.charAt(at - 1) == '\n';
  }

  /** {@code raw} ... {@code endraw} is data. */
  private boolean raw() {
    int body = tagEnd(at, "raw");
    if (body < 0) {
      return false;
    }
    at = body;
    afterTag(source.charAt(body - 3), false);
    for (int end = source.indexOf("{%", at); end >= 0; end = source.indexOf("{%", end + 2)) {
      boolean minus = source.startsWith("-", end + 2);
      int after = tagEnd(end + (minus || source.startsWith("+", end + 2) ? 3 : 2), "endraw");
      if (after >= 0) {
        String text = source.substring(at, end);
        data(minus ? Text.strip(text, null, false, true) : unindented(text));
        at = after;
        afterTag(source.charAt(after - 3), true);
        return true;
      }
    }
    throw TemplateException.of("line %d: {%% raw %%} is never closed", line);
  }

  /** Where a block of the one given word ends, or -1 where another block stands. */
  private int tagEnd(int from, String word) {
    int i = from;
    while (i < source.length() && Text.isSpace(source.charAt(i))) {
      i++;
    }
    if (!source.startsWith(word, i)) {
      return -1;
    }
    i += word.length();
    while (i < source.length() && Text.isSpace(source.charAt(i))) {
      i++;
    }
    i += source.startsWith("-%}", i) || source.startsWith("+%}", i) ? 1 : 0;
    return source.startsWith("%}", i) ? i + 2 : -1;
  }

  private void inside(Kind begin, Kind end, String close) {
    tokens.add(new Token(begin, "", line));
    int depth = 0;
    while (true) {
      while (at < source.length() && Text.isSpace(source.charAt(at))) {
        line += source.charAt(at++) == '\n' ? 1 : 0;
      }
      if (at >= source.length()) {
        throw TemplateException.of("line %d: a tag is never closed with %s", line, close);
      }
      char c = source.charAt(at);
      if (depth == 0) {
        boolean signed = (c == '-' || c == '+') && source.startsWith(close, at + 1);
        if (signed || source.startsWith(close, at)) {
          at += signed ? 3 : 2;
          tokens.add(new Token(end, "", line));
          afterTag(signed ? c : ' ', end == Kind.BLOCK_END);
          return;
        }
      }
      if (c == '"' || c == '\'') {
        string(c);
      } else if (c >= '0' && c <= '9') {
        number();
      } else if (Character.isUnicodeIdentifierStart(c) || c == '_') {
        int from = at;
        while (at < source.length() && Character.isUnicodeIdentifierPart(source.charAt(at))) {
          at++;
        }
        tokens.add(new Token(Kind.NAME, source.substring(from, at), line));
      } else {
        String operator = operator();
        depth += "([{".contains(operator) ? 1 : ")]}".contains(operator) ? -1 : 0;
      }
    }
  }

  private String operator() {
    for (String operator : OPERATORS) {
      if (source.startsWith(operator, at)) {
        tokens.add(new Token(Kind.OPERATOR, operator, line));
        at += operator.length();
        return operator;
      }
    }
    throw TemplateException.of("line %d: unexpected character '%c'", line, source.charAt(at));
  }

  private void number() {
    int from = at;
    digits();
    boolean real = false;
    if (at + 1 < source.length() && source.charAt(at) == '.' && isDigit(source.charAt(at + 1))) {
      real = true;
      at++;
      digits();
    }
    if (at < source.length() && (source.charAt(at) | 32) == 'e') {
      int power = at + 1;
      power += power < source.length() && "+-".indexOf(source.charAt(power)) >= 0 ? 1 : 0;
      if (power < source.length() && isDigit(source.charAt(power))) {
        real = true;
        at = power;
        digits();
      }
    }
    String text = source.substring(from, at).replace("_", "");
    tokens.add(new Token(real ? Kind.FLOAT : Kind.INTEGER, text, line));
  }

  private void digits() {
    while (at < source.length() && (isDigit(source.charAt(at)) || source.charAt(at) == '_')) {
      at++;
    }
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private void string(char quote) {
    int first = line;
    StringBuilder text = new StringBuilder();
    at++;
    while (at < source.length() && source.charAt(at) != quote) {
      char c = source.charAt(at++);
      line += c == '\n' ? 1 : 0;
      if (c == '\\' && at < source.length()) {
        escape(text);
      } else {
        text.append(c);
      }
    }
    if (at >= source.length()) {
      throw TemplateException.of("line %d: a string is never closed", first);
    }
    at++;
    tokens.add(new Token(Kind.STRING, text.toString(), first));
  }

  /** Python's escapes; an unknown one stays as it is. */
  private void escape(StringBuilder text) {
    char c = source.charAt(at++);
    int simple = "abfnrtv\\'\"".indexOf(c);
    if (simple >= 0) {
      text.append("\u0007\b\f\n\r\t\u000B\\'\"".charAt(simple));
    } else if (c == '\n') {
      line++;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      int digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      try {
        text.appendCodePoint(Integer.parseInt(source.substring(at, at + digits), 16));
      } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
        throw TemplateException.of("line %d: \\%c needs %d hexadecimal digits", line, c, digits);
      }
      at += digits;
    } else if (c >= '0' && c <= '7') {
      int from = at - 1;
      while (at < source.length() && at < from + 3 && "01234567".indexOf(source.charAt(at)) >= 0) {
        at++;
      }
      text.append((char) Integer.parseInt(source.substring(from, at), 8));
    } else {
      text.append('\\').append(c);
    }
  }
}
