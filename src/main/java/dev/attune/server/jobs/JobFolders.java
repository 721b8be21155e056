package dev.attune.server.jobs;

import dev.attune.core.FileOps;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Where jobs leave what they make:
 *
 * <pre>
 * models/ftjob-…/model/      the run's output folder
 * models/ftjob-…/step-120/   a checkpoint as a model
 * </pre>
 *
 * @param models folder of all tuned models
 */
record JobFolders(Path models) {
  private Path of(Job job) {
    return models.resolve(job.id());
  }

  /** The run's output folder, and at the end the model. */
  Path model(Job job) {
    return of(job).resolve("model");
  }

  /** A checkpoint as a model. */
  Path checkpoint(Job job, long step) {
    return of(job).resolve("step-" + step);
  }

  /**
   * What no job will go on with and no model is in, as a kill between a change of the journal and
   * one of the disk leaves it; a job's whole folder where nothing in it is needed.
   *
   * @param open ids of jobs that have not ended
   * @param catalog knows the folders of models
   */
  List<Path> leftovers(Set<String> open, ModelCatalog catalog) throws IOException {
    List<Path> leftovers = new ArrayList<>();
    if (!Files.isDirectory(models)) {
      return leftovers;
    }
    Set<Path> known = known(catalog);
    for (Path ofJob : inside(models, "ftjob-*")) {
      if (!open.contains(ofJob.getFileName().toString())) {
        leftovers.addAll(leftovers(ofJob, known));
      }
    }
    return leftovers;
  }

  /** The same of a job that has ended. */
  List<Path> leftovers(Job job, ModelCatalog catalog) throws IOException {
    return Files.isDirectory(of(job)) ? leftovers(of(job), known(catalog)) : List.of();
  }

  private static Set<Path> known(ModelCatalog catalog) {
    return catalog.tuned().stream().map(ServedModel::folder).collect(Collectors.toSet());
  }

  private static List<Path> leftovers(Path ofJob, Set<Path> known) throws IOException {
    List<Path> made = inside(ofJob, "*");
    List<Path> unknown = made.stream().filter(folder -> !known.contains(folder)).toList();
    return unknown.size() == made.size() ? List.of(ofJob) : unknown;
  }

  private static List<Path> inside(Path folder, String pattern) throws IOException {
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, pattern)) {
      all.forEach(found::add);
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    Collections.sort(found);
    return found;
  }

  /** Removes a folder, where it is there. */
  static void remove(Path folder) throws IOException {
    if (Files.exists(folder)) {
      FileOps.SYSTEM.deleteTree(folder);
    }
  }
}
