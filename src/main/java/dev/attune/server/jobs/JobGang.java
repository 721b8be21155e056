package dev.attune.server.jobs;

import dev.attune.core.InputException;
import dev.attune.run.RunConfig;
import dev.attune.run.TrainGroup;
import dev.attune.server.http.ApiException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * Jobs that run in one slot: on one base, of which there is one copy, in one pass; or one that runs
 * by itself. The scheduler's thread and those of its jobs use it, under the scheduler's lock.
 */
final class JobGang {
  private final RunConfig first; // null: no other can join
  private final String base; // what the first begins from, by content
  private final TrainGroup group; // null: likewise
  private final List<JobRun> members = new ArrayList<>();
  private int coming; // jobs that are about to be members

  private JobGang(RunConfig first, String base) {
    this.first = first;
    this.base = base;
    this.group = first == null ? null : new TrainGroup();
  }

  /**
   * The gang that a job begins.
   *
   * @param alone ids of jobs that cannot be trained with others, as has turned out
   */
  static JobGang of(Job job, JobConfig.Sources sources, Set<String> alone) {
    Optional<RunConfig> config = alone.contains(job.id()) ? Optional.empty() : config(job, sources);
    return new JobGang(config.filter(one -> areTogether(List.of(one))).orElse(null), base(job));
  }

  private static String base(Job job) {
    return job.plan() == null ? null : job.plan().base();
  }

  /** Empty where it cannot be told, which the run itself will say. */
  private static Optional<RunConfig> config(Job job, JobConfig.Sources sources) {
    try {
      return Optional.of(JobConfig.of(job, sources).config());
    } catch (ApiException | InputException e) {
      return Optional.empty();
    }
  }

  private static boolean areTogether(List<RunConfig> configs) {
    try {
      TrainGroup.check(configs);
      return true;
    } catch (InputException e) {
      return false;
    }
  }

  /**
   * Whether a job could run with those that are here: also as far as the files of its base tell, of
   * which there is one copy in memory, whatever has become of them on the disk.
   *
   * @param alone as for {@link #of}
   */
  boolean takes(Job job, JobConfig.Sources sources, Set<String> alone) {
    return first != null
        && !alone.contains(job.id())
        && Objects.equals(base, base(job))
        && config(job, sources).filter(other -> areTogether(List.of(first, other))).isPresent();
  }

  /** The runs that it trains together; null: its one job runs by itself. */
  TrainGroup group() {
    return group;
  }

  List<JobRun> members() {
    return members;
  }

  /** Keeps it open for a job that is to be a member. */
  void expect() {
    coming++;
  }

  /**
   * The job that was expected is here.
   *
   * @param run null: it does not come after all
   */
  void arrived(JobRun run) {
    coming--;
    if (run != null) {
      members.add(run);
    }
  }

  /** Whether nobody is here, nor to come. */
  boolean isOver() {
    return members.isEmpty() && coming == 0;
  }

  /** Memory that its jobs take, of which the base is there once. */
  long needBytes() {
    long sum = 0;
    for (JobRun member : members) {
      sum += sum == 0 ? member.job().needBytes() : moreBytes(member.job());
    }
    return sum;
  }

  /** Memory that one more job takes. */
  static long moreBytes(Job job) {
    return job.plan() == null ? 0 : job.needBytes() - job.plan().need().frozenBytes();
  }

  /** Frees the base. */
  void close() {
    if (group != null) {
      group.close();
    }
  }
}
