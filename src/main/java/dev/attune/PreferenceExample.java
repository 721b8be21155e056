package dev.attune;

import dev.attune.data.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A prompt with two answers, of which one is better: what a model learns preferences from. */
public final class PreferenceExample {
  private final Example chosen;
  private final Example rejected;

  private PreferenceExample(Example chosen, Example rejected) {
    this.chosen = chosen;
    this.rejected = rejected;
  }

  /**
   * Texts, which are joined as they are.
   *
   * @param chosen the better answer
   * @param rejected the other
   */
  public static PreferenceExample of(String prompt, String chosen, String rejected) {
    Objects.requireNonNull(prompt, "prompt");
    return new PreferenceExample(
        Example.ofPrompt(1, prompt, Objects.requireNonNull(chosen, "chosen")),
        Example.ofPrompt(1, prompt, Objects.requireNonNull(rejected, "rejected")));
  }

  /**
   * Turns, written as the model's chat template has them.
   *
   * @param prompt at least one
   * @param chosen the turns of the better answer, the last of which is the assistant's
   * @param rejected those of the other
   * @throws IllegalArgumentException if one of the lists is empty
   */
  public static PreferenceExample of(
      List<Message> prompt, List<Message> chosen, List<Message> rejected) {
    if (prompt.isEmpty() || chosen.isEmpty() || rejected.isEmpty()) {
      throw new IllegalArgumentException(
          "a prompt and its two answers have at least one turn each");
    }
    return new PreferenceExample(joined(prompt, chosen), joined(prompt, rejected));
  }

  private static Example joined(List<Message> prompt, List<Message> answer) {
    List<Message> all = new ArrayList<>(prompt);
    all.addAll(answer);
    return Example.ofMessages(1, LanguageExample.chat(all));
  }

  Example example(int row) {
    return Example.ofPreference(row, chosen, rejected, Map.of());
  }
}
