package dev.attune.text;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.attune.core.InputException;
import dev.attune.testkit.FuzzFiles;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Fuzz targets of tokenizer files: ids or an InputException. What panics in the native library ends
 * the process, which is a finding too.
 */
class TokenizerFuzzTest {
  private static final FuzzFiles JSON = new FuzzFiles();
  private static final FuzzFiles CONFIG = new FuzzFiles();
  private static final FuzzFiles VOCABULARY = new FuzzFiles();

  @FuzzTest
  void tokenizerJson(byte[] bytes) {
    JSON.write("tokenizer.json", bytes);
    use(JSON);
  }

  @FuzzTest
  void tokenizerConfig(byte[] bytes) {
    CONFIG.write(
        "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n".getBytes(StandardCharsets.UTF_8));
    CONFIG.write("tokenizer_config.json", bytes);
    use(CONFIG);
  }

  @FuzzTest
  void vocabulary(byte[] bytes) {
    VOCABULARY.write("vocab.txt", bytes);
    use(VOCABULARY);
  }

  private static void use(FuzzFiles files) {
    try (TextTokenizer tokenizer = TextTokenizer.open(files.folder())) {
      tokenizer.encode("A b, C\u00e9 \u4f60 \ud83d\ude00 <s> [MASK]", "and a second");
      tokenizer.encodeWords(List.of("a", "B", "c\u00e9"));
      int[] ids = tokenizer.encodeIds("a b \u4f60", null, 3).ids();
      tokenizer.decode(ids, true);
      tokenizer.vocabulary().maskId();
      tokenizer.vocabulary().eosId();
    } catch (InputException e) {
      // The bytes are no such file.
    }
  }
}
