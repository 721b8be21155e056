package dev.attune.jinja;

/** A name or item that is not there: prints as nothing, is false, and can do little else. */
record Undefined(String what) {
  TemplateException refuse() {
    return new TemplateException(what + " is undefined");
  }
}
