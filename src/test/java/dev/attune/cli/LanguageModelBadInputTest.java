package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user of language models and adapters can get wrong: a clear line, status 2. */
class LanguageModelBadInputTest {
  @TempDir static Path shared;
  private static Path decoder;
  private static Path wider;
  private static Path encoder;
  private static Path text;
  private static Path adapter;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      decoder = TinyDecoder.write(shared.resolve("decoder"), backend, 32);
      wider = TinyDecoder.write(shared.resolve("wider"), backend, 48);
      encoder = TinyModel.write(shared.resolve("encoder"), backend);
    }
    text = Files.writeString(shared.resolve("text.txt"), "All is well that ends well. ".repeat(20));
    adapter = shared.resolve("adapter");
    Ended trained = AttuneProcess.run(shared, train(decoder, text, adapter, "--lora-r", "2"));
    assertEquals(0, trained.status(), trained.err());
  }

  private static String[] train(Path model, Path data, Path output, String... more) {
    List<String> words = new ArrayList<>(List.of("train", "--task", "causal-lm"));
    words.addAll(List.of("--model", model.toString(), "--train-file", data.toString()));
    words.addAll(List.of("--output-dir", output.toString(), "--max-steps", "2"));
    return AttuneProcess.with(words, more);
  }

  private void trainRefused(List<String> parts, Path model, Path data, String... more) {
    Path output = scratch.resolve("out");
    refused(parts, train(model, data, output, more));
    assertFalse(Files.exists(output.resolve("model.safetensors")));
    assertFalse(Files.exists(output.resolve("adapter_model.safetensors")));
  }

  private void generateRefused(List<String> parts, Path model, String... more) {
    refused(
        parts,
        Stream.concat(Stream.of("generate", "--model", model.toString()), Arrays.stream(more))
            .toArray(String[]::new));
  }

  private void refused(List<String> parts, String... words) {
    Ended ended = AttuneProcess.run(scratch, words);
    assertEquals(2, ended.status(), ended.out() + ended.err());
    for (String part : parts) {
      assertTrue(ended.err().contains(part), "no '" + part + "' in: " + ended.err());
    }
    assertFalse(ended.err().contains("\tat "), "a stack trace: " + ended.err());
  }

  @Test
  void whatWouldBeDroppedOrEndEveryTextIsRefused() throws IOException {
    generateRefused(List.of("--stop has an empty value"), decoder, "--prompt", "a", "--stop", "");
    generateRefused(
        List.of("--stop is given twice"), decoder, "--prompt", "a", "--stop", "b", "--stop", "c");
    generateRefused(
        List.of("--prompt is given twice", "--prompts"), decoder, "--prompt", "a", "--prompt", "b");
    Path blank = file("blank.jsonl", "\n");
    refused(
        List.of("blank.jsonl: there are no rows to evaluate"),
        "evaluate",
        "--model",
        decoder.toString(),
        "--file",
        blank.toString());
  }

  @Test
  void theFileThatIsReadIsNotReplaced() throws IOException {
    String rows = "text,label\nsun,1\n";
    Path data = file("data.csv", rows);
    for (String again : List.of("data.csv", "./data.csv")) {
      refused(
          List.of("is the file of --file", "would be lost"),
          "predict",
          "--model",
          encoder.toString(),
          "--file",
          data.toString(),
          "--output",
          scratch.resolve(again).toString());
    }
    refused(
        List.of("is a folder, not a file"),
        "predict",
        "--model",
        encoder.toString(),
        "--file",
        data.toString(),
        "--output",
        scratch.toString());
    assertEquals(rows, Files.readString(data));
    Path prompts = file("prompts.txt", "sun\n");
    generateRefused(
        List.of("is the file of --prompts", "would be lost"),
        decoder,
        "--prompts",
        prompts.toString(),
        "--output",
        prompts.toString());
    assertEquals("sun\n", Files.readString(prompts));
  }

  private Path file(String name, String content) throws IOException {
    return Files.writeString(scratch.resolve(name), content);
  }

  private Path copy(Path folder, String name) throws IOException {
    Path copy = Files.createDirectory(scratch.resolve(name));
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
    }
    return copy;
  }

  private static void replace(Path file, String from, String to) throws IOException {
    String content = Files.readString(file);
    assertTrue(content.contains(from), content);
    Files.writeString(file, content.replace(from, to));
  }

  @Test
  void anUnknownModelTypeListsTheSupportedOnes() throws IOException {
    Path model = copy(decoder, "model");
    replace(model.resolve("config.json"), "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    trainRefused(
        List.of("'mamba'", "bert, roberta, distilbert", "gpt2", "llama", "qwen3"), model, text);
    replace(model.resolve("config.json"), "LlamaForCausalLM", "MambaForConditionalGeneration");
    generateRefused(List.of("'mamba'", "bert, roberta", "llama"), model, "--prompt", "a");
  }

  @Test
  void anUnknownHeadListsTheKnownOnesAndSaysHowToTrainOne() throws IOException {
    Path model = copy(decoder, "model");
    replace(model.resolve("config.json"), "LlamaForCausalLM", "LlamaForMultipleChoice");
    generateRefused(
        List.of(
            "'LlamaForMultipleChoice'",
            "ForCausalLM",
            "ForSequenceClassification",
            "ForTokenClassification",
            "ForQuestionAnswering",
            "attune train --model " + model),
        model,
        "--prompt",
        "a");
  }

  @Test
  void anEncoderIsNoLanguageModel() {
    trainRefused(
        List.of("a causal language model needs a decoder", "llama", "a Bert encoder"),
        encoder,
        text);
  }

  @Test
  void conversationsNeedAChatTemplate() throws IOException {
    Path data =
        file(
            "chat.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
                + " {\"role\": \"assistant\", \"content\": \"b\"}]}\n");
    trainRefused(List.of("no chat template", "chat_template.jinja"), decoder, data);
    generateRefused(List.of("no chat template"), decoder, "--chat", "--prompt", "Hello");
  }

  @Test
  void aConversationThatEndsOnTheUsersTurnNamesItsRow() throws IOException {
    Path model = copy(decoder, "model");
    Files.writeString(
        model.resolve("chat_template.jinja"),
        "{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\\n' }}{% endfor %}");
    String answered =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
            + " {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
    Path data =
        file(
            "chat.jsonl",
            answered + "{\"messages\": [{\"role\": \"user\", \"content\": \"and?\"}]}\n");
    trainRefused(List.of("chat.jsonl", "2", "assistant's turn"), model, data);
  }

  @Test
  void completionsThatAreAllCutOffLeaveNothingToLearn() throws IOException {
    String row = "{\"prompt\": \"a prompt of many words\", \"completion\": \" yes\"}\n";
    Path data = file("data.jsonl", row + row);
    trainRefused(List.of("no row has a token to learn"), decoder, data, "--max-length", "8");
  }

  /** Frozen tables are looked up without a check of their own: the ids must be checked before. */
  @Test
  void aTokenizerOfAnotherModelIsRefusedWhereverIdsComeIn() throws IOException {
    Path model = copy(decoder, "model");
    ByteTokenizer.write(model, "<end>", "a b"); // one token more than the model has
    Path data = file("data.txt", "abc");
    List<String> parts = List.of("token id 257", "257 word embeddings", "another model");
    trainRefused(parts, model, data);
    generateRefused(parts, model, "--prompt", "abc");
    refused(parts, "evaluate", "--model", model.toString(), "--file", data.toString());
  }

  @Test
  void targetsThatMatchNothingListWhatThereIs() {
    trainRefused(
        List.of("'query'", "self_attn.q_proj", "mlp.down_proj"),
        decoder,
        text,
        "--lora-r",
        "4",
        "--lora-targets",
        "q_proj,query");
  }

  @Test
  void optionsOfAdaptersNeedARank() {
    trainRefused(List.of("--lora-alpha needs --lora-r"), decoder, text, "--lora-alpha", "16");
    trainRefused(List.of("--use-dora needs --lora-r"), decoder, text, "--use-dora");
    trainRefused(List.of("--lora-r is 257", "1 to 256"), decoder, text, "--lora-r", "257");
  }

  @Test
  void anAdapterOfAnotherModelIsRefused() {
    generateRefused(
        List.of("adapter_model.safetensors", "shape", "the adapter belongs to another model"),
        adapter,
        "--base-model",
        wider.toString(),
        "--prompt",
        "All");
    refused(
        List.of("the adapter belongs to another model"),
        "merge",
        "--model",
        adapter.toString(),
        "--base-model",
        wider.toString(),
        "--output-dir",
        scratch.resolve("merged").toString());
    assertFalse(Files.exists(scratch.resolve("merged/model.safetensors")));
  }

  @Test
  void anAdapterOfAnotherFamilyIsRefusedInItsOwnName() throws IOException {
    Path other = copy(adapter, "other");
    replace(other.resolve("adapter_config.json"), "down_proj", "c_fc");
    generateRefused(
        List.of(
            "other/adapter_model.safetensors",
            "mlp.down_proj.lora_A.weight (and 3 tensors more) has no place in this base model",
            "target_modules"),
        other,
        "--prompt",
        "All");
  }

  @Test
  void anAdapterWhoseBaseIsGoneAsksForIt() throws IOException {
    Path moved = copy(adapter, "moved");
    replace(moved.resolve("adapter_config.json"), decoder.toString(), shared + "/gone");
    generateRefused(List.of(shared + "/gone", "--base-model"), moved, "--prompt", "All");
    refused(
        List.of(shared + "/gone", "--base-model"),
        "merge",
        "--model",
        moved.toString(),
        "--output-dir",
        scratch.resolve("merged").toString());
  }

  @Test
  void aDamagedAdapterIsDescribed() throws IOException {
    Path cut = copy(adapter, "cut");
    Path weights = cut.resolve("adapter_model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(bytes, bytes.length / 2));
    generateRefused(List.of("adapter_model.safetensors"), cut, "--prompt", "All");

    Path config = copy(adapter, "config");
    Files.writeString(config.resolve("adapter_config.json"), "{\"peft_type\": \"LORA\",");
    generateRefused(List.of("adapter_config.json", "not valid JSON"), config, "--prompt", "All");

    Path absent = copy(adapter, "absent");
    Files.delete(absent.resolve("adapter_model.safetensors"));
    generateRefused(List.of("has no adapter_model.safetensors"), absent, "--prompt", "All");
  }

  @Test
  void aModelThatIsNoAdapterCannotBeMerged() {
    refused(
        List.of("not an adapter", "adapter_config.json"),
        "merge",
        "--model",
        decoder.toString(),
        "--output-dir",
        scratch.resolve("merged").toString());
  }

  /** Where a length bounds texts; without one, rotary positions go on. */
  @Test
  void aPromptLongerThanTheContextIsNeverCut() throws IOException {
    String prompt = "x".repeat(TinyDecoder.CONTEXT);
    List<String> parts = List.of("the prompt has 64 tokens", "the context holds 64");
    generateRefused(parts, decoder, "--prompt", prompt, "--max-length", "64");
    generateRefused(parts, decoder, "--prompt", prompt, "--max-length", "64", "--num-beams", "2");
    generateRefused(
        List.of("prompt 2 of 2: the prompt has 64 tokens"),
        decoder,
        "--max-length",
        "64",
        "--prompts",
        file("prompts.txt", "a\n" + prompt + "\n").toString());
    Ended goesOn =
        AttuneProcess.run(
            scratch,
            "generate",
            "--model",
            decoder.toString(),
            "--prompt",
            prompt,
            "--max-new-tokens",
            "3");
    assertEquals(0, goesOn.status(), goesOn.err());
    assertTrue(goesOn.err().contains("the model was made for 64"), goesOn.err());
  }

  @Test
  void anEmptyPromptOfATokenizerWithoutBeginIsExplained() throws IOException {
    generateRefused(List.of("the prompt is empty"), decoder, "--prompt", "");
    generateRefused(
        List.of("prompt 2 of 3", "empty"),
        decoder,
        "--prompts",
        file("prompts.txt", "a\n\nb\n").toString());
  }

  @Test
  void aClassifierDoesNotGenerate() throws IOException {
    Path classifier = copy(encoder, "classifier");
    replace(
        classifier.resolve("config.json"), "\"BertModel\"", "\"BertForSequenceClassification\"");
    generateRefused(
        List.of("is no language model", "attune predict"), classifier, "--prompt", "All");
  }

  @Test
  void promptsComeFromOnePlace() throws IOException {
    Path prompts = file("prompts.txt", "a\n");
    List<String> parts = List.of("one of --prompt, --prompts and --interactive");
    generateRefused(parts, decoder, "--prompt", "a", "--prompts", prompts.toString());
    generateRefused(parts, decoder);
  }

  @Test
  void optionsThatWouldDoNothingAreRefused() throws IOException {
    String[] prompt = {"--prompt", "a"};
    withOptions(List.of("--num-beams is 0"), prompt, "--num-beams", "0");
    withOptions(List.of("--num-beams is 17", "1 to 16"), prompt, "--num-beams", "17");
    withOptions(List.of("--streams is 0", "at least 1"), prompt, "--streams", "0");
    withOptions(List.of("--length-penalty needs --num-beams"), prompt, "--length-penalty", "2");
    withOptions(List.of("--system needs --chat"), prompt, "--system", "Be brief.");
    withOptions(List.of("--output needs --prompts"), prompt, "--output", scratch + "/texts.jsonl");
    String none = file("none.txt", "").toString();
    withOptions(List.of("there are no prompts"), new String[] {"--prompts", none});
  }

  @Test
  void evaluationsGenerateOnlyWhereThereAreAnswers() throws IOException {
    Path rows = file("rows.jsonl", "{\"prompt\": \"a prompt\", \"completion\": \" yes\"}\n");
    String[] generate = {"--evaluate-with", "generate", "--validation-file", rows.toString()};
    trainRefused(List.of("--stop needs --evaluate-with generate"), decoder, rows, "--stop", ".");
    trainRefused(
        List.of("--evaluate-with is 'beams'", "loss and generate"),
        decoder,
        rows,
        "--evaluate-with",
        "beams");
    trainRefused(
        List.of("--evaluate-with generate needs --validation-file or --test-file"),
        decoder,
        rows,
        "--evaluate-with",
        "generate");
    trainRefused(
        List.of("--evaluate-with generate needs --task causal-lm", "regression"),
        decoder,
        rows,
        with(generate, "--task", "regression"));
    trainRefused(
        List.of("--max-new-tokens is 0", "at least 1"),
        decoder,
        rows,
        with(generate, "--max-new-tokens", "0"));
    trainRefused(
        List.of("text.txt", "no answer to compare with", "prompts with completions"),
        decoder,
        rows,
        "--evaluate-with",
        "generate",
        "--validation-file",
        text.toString());
  }

  @Test
  void anUnknownMetricIsFoundBeforeTraining() {
    trainRefused(
        List.of("'rougeL'", "loss, perplexity, accuracy", "--evaluate-with generate"),
        decoder,
        text,
        "--validation-file",
        text.toString(),
        "--metric-for-best-model",
        "rougeL");
    assertFalse(Files.exists(scratch.resolve("out/metrics.jsonl")));
  }

  @Test
  void aValidationPromptWithoutRoomIsFoundBeforeTraining() throws IOException {
    String shortOne = "{\"prompt\": \"a prompt\", \"completion\": \" yes\"}\n";
    Path rows = file("rows.jsonl", shortOne);
    Path validation =
        file("validation.jsonl", shortOne + shortOne.replace("a prompt", "x".repeat(64)));
    trainRefused(
        List.of("validation.jsonl, row 2", "the prompt has 64 tokens", "the context holds 64"),
        decoder,
        rows,
        "--evaluate-with",
        "generate",
        "--validation-file",
        validation.toString());
    assertFalse(Files.exists(scratch.resolve("out/metrics.jsonl")));
  }

  private static String[] with(String[] words, String... more) {
    return Stream.concat(Arrays.stream(words), Arrays.stream(more)).toArray(String[]::new);
  }

  @Test
  void optionsThatExcludeEachOtherAreNamed() {
    String[] prompt = {"--prompt", "a"};
    String[][] others = {
      {"--streams", "4"},
      {"--stop", "."},
      {"--temperature", "0.5"},
      {"--top-k", "3"},
      {"--repetition-penalty", "1.2"}
    };
    for (String[] other : others) {
      withOptions(
          List.of("--num-beams is 2", other[0] + " is " + other[1], "leave one of the two out"),
          prompt,
          with(other, "--num-beams", "2"));
    }
    withOptions(
        List.of(
            "--temperature is 0", "most probable", "--top-p is 0.5", "leave one of the two out"),
        prompt,
        "--temperature",
        "0",
        "--top-p",
        "0.5");
  }

  private void withOptions(List<String> parts, String[] prompt, String... more) {
    generateRefused(parts, decoder, with(prompt, more));
  }
}
