package dev.attune.server.training;

import dev.attune.core.InputException;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.task.TokenLoss;
import dev.attune.task.TokenRow;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a loss is asked of.
 *
 * @param bytes of memory that the rows take
 */
record Examples(TokenLoss loss, List<TokenRow> rows, long bytes) {
  private static final String WEIGHTS = "weights";
  private static final String LOGPROBS = "logprobs";
  private static final String ADVANTAGES = "advantages";
  private static final int BYTES_OF_VALUE = 4;

  /** Reads them; what is wrong is named by its place. */
  static Examples of(Fields body, TrainingSession session) {
    TokenLoss loss = loss(body);
    List<Fields> given = body.objects("examples");
    if (given == null || given.isEmpty()) {
      throw ApiException.badRequest("examples", "'examples' is missing, or empty");
    }
    List<TokenRow> rows = new ArrayList<>();
    long values = 0;
    for (int i = 0; i < given.size(); i++) {
      String place = "examples[" + i + "]";
      TokenRow row = row(given.get(i), place, loss, session);
      rows.add(row);
      values += row.tokens().length * (loss.kind() == TokenLoss.Kind.CROSS_ENTROPY ? 3L : 4L);
    }
    return new Examples(loss, List.copyOf(rows), values * BYTES_OF_VALUE);
  }

  private static TokenLoss loss(Fields body) {
    Fields given = body.object("loss");
    if (given == null) {
      throw ApiException.badRequest(
          "loss", "'loss' is missing; it is an object with a 'name', one of " + names());
    }
    given.requiredText("name");
    List<String> allowed = Stream.of(TokenLoss.Kind.values()).map(Examples::word).toList();
    String name = given.word("name", null, allowed);
    TokenLoss.Kind kind = TokenLoss.Kind.values()[allowed.indexOf(name)];
    double clip = 0;
    if (kind == TokenLoss.Kind.PPO) {
      Double said = given.number("clip", 0, 1);
      if (said == null) {
        throw ApiException.badRequest("loss.clip", "'loss.clip' is missing; 0.2 is usual");
      }
      clip = said;
    }
    given.refuseOthers();
    try {
      return new TokenLoss(kind, clip);
    } catch (InputException e) {
      throw ApiException.badRequest("loss.clip", "'loss.clip': " + e.getMessage());
    }
  }

  private static String word(TokenLoss.Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT);
  }

  private static String names() {
    return Stream.of(TokenLoss.Kind.values()).map(Examples::word).collect(Collectors.joining(", "));
  }

  private static TokenRow row(
      Fields example, String place, TokenLoss loss, TrainingSession session) {
    int last = session.vocabulary() - 1;
    int[] tokens = required(example.integers("tokens", 0, last), place, "tokens");
    if (tokens.length > session.length()) {
      throw ApiException.contextLength(
          place + ".tokens",
          "'"
              + place
              + ".tokens' has "
              + tokens.length
              + " tokens; an example of this session has at most "
              + session.length()
              + ", its max_length");
    }
    int[] targets = required(example.integers("targets", TokenRow.NONE, last), place, "targets");
    boolean isPolicy = loss.kind() != TokenLoss.Kind.CROSS_ENTROPY;
    float[] weights = values(example, place, WEIGHTS, loss, !isPolicy);
    float[] logprobs = values(example, place, LOGPROBS, loss, isPolicy);
    float[] advantages = values(example, place, ADVANTAGES, loss, isPolicy);
    example.refuseOthers();
    try {
      return new TokenRow(tokens, targets, weights, logprobs, advantages);
    } catch (InputException e) {
      throw ApiException.badRequest(place, "'" + place + "': " + e.getMessage());
    }
  }

  private static float[] values(
      Fields example, String place, String name, TokenLoss loss, boolean isRead) {
    if (!isRead) {
      example.refuse(name, word(loss.kind()) + " does not read it");
      return null;
    }
    float[] values = example.floats(name);
    if (values == null) {
      throw ApiException.badRequest(
          place + "." + name,
          "'" + place + "." + name + "' is missing; " + word(loss.kind()) + " reads it");
    }
    return values;
  }

  private static int[] required(int[] ids, String place, String name) {
    if (ids == null) {
      throw ApiException.badRequest(place + "." + name, "'" + place + "." + name + "' is missing");
    }
    return ids;
  }
}
