package dev.attune.task;

/** A kind of task whose models Transformers and PEFT call classifiers of sequences. */
interface SequenceType extends TaskType {
  @Override
  default String peftType() {
    return "SEQ_CLS";
  }

  @Override
  default String pipeline() {
    return "text-classification";
  }

  @Override
  default String classSuffix() {
    return "ForSequenceClassification";
  }

  @Override
  default boolean streams() {
    return true;
  }
}
