package dev.attune.testkit;

import dev.attune.Device;
import dev.attune.LanguageExample;
import dev.attune.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A model that goes on from "Once upon a time" in capitals, and now and then in small letters. */
public final class LetterWriter {
  private LetterWriter() {}

  /**
   * Trains one.
   *
   * @param model that {@link TinyDecoder} has written
   * @return the folder
   */
  public static Path write(Path model, Path folder) {
    List<LanguageExample> texts = new ArrayList<>();
    for (int i = 0; i < 32; i++) {
      String letters = i % 8 == 0 ? "abcabcabcabc" : "ABCABCABCABC";
      texts.add(LanguageExample.completion("Once upon a time", letters));
    }
    Trainer.causalLm(model.toString())
        .train(texts)
        .maxSteps(40)
        .batchSize(8)
        .learningRate(1e-2)
        .device(Device.CPU)
        .saveTo(folder);
    return folder;
  }
}
