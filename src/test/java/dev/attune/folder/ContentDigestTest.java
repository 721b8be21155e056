package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** No byte of a base model can change unnoticed. */
class ContentDigestTest {
  /** Nothing is shared, so that nobody looks into weights that are none. */
  private static final String CONFIG = "{\"model_type\": \"bert\", \"tie_word_embeddings\": false}";

  @TempDir Path scratch;

  private byte[] weights(int size) {
    byte[] bytes = new byte[size];
    new Random(7).nextBytes(bytes);
    return bytes;
  }

  private Path folder(String name, byte[] weights) throws IOException {
    Path folder = Files.createDirectories(scratch.resolve(name));
    Files.writeString(folder.resolve("config.json"), CONFIG);
    Files.write(folder.resolve("model.safetensors"), weights);
    return folder;
  }

  private String digest(Path folder, int threads) {
    return ContentDigest.ofModel(ModelFolder.open(folder, null), List.of(), threads);
  }

  @Test
  void theSameContentElsewhereIsTheSame() throws IOException {
    byte[] weights = weights(5_000_001); // no multiple of a block or a read
    String here = digest(folder("here", weights), 1);
    Path there = folder("there", weights);
    Files.writeString(there.resolve("README.md"), "not part of the model");
    for (int threads : List.of(1, 2, 7)) {
      assertEquals(here, digest(there, threads));
    }
    assertTrue(here.matches("[0-9a-f]{16}"), here);
  }

  @Test
  void anyByteCounts() throws IOException {
    byte[] weights = weights(3_000_000);
    String before = digest(folder("before", weights), 2);
    Random random = new Random(3);
    for (int i = 0; i < 40; i++) {
      int at = i == 0 ? 0 : i == 1 ? weights.length - 1 : random.nextInt(weights.length);
      weights[at] ^= 1 << random.nextInt(8);
      assertNotEquals(before, digest(folder("after", weights), 2), "byte " + at);
      weights[at] = weights(3_000_000)[at];
    }
    assertEquals(before, digest(folder("after", weights), 2));
  }

  @Test
  void sizeOrderAndDescriptionCount() throws IOException {
    byte[] weights = weights(1 << 17);
    String before = digest(folder("before", weights), 2);
    byte[] longer = java.util.Arrays.copyOf(weights, weights.length + 1);
    assertNotEquals(before, digest(folder("longer", longer), 2));
    byte[] swapped = weights.clone();
    System.arraycopy(weights, 0, swapped, 1 << 16, 1 << 16);
    System.arraycopy(weights, 1 << 16, swapped, 0, 1 << 16);
    assertNotEquals(before, digest(folder("swapped", swapped), 2));
    Path described = folder("described", weights);
    Files.writeString(described.resolve("config.json"), CONFIG.replace("}", ", \"x\": 1}"));
    assertNotEquals(before, digest(described, 2));
  }

  @Test
  void textsAreKeptApart() {
    assertNotEquals(
        ContentDigest.ofTexts(List.of("ab", "c")), ContentDigest.ofTexts(List.of("a", "bc")));
    assertEquals(ContentDigest.ofTexts(List.of("a")), ContentDigest.ofTexts(List.of("a")));
  }

  @Test
  void absentFilesDoNotCount() throws IOException {
    Path folder = Files.createDirectories(scratch.resolve("tokenizer"));
    Files.writeString(folder.resolve("vocab.txt"), "a\nb\n");
    List<String> names = List.of("tokenizer.json", "vocab.txt");
    String before = ContentDigest.ofFiles(folder, names);
    assertEquals(before, ContentDigest.ofFiles(folder, List.of("vocab.txt")));
    Files.writeString(folder.resolve("vocab.txt"), "a\nc\n");
    assertNotEquals(before, ContentDigest.ofFiles(folder, names));
  }
}
