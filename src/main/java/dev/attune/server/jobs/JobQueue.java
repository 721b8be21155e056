package dev.attune.server.jobs;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which job is next. First those of the highest priority; among them one that something else than
 * its owner has stopped; then the tenant whose turn it is, which is the one that has waited longest
 * since a job of its began; of its jobs the one with the nearest deadline, then the oldest.
 */
final class JobQueue {
  private JobQueue() {}

  /** Jobs that wait, the next one first. */
  static List<Job> ordered(Collection<Job> waiting, Map<String, Long> lastStarts) {
    return waiting.stream()
        .sorted(
            Comparator.comparingInt((Job job) -> -job.request().priority())
                .thenComparing(job -> !job.hasPrecedence())
                .thenComparing(job -> lastStarts.getOrDefault(job.tenant(), 0L))
                .thenComparing(JobQueue::deadline)
                .thenComparing(Job::number))
        .toList();
  }

  private static long deadline(Job job) {
    return job.request().deadline() == null ? Long.MAX_VALUE : job.request().deadline();
  }

  /**
   * The job that is to stop so that another can run: the one of the lowest priority, of those the
   * last that began. Empty: none is of a lower priority than the other.
   */
  static Optional<Job> toStop(Collection<Job> running, Job waiting) {
    return running.stream()
        .filter(job -> job.request().priority() < waiting.request().priority())
        .min(
            Comparator.comparingInt((Job job) -> job.request().priority())
                .thenComparing(job -> -job.started()));
  }
}
