package dev.attune.testkit;

import dev.attune.core.DType;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Segment;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Adapters of language models with random weights, which change what is written. */
public final class TinyAdapter {
  private TinyAdapter() {}

  /** Writes a PEFT folder. */
  public static Path write(Path folder, Path base, Backend backend, LoraConfig lora, long seed) {
    return write(folder, base, backend, lora, seed, 0.3f);
  }

  /** The same with weights of another size. */
  public static Path write(
      Path folder, Path base, Backend backend, LoraConfig lora, long seed, float size) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    builder.adapt(lora);
    try (Model model =
        Families.create(
            backend, ModelFolder.readConfig(base), HeadKind.LANGUAGE_MODEL, 0, null, builder)) {
      Random random = new Random(seed);
      for (Segment segment : model.parameters().segments()) {
        if (LoraConfig.isAdapter(segment.name())) {
          model
              .parameters()
              .write(
                  segment,
                  (first, values) -> {
                    while (values.hasRemaining()) {
                      values.put((float) random.nextGaussian() * size);
                    }
                  });
        }
      }
      Files.createDirectories(folder);
      AdapterWeights.write(folder, model, lora, base.toString(), "CAUSAL_LM", false);
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
