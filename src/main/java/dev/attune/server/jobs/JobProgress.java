package dev.attune.server.jobs;

/**
 * How far a job that runs is.
 *
 * @param step the last that is done; 0: none yet
 * @param stepsPerSecond 0: not known yet
 * @param estimatedFinish second; null: not known yet
 */
record JobProgress(long step, double stepsPerSecond, Long estimatedFinish) {}
