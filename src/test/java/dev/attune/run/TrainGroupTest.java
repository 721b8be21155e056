package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.testkit.ByteTokenizer;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import dev.attune.train.DivergedException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs that share a base end in the bytes in which they end alone. */
class TrainGroupTest {
  @TempDir static Path shared;
  private static Path gpt2; // with dropout everywhere
  private static Path llama; // without, with a gate
  private static Path texts;
  private static Path bert; // with dropout, and heads of its own
  private static Path labelled;
  private static Path otherwise; // with other labels

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      bert = TinyModel.write(shared.resolve("bert"), backend);
      llama = TinyDecoder.write(shared.resolve("llama"), backend, 64);
      gpt2 = ByteTokenizer.write(shared.resolve("gpt2"), "<end>");
      Files.writeString(
          gpt2.resolve("config.json"),
          """
          {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": %d,
           "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64, "resid_pdrop": 0.1,
           "attn_pdrop": 0.2, "embd_pdrop": 0.1, "activation_function": "gelu_new",
           "layer_norm_epsilon": 1e-5}
          """
              .formatted(ByteTokenizer.END + 1));
      try (Model model =
          Families.create(
              backend, ModelFolder.readConfig(gpt2), HeadKind.LANGUAGE_MODEL, 1, null)) {
        ModelWeights.randomize(model, 5);
        ModelWeights.write(gpt2.resolve("model.safetensors"), model);
      }
    }
    labelled = TinyModel.writeData(shared.resolve("labelled.csv"), 90, 1);
    otherwise = shared.resolve("otherwise.csv");
    Files.writeString(
        otherwise,
        Files.readString(TinyModel.writeData(shared.resolve("more.csv"), 40, 2))
            .replaceAll("(?m)1,positive$", "1,other"));
    StringBuilder rows = new StringBuilder();
    for (int row = 0; row < 60; row++) {
      rows.append("{\"text\": \"");
      for (int i = 0; i < 5 + row % 27; i++) {
        rows.append((char) ('a' + Math.floorMod(Philox.bits64(3, row, i), 26L)));
      }
      rows.append("\"}\n");
    }
    texts = Files.writeString(shared.resolve("texts.jsonl"), rows);
  }

  /** Three runs that differ in all in which they may. */
  private List<RecordedRun> runs(Path model, String where, String options) {
    boolean isGpt2 = model.equals(gpt2);
    List<RecordedRun> runs = new ArrayList<>();
    for (String own :
        List.of(
            "LORA_R=4;LORA_DROPOUT=0.1;BATCH_SIZE=8;MAX_STEPS=6;EVAL_STEPS=2;SAVE_STEPS=4;"
                + "LOAD_BEST_MODEL_AT_END=true",
            "LORA_R=8;LORA_ALPHA=3;GRADIENT_ACCUMULATION_STEPS=2;BATCH_SIZE=4;MAX_STEPS=4;SEED=7;"
                + "LR_SCHEDULER=cosine;MAX_GRAD_NORM=0.3;LORA_LAYERS=1;LORA_TARGETS="
                + (isGpt2 ? "c_attn,c_proj" : "q_proj,up_proj"),
            "LORA_R=2;BATCH_SIZE=1;MAX_LENGTH=12;MAX_STEPS=9;LABEL_SMOOTHING=0.1;"
                + "OPTIMIZER=adamw-bf16;LORA_DROPOUT=0.2;LORA_EXCLUDE_MODULES="
                + (isGpt2 ? "c_fc" : "down_proj"))) {
      Path output = scratch.resolve(where).resolve(Integer.toString(runs.size()));
      RecordedRun run = new RecordedRun(model, texts, output);
      run.with(RunOption.TASK, "causal-lm").with(RunOption.VALIDATION_FILE, texts.toString());
      for (String option : (own + ";" + options).split(";")) {
        String[] parts = option.split("=", 2);
        run.with(RunOption.valueOf(parts[0]), parts[1]);
      }
      runs.add(run);
    }
    return runs;
  }

  private static List<TrainGroup.Asked> asked(List<RecordedRun> runs) {
    return runs.stream().map(RecordedRun::asked).toList();
  }

  private static void together(List<RecordedRun> runs) {
    try (TrainGroup group = new TrainGroup()) {
      group.start(asked(runs)).forEach(TrainGroup.Job::outcome);
    }
  }

  private void assertSame(String expected, String actual, int run) throws IOException {
    Path one = scratch.resolve(expected).resolve(Integer.toString(run));
    Path other = scratch.resolve(actual).resolve(Integer.toString(run));
    for (String file : List.of("metrics.jsonl", "attune.json", "adapter_config.json")) {
      assertEquals(
          Files.readString(one.resolve(file)), Files.readString(other.resolve(file)), file + run);
    }
    String weights = "adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(one.resolve(weights)), Files.readAllBytes(other.resolve(weights)));
    try (Stream<Path> left = Files.list(other)) {
      assertTrue(left.noneMatch(file -> file.endsWith("checkpoints")), "checkpoints are left");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "gpt2, PRECISION=fp32",
    "gpt2, PRECISION=bf16;THREADS=2",
    "gpt2, PRECISION=bf16;GRADIENT_CHECKPOINTING=true",
    "gpt2, PRECISION=fp32;DROPOUT=0.3;ISA=portable",
    "gpt2, PRECISION=bf16;LOAD_IN_4BIT=true",
    "gpt2, PRECISION=fp32;LOAD_IN_8BIT=true;THREADS=2",
    "llama, PRECISION=bf16",
    "llama, PRECISION=bf16;ISA=avx2",
    "llama, PRECISION=fp32;BACKEND=torch",
  })
  void eachEndsAsAlone(String model, String options) throws IOException {
    Path folder = model.equals("gpt2") ? gpt2 : llama;
    runs(folder, "alone", options).forEach(RecordedRun::run);
    together(runs(folder, "together", options));
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  private List<RecordedRun> labelled(Path model, String where, String options) {
    List<RecordedRun> runs = new ArrayList<>();
    for (String own :
        List.of(
            "LORA_R=4;LORA_DROPOUT=0.1;BATCH_SIZE=8;MAX_STEPS=6;EVAL_STEPS=2;CLASS_WEIGHTS=balanced",
            "LORA_R=2;BATCH_SIZE=4;GRADIENT_ACCUMULATION_STEPS=3;MAX_STEPS=3;HEAD_LEARNING_RATE=1e-2"
                + ";LORA_LAYERS=1",
            "LORA_R=3;BATCH_SIZE=1;MAX_STEPS=8;SEED=3;LABEL_SMOOTHING=0.1")) {
      Path data = runs.size() == 1 ? otherwise : labelled;
      Path output = scratch.resolve(where).resolve(Integer.toString(runs.size()));
      RecordedRun run = new RecordedRun(model, data, output);
      run.with(RunOption.VALIDATION_FILE, data.toString());
      for (String option : (own + ";" + options).split(";")) {
        String[] parts = option.split("=", 2);
        run.with(RunOption.valueOf(parts[0]), parts[1]);
      }
      runs.add(run);
    }
    return runs;
  }

  @ParameterizedTest
  @CsvSource({
    "bert, PRECISION=fp32",
    "bert, PRECISION=bf16;GRADIENT_CHECKPOINTING=true;THREADS=2",
    "llama, PRECISION=bf16",
    "gpt2, PRECISION=fp32",
  })
  void headsAreEachRunsOwn(String model, String options) throws IOException {
    Path folder = model.equals("bert") ? bert : model.equals("gpt2") ? gpt2 : llama;
    labelled(folder, "alone", options).forEach(RecordedRun::run);
    together(labelled(folder, "together", options));
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  @Test
  void aRunMayJoinBetweenTwoStepsAndAnotherLeave() throws IOException {
    String options = "PRECISION=bf16";
    runs(gpt2, "alone", options).forEach(RecordedRun::run);
    List<RecordedRun> runs = runs(gpt2, "together", options);
    List<TrainGroup.Job> late = new ArrayList<>();
    try (TrainGroup group = new TrainGroup()) {
      runs.get(0).after(2, () -> late.addAll(group.start(List.of(runs.get(2).asked()))));
      group.start(asked(runs.subList(0, 2))).forEach(TrainGroup.Job::outcome);
      late.forEach(TrainGroup.Job::outcome);
    }
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  /** A process that ends while one is prepared leaves the folders of all as they were. */
  @Test
  void noneBeginsBeforeAllArePrepared() {
    List<String> stages = Collections.synchronizedList(new ArrayList<>());
    List<RecordedRun> runs = runs(llama, "stages", "PRECISION=fp32");
    runs.get(1).with(RunOption.TRAIN_FILE, shared.resolve("none.jsonl").toString());
    try (TrainGroup group = new TrainGroup()) {
      List<TrainGroup.Job> jobs =
          group.start(
              runs.stream()
                  .map(
                      run ->
                          new TrainGroup.Asked(run.config(), new Stages(run, stages), () -> false))
                  .toList());
      jobs.get(0).outcome();
      assertThrows(InputException.class, jobs.get(1)::outcome);
      jobs.get(2).outcome();
    }
    assertEquals(List.of("prepared", "prepared", "begun", "begun"), stages);
  }

  private static final class Stages extends ForwardingRunListener {
    private final List<String> stages;

    Stages(RunListener next, List<String> stages) {
      super(next);
      this.stages = stages;
    }

    @Override
    public void onPrepared() {
      stages.add("prepared");
    }

    @Override
    public void onModel(String model, long parameters, String backend, String precision) {
      stages.add("begun");
    }
  }

  @Test
  void aRunGoesOnAloneWhereItWasStoppedInAGroupAndTheOtherWayRound() throws IOException {
    String options = "PRECISION=fp32";
    runs(gpt2, "alone", options).forEach(RecordedRun::run);
    List<RecordedRun> begun = runs(gpt2, "together", options);
    begun.get(1).stoppedAfter(3).run();
    List<TrainGroup.Job> jobs = new ArrayList<>();
    try (TrainGroup group = new TrainGroup()) {
      begun.get(0).after(3, () -> jobs.get(0).stop());
      jobs.addAll(
          group.start(
              asked(
                  List.of(
                      begun.get(0),
                      runs(gpt2, "together", options).get(1).with(RunOption.RESUME),
                      begun.get(2)))));
      assertTrue(jobs.get(0).outcome().training().interrupted());
      jobs.forEach(TrainGroup.Job::outcome);
    }
    runs(gpt2, "together", options).get(0).with(RunOption.RESUME).run();
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  @Test
  void aRunThatFailsLeavesTheOthersAsTheyAre() throws IOException {
    String options = "PRECISION=fp32";
    runs(gpt2, "alone", options).forEach(RecordedRun::run);
    List<RecordedRun> runs = new ArrayList<>(runs(gpt2, "together", options));
    RecordedRun diverging =
        runs(gpt2, "diverging", options)
            .get(0)
            .with(RunOption.LORA_ALPHA, "1000000")
            .with(RunOption.OPTIMIZER, "sgd")
            .with(RunOption.LEARNING_RATE, "1")
            .with(RunOption.MAX_GRAD_NORM, "0");
    RecordedRun unread =
        runs(gpt2, "unread", options).get(1).with(RunOption.TRAIN_FILE, "nowhere.jsonl");
    runs.add(0, diverging);
    runs.add(2, unread);
    try (TrainGroup group = new TrainGroup()) {
      List<TrainGroup.Job> jobs = group.start(asked(runs));
      assertThrows(DivergedException.class, jobs.get(0)::outcome);
      String refusal = assertThrows(InputException.class, jobs.get(2)::outcome).getMessage();
      assertTrue(refusal.contains("nowhere.jsonl"), refusal);
      jobs.get(1).outcome();
      jobs.get(3).outcome();
      jobs.get(4).outcome();
    }
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  /** It goes on by itself, from its last checkpoint, to the same bytes. */
  @Test
  void aRunWithTooLittleMemoryLeavesTheOthersAsTheyAre() throws IOException {
    String options = "PRECISION=fp32";
    runs(gpt2, "alone", options).forEach(RecordedRun::run);
    List<RecordedRun> runs = runs(gpt2, "together", options);
    runs.get(0)
        .after(
            5,
            () -> {
              throw new DeviceMemoryException("there is no room");
            });
    try (TrainGroup group = new TrainGroup()) {
      List<TrainGroup.Job> jobs = group.start(asked(runs));
      assertThrows(DeviceMemoryException.class, jobs.get(0)::outcome);
      jobs.get(1).outcome();
      jobs.get(2).outcome();
    }
    runs(gpt2, "together", options).get(0).with(RunOption.RESUME).run();
    for (int run = 0; run < 3; run++) {
      assertSame("alone", "together", run);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "PRECISION=bf16 | --precision is fp32 for",
        "DROPOUT=0.5 | --dropout is not given for",
        "TASK=embedding | has --task embedding; a run that is trained with others",
        "LORA_R=0 | trains adapters: --lora-r",
        "USE_DORA=true | has --use-dora",
        "INIT_LORA_WEIGHTS=pissa | leaves the base as it is for all",
        "K_FOLD=3 | --k-fold 3",
        "BACKEND=cuda | computes on the CPU",
      })
  void whatCannotBeTogetherIsNamed(String option, String expected) {
    List<RecordedRun> runs = runs(gpt2, "out", "PRECISION=fp32");
    String[] parts = option.split("=");
    runs.get(1).with(RunOption.valueOf(parts[0]), parts[1]);
    try (TrainGroup group = new TrainGroup()) {
      String message =
          assertThrows(InputException.class, () -> group.start(asked(runs))).getMessage();
      assertTrue(RunOption.worded(message).contains(expected), RunOption.worded(message));
    }
  }

  @Test
  void twoRunsNeedTwoFolders() {
    List<RecordedRun> runs = runs(gpt2, "out", "PRECISION=fp32");
    runs.get(2).with(RunOption.OUTPUT_DIR, scratch.resolve("out/../out/0").toString());
    try (TrainGroup group = new TrainGroup()) {
      String message =
          assertThrows(InputException.class, () -> group.start(asked(runs))).getMessage();
      assertTrue(message.contains("for two runs"), message);
    }
  }

  @Test
  void anAdapterOfATableIsRefusedByName() {
    List<RecordedRun> runs = runs(llama, "out", "PRECISION=fp32");
    runs.get(0).with(RunOption.LORA_TARGETS, "q_proj,embed_tokens");
    try (TrainGroup group = new TrainGroup()) {
      List<TrainGroup.Job> jobs = group.start(asked(runs));
      String message = assertThrows(InputException.class, jobs.get(0)::outcome).getMessage();
      assertTrue(message.contains("embed_tokens.lora_embedding"), message);
      jobs.get(1).outcome();
    }
  }
}
