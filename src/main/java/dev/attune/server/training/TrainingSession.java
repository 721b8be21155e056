package dev.attune.server.training;

/**
 * A session as the journal has it.
 *
 * @param created second
 * @param vocabulary V of its model; ids of tokens are below
 * @param length tokens of an example at the most
 * @param needBytes memory that it takes while it is open
 */
record TrainingSession(
    String id,
    String tenant,
    long created,
    SessionRequest request,
    int vocabulary,
    int length,
    long needBytes) {}
