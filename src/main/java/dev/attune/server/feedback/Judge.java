package dev.attune.server.feedback;

import java.nio.file.Path;
import java.util.List;

/** Says what classifiers say of texts. Any number of threads use it. */
interface Judge extends AutoCloseable {
  /**
   * The labels that the classifier in a folder gives: as many as rows, in their order.
   *
   * @param base the folder of an adapter's base; null: it is none, or says itself which it is
   * @param rows whose own labels are not looked at
   */
  List<String> labels(Path folder, Path base, List<LabelledText> rows);

  @Override
  void close();
}
