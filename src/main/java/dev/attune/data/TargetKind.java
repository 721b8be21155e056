package dev.attune.data;

/** What an example is trained towards. */
public enum TargetKind {
  /** One class of a label map. */
  CLASS,
  /** One real number: regression. */
  NUMBER,
  /** One tag a word: token classification. */
  TAGS,
  /** Nothing in the file: prediction, embedding, language modelling. */
  NONE
}
