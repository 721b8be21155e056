package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.generate.Prompt;
import dev.attune.run.GenerationService.Voice;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.LongTexts;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.jetty.io.EofException;

/**
 * One of the texts that a request gives: as it is, or as tokens.
 *
 * @param text null where there are tokens
 * @param tokens null where there is a text
 */
record TextInput(String text, int[] tokens) {
  private static final int MOST = 2048; // OpenAI's

  /** Those of a field: a string, an array of strings, an array of tokens, or one of such. */
  static List<TextInput> of(String name, JsonNode given) {
    List<TextInput> inputs = new ArrayList<>();
    if (given.isTextual()) {
      inputs.add(new TextInput(given.textValue(), null));
    } else if (given.isArray() && !given.isEmpty() && given.get(0).isNumber()) {
      inputs.add(new TextInput(null, tokens(name, given)));
    } else if (given.isArray()) {
      for (JsonNode one : given) {
        if (one.isTextual()) {
          inputs.add(new TextInput(one.textValue(), null));
        } else {
          inputs.add(new TextInput(null, tokens(name, one)));
        }
      }
    }
    if (inputs.isEmpty() || inputs.size() > MOST) {
      throw wrong(name, inputs.isEmpty() ? "" : ", not " + inputs.size());
    }
    return inputs;
  }

  private static ApiException wrong(String name, String what) {
    return ApiException.badRequest(
        name,
        "'"
            + name
            + "' must be a string, an array of strings, an array of token ids, or an array of"
            + " such arrays: 1 to "
            + MOST
            + " texts"
            + what);
  }

  private static int[] tokens(String name, JsonNode array) {
    if (!array.isArray() || array.isEmpty()) {
      throw wrong(name, "");
    }
    int[] ids = new int[array.size()];
    for (int i = 0; i < ids.length; i++) {
      if (!array.get(i).isInt() || array.get(i).intValue() < 0) {
        throw ApiException.badRequest(
            name,
            "'" + name + "' has the token " + array.get(i) + "; ids are whole numbers from 0 on");
      }
      ids[i] = array.get(i).intValue();
    }
    return ids;
  }

  /** Refuses tokens that a model does not have. */
  void check(String name, int vocabularySize) {
    for (int i = 0; tokens != null && i < tokens.length; i++) {
      if (tokens[i] >= vocabularySize) {
        throw ApiException.badRequest(
            name,
            "'"
                + name
                + "' has the token "
                + tokens[i]
                + "; ids of this model are below "
                + vocabularySize);
      }
    }
  }

  /**
   * What a model is to go on with.
   *
   * @param texts looks at a text before it is tokenised
   */
  Prompt prompt(Voice voice, LongTexts texts) throws EofException {
    check("prompt", voice.service().vocabularySize());
    if (tokens == null) {
      texts.check(text);
    }
    Prompt prompt =
        tokens == null ? voice.prompt(text) : new Prompt(voice.text(tokens), tokens.clone());
    if (prompt.ids().length == 0) {
      throw ApiException.badRequest("prompt", "'prompt' is empty: there is nothing to continue");
    }
    return prompt;
  }
}
