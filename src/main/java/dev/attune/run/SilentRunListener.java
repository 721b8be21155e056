package dev.attune.run;

import dev.attune.data.DataReport;
import java.util.Map;

/** Hears a run and says nothing of it: for runs of which their folders tell. */
public final class SilentRunListener implements RunListener {
  @Override
  public void onNote(String note) {}

  @Override
  public void onDataReport(DataReport report) {}

  @Override
  public void onModel(String model, long parameters, String backend, String precision) {}

  @Override
  public void onStep(Step step) {}

  @Override
  public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

  @Override
  public void onCheckpoint(long step) {}
}
