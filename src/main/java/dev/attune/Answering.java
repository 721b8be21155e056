package dev.attune;

import java.util.List;

/**
 * What a model answers to a question.
 *
 * @param best the answer given, which says that there is none where the model finds that likelier
 * @param nBest all that were considered, the likeliest first: as many as were asked for, and "no
 *     answer" behind them where the model may say so and it is not one of these; empty where the
 *     context holds no span of allowed length
 */
public record Answering(Answer best, List<Answer> nBest) {
  public Answering {
    nBest = List.copyOf(nBest);
  }
}
