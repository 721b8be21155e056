package dev.attune.jinja;

import java.util.ArrayList;
import java.util.List;

/** What is being written: the page, or what a macro or block catches. */
final class Output {
  private final StringBuilder text = new StringBuilder();
  private final List<int[]> spans = new ArrayList<>();
  private final Budget budget;

  Output(Budget budget) {
    this.budget = budget;
  }

  void write(String part) {
    budget.write(part.length());
    Budget.checkLength((long) text.length() + part.length());
    text.append(part);
  }

  int length() {
    return text.length();
  }

  /** Notes that what was written from {@code begin} on is the model's to say. */
  void generated(int begin) {
    spans.add(new int[] {begin, text.length()});
  }

  List<int[]> spans() {
    return spans;
  }

  String text() {
    return text.toString();
  }
}
