package dev.attune.task;

/**
 * A prediction beside what its row says.
 *
 * @param gold what the row says, as people read it
 * @param predicted what the model says, likewise
 * @param isRight whether the two are the same
 * @param error how far they are apart, in the unit of {@link Task#errorName}: the more, the worse
 * @param probability of what was predicted, as the model has it; NaN where it has none
 */
public record Judgement(
    String gold, String predicted, boolean isRight, double error, double probability) {}
