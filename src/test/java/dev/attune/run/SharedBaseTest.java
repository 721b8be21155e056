package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.attune.folder.ModelFolder;
import dev.attune.hub.Progress;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.text.TextTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SharedBaseTest {
  @TempDir Path scratch;

  @Test
  void theTokenizerIsReadOnceForAsLongAsItsFilesStay() throws Exception {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(scratch, backend, 32);
    }
    ModelFolder folder = ModelFolder.openToTrain(scratch.toString(), null, Progress.silent());
    try (SharedBase base = new SharedBase()) {
      TextTokenizer first = base.tokenizer(folder);
      assertSame(first, base.tokenizer(folder));
      Path file = scratch.resolve("vocab.json");
      String was = Files.readString(file);
      Files.writeString(file, was + "\n");
      TextTokenizer second = base.tokenizer(folder);
      assertNotSame(first, second);
      assertSame(second, base.tokenizer(folder));
      Files.writeString(file, was);
      assertSame(first, base.tokenizer(folder));
    }
  }
}
