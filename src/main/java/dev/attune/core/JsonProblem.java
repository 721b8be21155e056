package dev.attune.core;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is wrong with a text that is not JSON, without the parser's own marks. */
public final class JsonProblem {
  private static final Pattern START =
      Pattern.compile("\\(start marker at \\[Source: .*; line: (\\d+), column: (\\d+)\\]\\)");
  private static final Pattern SOURCE = Pattern.compile(" ?\\(?\\[Source: [^\\]]*\\]\\)?");

  /** How a program could have the parser take it, which is no advice to who wrote the file. */
  private static final Pattern SWITCH = Pattern.compile(": enable `?\\w+Feature\\.\\w+`? to allow");

  private JsonProblem() {}

  /** What an exception says, in words of ours where it is of what is not JSON. */
  public static String of(IOException e) {
    return e instanceof JsonProcessingException json ? of(json) : e.getMessage();
  }

  /** The problem, as a clause. */
  public static String of(JsonProcessingException e) {
    String message = e.getOriginalMessage().lines().findFirst().orElse("");
    if (e instanceof JsonEOFException || message.startsWith("Unexpected end-of-input")) {
      Matcher start = START.matcher(message);
      return "it ends too early"
          + (start.find()
              ? ": what begins in line "
                  + start.group(1)
                  + " at character "
                  + start.group(2)
                  + " is not closed"
              : "");
    }
    if (message.startsWith("Trailing token")) {
      return "more follows the value that it begins with";
    }
    return SWITCH.matcher(SOURCE.matcher(message).replaceAll("")).replaceAll("");
  }
}
