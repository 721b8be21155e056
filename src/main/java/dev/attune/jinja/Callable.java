package dev.attune.jinja;

/** A function, method, filter or macro. */
interface Callable {
  Object call(CallArguments arguments);
}
