package dev.attune.run;

import dev.attune.core.Interruption;
import dev.attune.data.DataReport;
import dev.attune.train.ForwardingListener;
import java.nio.file.Path;
import java.util.Optional;

/** Passes on all that a run says, for those that change some of it. */
class ForwardingRunListener extends ForwardingListener implements RunListener {
  private final RunListener next;

  ForwardingRunListener(RunListener next) {
    super(next);
    this.next = next;
  }

  @Override
  public String worded(String message) {
    return next.worded(message);
  }

  @Override
  public void onEnded() {
    next.onEnded();
  }

  @Override
  public void onNote(String note) {
    next.onNote(note);
  }

  /** As a note, of which whoever changes notes hears then. */
  @Override
  public void onData(String finding) {
    onNote(finding);
  }

  @Override
  public void onTrouble(String note) {
    next.onTrouble(note);
  }

  @Override
  public void onTokenised(int doneRows, int totalRows) {
    next.onTokenised(doneRows, totalRows);
  }

  @Override
  public void onTransfer(long doneBytes, long totalBytes, double bytesPerSecond) {
    next.onTransfer(doneBytes, totalBytes, bytesPerSecond);
  }

  @Override
  public void onDataReport(DataReport report) {
    next.onDataReport(report);
  }

  @Override
  public void onModel(String model, long parameters, String backend, String precision) {
    next.onModel(model, parameters, backend, precision);
  }

  @Override
  public Optional<Path> modelOfCheckpoint(long step) {
    return next.modelOfCheckpoint(step);
  }

  @Override
  public void onCheckpointModel(long step, Path folder) {
    next.onCheckpointModel(step, folder);
  }

  @Override
  public void onBegins(Interruption preparing) {
    next.onBegins(preparing);
  }

  @Override
  public void onReserved(Runnable release) {
    next.onReserved(release);
  }

  @Override
  public void onPreparing(String left) {
    next.onPreparing(left);
  }

  @Override
  public void onBase(String content) {
    next.onBase(content);
  }

  @Override
  public void onPrepared() {
    next.onPrepared();
  }

  @Override
  public boolean isAttended() {
    return next.isAttended();
  }

  @Override
  public Optional<String> answer(long atMostMillis) throws InterruptedException {
    return next.answer(atMostMillis);
  }
}
