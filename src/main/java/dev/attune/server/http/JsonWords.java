package dev.attune.server.http;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;

/** What is wrong with a text that is no JSON, in words that are not those of the parser's code. */
final class JsonWords {
  private JsonWords() {}

  static String of(JsonProcessingException e) {
    return what(e) + where(e.getLocation());
  }

  private static String what(JsonProcessingException e) {
    if (e instanceof JsonEOFException) {
      return "it ends before its end";
    }
    if (e instanceof MismatchedInputException) {
      return "something follows its end";
    }
    String message = e.getOriginalMessage();
    return e instanceof StreamConstraintsException
        ? message.replaceAll(", from `[^`]*`", "")
        : message.replaceAll(" \\(start marker .*", "");
  }

  private static String where(JsonLocation place) {
    return place == null || place.getLineNr() < 1
        ? ""
        : " (line " + place.getLineNr() + ", column " + place.getColumnNr() + ")";
  }
}
