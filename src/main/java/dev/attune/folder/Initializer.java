package dev.attune.folder;

import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import dev.attune.store.Initialization;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import java.util.Random;

/**
 * New weights: matrices normal with one deviation, norms one, biases zero. So Transformers draws a
 * head; whole models too, but that GPT-2 and ModernBERT there scale some matrices by depth.
 */
final class Initializer {
  private Initializer() {}

  /**
   * @param deviation standard deviation of a matrix's entries
   * @param how its seed with the segment's place in the store decides every value
   */
  static void fill(Parameters parameters, Segment segment, float deviation, BaseLoad how) {
    if (segment.shape().length < 2 && segment.name().endsWith(".weight")) {
      constant(parameters, segment, 1f); // of a norm
      return;
    }
    boolean startsAtZero =
        segment.shape().length < 2
            || segment.name().endsWith(LoraConfig.UP)
            || segment.name().endsWith(LoraConfig.TABLE_DOWN);
    if (startsAtZero) {
      constant(parameters, segment, 0f);
      return;
    }
    long seed = how.seed();
    float spread = deviation(segment, deviation, how.lora());
    long stream = RandomStream.WEIGHTS.of(parameters.segments().indexOf(segment));
    int[] words = new int[4];
    parameters.write(
        segment,
        (first, values) -> {
          for (long i = first; values.hasRemaining(); i++) {
            // Box and Muller, 1958: two uniform numbers make a normal one; the first is never 0.
            Philox.block(seed, stream, i, words);
            double u1 = ((words[0] & 0xFFFFFFFFL) + 1) / 4294967296.0;
            double u2 = (words[1] & 0xFFFFFFFFL) / 4294967296.0;
            double normal = Math.sqrt(-2 * Math.log(u1)) * Math.cos(2 * Math.PI * u2);
            values.put((float) (spread * normal));
          }
        });
  }

  private static float deviation(Segment segment, float others, LoraConfig lora) {
    if (segment.name().endsWith(LoraConfig.TABLE_UP)) {
      return 1f; // PEFT's, as of an embedding
    }
    if (!segment.name().endsWith(LoraConfig.DOWN)) {
      return others;
    }
    boolean isGaussian = lora != null && lora.initialization() == Initialization.GAUSSIAN;
    // PEFT's kaiming_uniform_(a=sqrt(5)) of A has this deviation; its shape makes no difference
    // here.
    return (float)
        (isGaussian ? 1.0 / segment.shape()[0] : 1 / Math.sqrt(3.0 * segment.shape()[1]));
  }

  /** Normal noise that repeats: as good as any where only time matters, and far cheaper. */
  static void cycle(Parameters parameters, Segment segment, float deviation, long seed) {
    Random random = new Random(seed);
    float[] noise = new float[(1 << 16) + 1]; // odd: rows differ
    for (int i = 0; i < noise.length; i++) {
      noise[i] = (float) (deviation * random.nextGaussian());
    }
    parameters.write(
        segment,
        (first, values) -> {
          int at = (int) (first % noise.length);
          while (values.hasRemaining()) {
            int count = Math.min(values.remaining(), noise.length - at);
            values.put(noise, at, count);
            at = 0;
          }
        });
  }

  /** Every element the same. */
  static void constant(Parameters parameters, Segment segment, float value) {
    parameters.write(
        segment,
        (first, values) -> {
          while (values.hasRemaining()) {
            values.put(value);
          }
        });
  }
}
