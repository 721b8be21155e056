package dev.attune.task;

import dev.attune.folder.ModelFolder;

/** Chooses among the ways in which a model can choose among labels that it has not learned. */
final class ZeroShots {
  private ZeroShots() {}

  /** Whether options ask for it; they are checked. */
  static boolean isAsked(TaskOptions options) {
    return ZeroShotLabels.of(options) != null;
  }

  /**
   * As a folder's model can.
   *
   * @param learned what it was trained for
   */
  static ZeroShot of(ModelFolder folder, Task learned, TaskOptions options) {
    ZeroShotLabels asked = ZeroShotLabels.of(options);
    if (learned.type() == CausalLm.TYPE) {
      return new LikelihoodZeroShot(asked);
    }
    if (learned.type() == Embedding.TYPE || learned instanceof FewShot) {
      return VectorZeroShot.on(asked, folder);
    }
    if (learned.type() == Classification.TYPE) {
      return EntailmentZeroShot.of(asked, learned.labels(), folder.path());
    }
    throw ZeroShot.refusal(folder.path(), learned.name());
  }
}
