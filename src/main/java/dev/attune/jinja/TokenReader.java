package dev.attune.jinja;

import dev.attune.jinja.Token.Kind;
import java.util.List;
import java.util.Locale;

/** Tokens of a template, one after the other, of which the last is its end. */
class TokenReader {
  private final List<Token> tokens;
  private int at;

  TokenReader(List<Token> tokens) {
    this.tokens = tokens;
  }

  final Token peek() {
    return tokens.get(at);
  }

  final boolean isAt(Kind kind) {
    return peek().kind() == kind;
  }

  final Token take() {
    Token token = tokens.get(at);
    at = Math.min(at + 1, tokens.size() - 1);
    return token;
  }

  /** The token behind the one that is taken next. */
  final Token next() {
    return tokens.get(at + 1);
  }

  final void skip(int count) {
    at += count;
  }

  /** Gives the last token back. */
  final void back() {
    at--;
  }

  /** The token so many before the next one. */
  final Token previous(int count) {
    return tokens.get(at - count);
  }

  final boolean takes(Kind kind, String text) {
    boolean found = peek().is(kind, text);
    if (found) {
      take();
    }
    return found;
  }

  /** Takes a token that must come; null allows any text. */
  final Token expect(Kind kind, String text) {
    Token token = peek();
    if (token.kind() != kind || (text != null && !token.text().equals(text))) {
      throw unexpected();
    }
    return take();
  }

  final TemplateException unexpected() {
    Token token = peek();
    return token.kind() == Kind.END
        ? new TemplateException("the template ends too early")
        : TemplateException.of(
            "line %d: unexpected %s",
            token.line(),
            token.text().isEmpty()
                ? token.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ')
                : "'" + token.text() + "'");
  }
}
