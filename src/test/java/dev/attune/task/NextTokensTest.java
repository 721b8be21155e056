package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding;
import dev.attune.data.Finding.Severity;
import dev.attune.data.TokenLengths;
import dev.attune.run.RunOption;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TestTasks;
import dev.attune.text.ChatMessage;
import dev.attune.text.SharedFolders;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NextTokensTest {
  private static final int NONE = EncodedDataset.IGNORED;
  private static final int END = ByteTokenizer.END;

  @TempDir static Path shared;
  private static TextTokenizer bytes;

  @TempDir Path temp;

  @BeforeAll
  static void open() {
    bytes = TextTokenizer.open(ByteTokenizer.write(shared, "<end>", "Ġ c"));
  }

  @AfterAll
  static void close() {
    bytes.close();
  }

  private static Dataset dataset(Example... examples) {
    return new Dataset(Path.of("train.jsonl"), List.of(examples));
  }

  private static EncodedDataset encode(int maxLength, Example... examples) {
    return new Encoder(new CausalLm(false).encoder(bytes, maxLength, Purpose.TRAINING), 2)
        .encode(dataset(examples));
  }

  private static int[] ids(String text) {
    return text.chars().toArray();
  }

  private static boolean[] marked(EncodedDataset data, int mark) {
    TokenLengths.Texts texts = data.lengths().texts();
    return new boolean[] {texts.has(0, mark), texts.has(1, mark)};
  }

  private static int[] joined(int[] first, int... more) {
    int[] out = Arrays.copyOf(first, first.length + more.length);
    System.arraycopy(more, 0, out, first.length, more.length);
    return out;
  }

  private static DataReport report(int maxLength, Dataset data) {
    EncodedDataset encoded =
        new Encoder(new CausalLm(false).encoder(bytes, maxLength, Purpose.TRAINING), 1)
            .encode(data);
    return DataReport.builder(TestTasks.CAUSAL_LM)
        .maxLength(maxLength)
        .train(data, encoded.lengths())
        .build();
  }

  private static List<String> codes(DataReport report, Severity severity) {
    return report.findings(severity).stream().map(Finding::code).toList();
  }

  @Test
  void everyNextTokenOfATextIsATargetAndItsEndToo() {
    EncodedDataset data = encode(16, Example.of(1, "abc", null));
    assertArrayEquals(joined(ids("abc"), END), data.ids().toArray());
    assertArrayEquals(joined(ids("bc"), END, NONE), data.labels().toArray());
    assertEquals(3, data.supervised(0));
    assertTrue(data.lengths().texts().has(0, TokenLengths.Texts.ENDS));
  }

  @Test
  void aLongTextIsCutIntoSequencesAndLosesNothing() {
    EncodedDataset data = encode(4, Example.of(1, "abcdefghij", null), Example.of(2, "xy", null));
    assertEquals(4, data.size());
    assertArrayEquals(new int[] {0, 4, 8, 11, 14}, data.offsets().toArray());
    assertArrayEquals(
        joined(joined(ids("bcd"), NONE), 'f', 'g', 'h', NONE, 'j', END, NONE, 'y', END, NONE),
        data.labels().toArray());
    assertArrayEquals(new int[] {11, 3}, data.lengths().lengths().toArray());
    assertArrayEquals(new int[] {0, 0}, data.lengths().dropped().toArray());
    assertArrayEquals(new int[] {8, 2}, data.lengths().supervised().toArray());
    assertArrayEquals(new int[] {4, 4, 3, 3}, data.lengths().sequences().toArray());
    assertEquals(0, data.source(2));
    assertEquals(1, data.source(3));
  }

  /** Windows that overlap predict every token but the first, once each. */
  @Test
  void stridedWindowsCountEveryTokenOnce() {
    Example text = Example.of(1, "abcdefghij", null);
    EncodedDataset data =
        new Encoder(new CausalLm(false, 2).encoder(bytes, 6, Purpose.EVALUATION), 1)
            .encode(dataset(text));
    assertArrayEquals(
        joined(ids("abcdefcdefghefghij"), ids("ghij")[0], 'h', 'i', 'j', END),
        data.ids().toArray());
    assertArrayEquals(
        joined(
            joined(ids("bcdef"), NONE),
            NONE,
            NONE,
            NONE,
            'g',
            'h',
            NONE,
            NONE,
            NONE,
            NONE,
            'i',
            'j',
            NONE,
            NONE,
            NONE,
            NONE,
            END,
            NONE),
        data.labels().toArray());
    assertArrayEquals(new int[] {11}, data.lengths().lengths().toArray());
    assertArrayEquals(new int[] {10}, data.lengths().supervised().toArray());
    assertEquals(0, data.droppedTokens());
    assertThrows(
        InputException.class,
        () -> new Encoder(new CausalLm(false, 7).encoder(bytes, 6, Purpose.EVALUATION), 1));
  }

  @Test
  void aLastTokenAloneCannotBeLearnedAndIsCounted() {
    EncodedDataset data = encode(4, Example.of(1, "abcdefg", null), Example.of(2, "abcd", null));
    assertArrayEquals(new int[] {0, 4, 8, 12}, data.offsets().toArray());
    assertArrayEquals(new int[] {0, 1}, data.lengths().dropped().toArray());
    assertEquals(1, data.droppedTokens());
    assertArrayEquals(new boolean[] {true, false}, marked(data, TokenLengths.Texts.ENDS));
  }

  @Test
  void onlyTheCompletionIsLearnedAndTheOptionLearnsAll() {
    Dataset rows = dataset(Example.ofPrompt(1, "ab", "cd"));
    EncodedDataset completions =
        new Encoder(new CausalLm(false).encoder(bytes, 16, Purpose.TRAINING), 1).encode(rows);
    assertArrayEquals(joined(ids("abcd"), END), completions.ids().toArray());
    assertArrayEquals(new int[] {NONE, 'c', 'd', END, NONE}, completions.labels().toArray());
    EncodedDataset all =
        new Encoder(new CausalLm(true).encoder(bytes, 16, Purpose.TRAINING), 1).encode(rows);
    assertArrayEquals(completions.ids().toArray(), all.ids().toArray());
    assertArrayEquals(new int[] {'b', 'c', 'd', END, NONE}, all.labels().toArray());
  }

  @Test
  void masksGoByPositionNotByToken() {
    // The same letters, and the end of sequence itself, in the prompt and in the completion.
    EncodedDataset data = encode(16, Example.ofPrompt(1, "aa<end>a", "aa<end>"));
    assertArrayEquals(new int[] {'a', 'a', END, 'a', 'a', 'a', END}, data.ids().toArray());
    assertArrayEquals(new int[] {NONE, NONE, NONE, 'a', 'a', END, NONE}, data.labels().toArray());
  }

  @Test
  void anEndThatIsWrittenIsNotAppendedAgain() {
    EncodedDataset data = encode(16, Example.of(1, "ab<end>", null));
    assertArrayEquals(joined(ids("ab"), END), data.ids().toArray());
  }

  @Test
  void aTokenThatSpansTheBorderIsLearnedAndReported() {
    Dataset rows = dataset(Example.ofPrompt(1, "ab ", "cd"), Example.ofPrompt(2, "ab", " cd"));
    EncodedDataset data =
        new Encoder(new CausalLm(false).encoder(bytes, 16, Purpose.TRAINING), 1).encode(rows);
    int merged = END + 1;
    int[] labels = {NONE, merged, 'd', END, NONE};
    assertArrayEquals(joined(labels, labels), data.labels().toArray());
    assertArrayEquals(new boolean[] {true, false}, marked(data, TokenLengths.Texts.BORDER_INSIDE));
    Finding finding =
        report(16, rows).findings().stream()
            .filter(f -> f.code().equals("shared_token"))
            .findFirst()
            .orElseThrow();
    assertEquals(List.of(1), finding.rows());
    assertEquals(Severity.WARNING, finding.severity());
    assertTrue(finding.message().contains("should not end in a space"), finding.message());
  }

  @Test
  void aTokenizerThatJoinsPromptAndCompletionIsNamedAsTheCause() {
    Dataset rows = dataset(Example.ofPrompt(1, "ab", "cd"));
    try (TextTokenizer joining = TextTokenizer.open(ByteTokenizer.write(temp, "<end>", "b c"))) {
      EncodedDataset data =
          new Encoder(new CausalLm(false).encoder(joining, 16, Purpose.TRAINING), 1).encode(rows);
      String message =
          DataReport.builder(TestTasks.CAUSAL_LM)
              .maxLength(16)
              .train(rows, data.lengths())
              .build()
              .findings()
              .stream()
              .filter(f -> f.code().equals("shared_token"))
              .findFirst()
              .orElseThrow()
              .message();
      assertTrue(message.contains("tokenizer joins the two"), message);
      assertFalse(message.contains("space"), message);
    }
  }

  @Test
  void aCutCompletionIsCountedAndALostOneLeftOut() {
    Example cut = Example.ofPrompt(3, "a:", "cdef");
    Example lost = Example.ofPrompt(4, "abcde:", "gh");
    EncodedDataset data = encode(5, cut, lost);
    assertEquals(1, data.size());
    assertArrayEquals(ids("a:cde"), data.ids().toArray());
    assertArrayEquals(new int[] {NONE, 'c', 'd', 'e', NONE}, data.labels().toArray());
    assertArrayEquals(new int[] {2, 9}, data.lengths().dropped().toArray());
    assertArrayEquals(new int[] {3, 0}, data.lengths().supervised().toArray());
    assertEquals(11, data.droppedTokens());

    DataReport report = report(5, dataset(cut, lost));
    assertEquals(
        List.of("truncated", "unsupervised_rows", "no_end"), codes(report, Severity.WARNING));
    report.throwIfFatal();
    assertEquals(3, report.summaries().get(0).supervised());
    assertEquals(3, report.toJson(words -> words).at("/splits/train/supervised_tokens").asInt());
    assertTrue(
        report.findings().stream()
            .anyMatch(f -> f.code().equals("unsupervised_rows") && f.rows().equals(List.of(4))));

    DataReport nothing = report(5, dataset(lost));
    assertTrue(
        RunOption.worded(assertThrows(InputException.class, nothing::throwIfFatal).getMessage())
            .startsWith(
                "train.jsonl: no row has a token to learn within max length 5; give a larger"
                    + " --max-length"));
  }

  @Test
  void withoutAnEndTokenTheReportSaysSo() {
    try (TextTokenizer endless = TextTokenizer.open(ByteTokenizer.write(temp, null))) {
      Dataset rows = dataset(Example.of(1, "abc", null));
      EncodedDataset data =
          new Encoder(new CausalLm(false).encoder(endless, 16, Purpose.TRAINING), 1).encode(rows);
      assertArrayEquals(ids("abc"), data.ids().toArray());
      DataReport report =
          DataReport.builder(TestTasks.CAUSAL_LM).train(rows, data.lengths()).build();
      assertEquals(List.of("no_end"), codes(report, Severity.WARNING));
    }
  }

  @Test
  void theModelsConfigNamesTheEndWhereTheTokenizerDoesNot() throws IOException {
    ByteTokenizer.write(temp, null);
    Files.writeString(temp.resolve("config.json"), "{\"eos_token_id\": [7, 9]}");
    try (TextTokenizer endless = TextTokenizer.open(temp)) {
      assertEquals(7, endless.vocabulary().eosId().getAsInt());
    }
  }

  @Test
  void aBatchHoldsTheNextIdOfEachRow() {
    EncodedDataset data =
        encode(
            8,
            Example.of(1, "abc", null),
            Example.ofPrompt(2, "x", "yz"),
            Example.of(3, "q", null));
    Batch batch = new Packer(data, 0).pack(new int[] {1, 0}, new Batch());
    assertEquals(TargetLayout.LEARNED_ROWS, batch.layout());
    assertArrayEquals(new int[] {0, 4, 8}, Arrays.copyOf(batch.cuSeqlens(), 3));
    assertArrayEquals(
        new int[] {'y', 'z', END, NONE, 'b', 'c', END, NONE}, Arrays.copyOf(batch.labels(), 8));
    assertEquals(6, batch.supervisedTargets());
  }

  /** The tokens that are learned, as text; the end of sequence as ".". */
  private static String learned(EncodedDataset data, int example) {
    StringBuilder out = new StringBuilder();
    for (int t = data.offsets().get(example); t < data.offsets().get(example + 1); t++) {
      int label = data.labels().get(t);
      out.append(label == NONE ? "" : label == END ? "." : Character.toString(label));
    }
    return out.toString();
  }

  private static final List<ChatMessage> TWICE =
      List.of(
          ChatMessage.of("user", "ab"),
          ChatMessage.of("assistant", "cd"),
          ChatMessage.of("user", "ab"),
          ChatMessage.of("assistant", "ef"));

  private EncodedDataset chat(String template, boolean all, List<ChatMessage> messages)
      throws IOException {
    ByteTokenizer.write(temp, "<end>");
    Files.writeString(temp.resolve("chat_template.jinja"), template);
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      return new Encoder(new CausalLm(all).encoder(tokenizer, 200, Purpose.TRAINING), 1)
          .encode(dataset(Example.ofMessages(3, messages)));
    }
  }

  @Test
  void everyTurnOfTheAssistantIsLearnedWithItsEnd() throws IOException {
    String template =
        "{% for m in messages %}{{ m.role[0] ~ ':' ~ m.content ~ eos_token ~ '\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}a:{% endif %}";
    EncodedDataset data = chat(template, false, TWICE);
    assertEquals("cd.\nef.\n", learned(data, 0));
    assertTrue(data.lengths().texts().has(0, TokenLengths.Texts.ENDS));
    assertEquals(
        "u:ab<end>\na:cd<end>\nu:ab<end>\na:ef<end>\n".replace("<end>", ".").length(),
        data.tokens());
    assertEquals(
        ":ab.\na:cd.\nu:ab.\na:ef.\n", learned(chat(template, true, TWICE), 0), "all turns");
  }

  @Test
  void generationBlocksSayWhatIsLearned() throws IOException {
    String template =
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}[{{ m.content }}]"
            + "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    EncodedDataset data = chat(template, false, TWICE);
    // The template ends no turn, so the last one gets the end of sequence.
    assertEquals("[cd][ef].", learned(data, 0));
    assertEquals(END, data.ids().get(data.tokens() - 1));
  }

  @Test
  void spansCountCharactersBeyondTheBasicPlaneOnce() throws IOException {
    String template =
        "{% for m in messages %}{{ m.role[0] ~ ':' ~ m.content }}{% endfor %}"
            + "{% if add_generation_prompt %}a:{% endif %}";
    List<ChatMessage> smile =
        List.of(ChatMessage.of("user", "😀😀"), ChatMessage.of("assistant", "xy"));
    assertEquals("xy.", learned(chat(template, false, smile), 0));
  }

  @Test
  void conversationsThatCannotBeWrittenNameTheirRow() throws IOException {
    InputException order =
        assertThrows(
            InputException.class,
            () -> chat("{{ raise_exception('no system role') }}", false, TWICE));
    assertTrue(
        order.getMessage().startsWith("train.jsonl, row 3: the chat template of")
            && order.getMessage().endsWith("refuses the conversation: no system role"),
        order::getMessage);
    InputException open =
        assertThrows(
            InputException.class, () -> chat("x", false, List.of(ChatMessage.of("user", "a"))));
    assertTrue(
        open.getMessage()
            .startsWith("train.jsonl, row 3: the conversation does not end on the assistant's"),
        open::getMessage);
    Files.delete(temp.resolve("chat_template.jinja"));
    try (TextTokenizer tokenizer = TextTokenizer.open(temp)) {
      Encoder encoder =
          new Encoder(new CausalLm(false).encoder(tokenizer, 200, Purpose.TRAINING), 1);
      assertTrue(
          assertThrows(
                  InputException.class, () -> encoder.encode(dataset(Example.ofMessages(3, TWICE))))
              .getMessage()
              .contains("has no chat template"));
    }
  }

  @Test
  void rowsThatAreNotOneThingAreRefused() {
    Encoder encoder = new Encoder(new CausalLm(false).encoder(bytes, 8, Purpose.TRAINING), 1);
    assertEquals(
        "train.jsonl, row 4: language modelling needs text, or prompt and completion, or messages;"
            + " the row has none of them",
        assertThrows(InputException.class, () -> encoder.encode(dataset(Example.of(4, null, null))))
            .getMessage());
    Example both =
        new Example(5, "a", null, null, null, null, null, "b", "c", null, null, null, Map.of());
    assertTrue(
        assertThrows(InputException.class, () -> encoder.encode(dataset(both)))
            .getMessage()
            .endsWith("the row has more than one of them"));
    assertEquals(
        "train.jsonl, row 6: the prompt has no completion",
        assertThrows(
                InputException.class, () -> encoder.encode(dataset(Example.ofPrompt(6, "a", null))))
            .getMessage());
    assertThrows(
        InputException.class,
        () -> new Encoder(new CausalLm(false).encoder(bytes, 1, Purpose.TRAINING), 1));
  }

  @Test
  void theExampleOfSummariesHasNothingToComplainAbout() {
    Path folder = Path.of("examples", "legal-summaries");
    Dataset train = DataReader.read(folder.resolve("train.jsonl"));
    Dataset test = DataReader.read(folder.resolve("test.jsonl"));
    Encoder encoder = new Encoder(new CausalLm(false).encoder(bytes, 2048, Purpose.TRAINING), 1);
    DataReport report =
        DataReport.builder(TestTasks.CAUSAL_LM)
            .maxLength(2048)
            .train(train, encoder.encode(train).lengths())
            .test(test, encoder.encode(test).lengths())
            .build();
    assertEquals(List.of(), report.findings());
  }

  @Test
  void gpt2AgreesOnAnyNumberOfThreads() {
    Dataset verse =
        DataReader.read(SharedFolders.data("datasets/tiny_shakespeare/tiny_shakespeare.txt"));
    try (TextTokenizer gpt2 = TextTokenizer.open(SharedFolders.tokenizer("gpt2"))) {
      EncodedDataset data =
          new Encoder(new CausalLm(false).encoder(gpt2, 128, Purpose.TRAINING), 1).encode(verse);
      int[] whole = gpt2.encodePlain(verse.get(0).text());
      assertArrayEquals(whole, Arrays.copyOf(data.ids().toArray(), whole.length));
      assertEquals(50256, data.ids().get(whole.length));
      assertEquals((whole.length + 1 + 127) / 128, data.size());
      Dataset rows =
          dataset(
              verse
                  .get(0)
                  .text()
                  .lines()
                  .limit(1000)
                  .filter(l -> !l.isEmpty())
                  .map(l -> Example.ofPrompt(1, l, " " + l))
                  .toArray(Example[]::new));
      EncodedDataset one =
          new Encoder(new CausalLm(false).encoder(gpt2, 64, Purpose.TRAINING), 1).encode(rows);
      EncodedDataset three =
          new Encoder(new CausalLm(false).encoder(gpt2, 64, Purpose.TRAINING), 3).encode(rows);
      assertEquals(one.fingerprint(), three.fingerprint());
    }
  }
}
