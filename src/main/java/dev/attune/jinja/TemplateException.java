package dev.attune.jinja;

/** A template that cannot be parsed or rendered, or that refuses its input. */
public final class TemplateException extends RuntimeException {
  private static final long serialVersionUID = 1;

  TemplateException(String message) {
    super(message);
  }

  static TemplateException of(String format, Object... arguments) {
    return new TemplateException(String.format(format, arguments));
  }
}
