package dev.attune.server.inference;

import dev.attune.server.http.Metrics;
import dev.attune.server.models.ServedModel;

/** What is counted and timed of texts, by the names of the bases that write them. */
public final class TextMetrics {
  private static final String LABEL = "model_name";

  private final Metrics.Counter read;
  private final Metrics.Counter written;
  private final Metrics.Histogram first;
  private final Metrics.Histogram each;

  public TextMetrics(Metrics metrics) {
    this.read =
        metrics.counter("attune_prompt_tokens", "Tokens of prompts that were continued", LABEL);
    this.written = metrics.counter("attune_generation_tokens", "Tokens that were written", LABEL);
    this.first =
        metrics.histogram(
            "attune_time_to_first_token_seconds",
            "From a text's being asked for to its first letters, the wait for others included",
            LABEL);
    this.each =
        metrics.histogram(
            "attune_request_time_per_output_token_seconds",
            "From one token of a text to the next, as the mean of the text",
            LABEL);
  }

  /**
   * A text that is asked for now.
   *
   * @param promptTokens that it goes on with
   */
  Text text(ServedModel model, int promptTokens) {
    String base = model.root(); // whatever a tenant has made of it, and named
    read.add(promptTokens, base);
    return new Text(base);
  }

  /** A text on its way; one thread tells of it. */
  final class Text {
    private final String base;
    private final long asked = System.nanoTime();
    private long begun; // 0: not yet

    private Text(String base) {
      this.base = base;
    }

    /** Letters have come. */
    void piece() {
      if (begun == 0) {
        begun = System.nanoTime();
        first.observe((begun - asked) * 1e-9, base);
      }
    }

    /** It is done. */
    void done(int tokens) {
      written.add(tokens, base);
      if (begun != 0 && tokens > 1) {
        each.observe((System.nanoTime() - begun) * 1e-9 / (tokens - 1), base);
      }
    }
  }
}
