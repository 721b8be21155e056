package dev.attune.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.storage.AtomicFile;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** Writes the vectors of a file's texts. */
public final class EmbedRun {
  private static final int CHUNK = 1024;
  private static final String FIELD = "embedding";
  private static final int NPY_ALIGNMENT = 64;

  /**
   * What came out.
   *
   * @param data rows of the file, with how they were read
   * @param dimension numbers of a vector
   * @param tokens real tokens
   * @param droppedTokens that were cut off
   * @param field the name of the vectors in JSON lines; another than usual where a field has that
   */
  public record Outcome(
      Dataset data,
      int dimension,
      long tokens,
      long droppedTokens,
      double seconds,
      Path output,
      String field) {}

  private EmbedRun() {}

  /** Embeds; the output file appears only once it is complete. */
  public static Outcome run(RunConfig config) {
    Path output = OutputFile.of(config, RunOption.FILE);
    boolean isArray = isArray(output);
    Integer length =
        config.isGiven(RunOption.MAX_LENGTH) ? config.smallInteger(RunOption.MAX_LENGTH) : null;
    Integer dimension =
        config.isGiven(RunOption.TRUNCATE_DIM) ? config.smallInteger(RunOption.TRUNCATE_DIM) : null;
    TextEncoder.Wanted wanted =
        new TextEncoder.Wanted(
            config.text(RunOption.PROMPT_NAME), dimension, config.flag(RunOption.NORMALIZE));
    String base = config.isGiven(RunOption.BASE_MODEL) ? config.text(RunOption.BASE_MODEL) : null;
    try (SharedModel<TextEncoder> model =
        TextEncoder.open(config.required(RunOption.MODEL), base, length, Compute.of(config))) {
      Dataset data = Datasets.texts(config);
      check(data);
      long begin = System.nanoTime();
      String field = free(data);
      try (AtomicFile file = AtomicFile.create(output)) {
        OutputStream out = file.stream();
        long[] tokens = new long[2];
        int columns = 0;
        for (int from = 0; from < data.size(); from += CHUNK) {
          List<Example> rows = data.examples().subList(from, Math.min(data.size(), from + CHUNK));
          TextEncoder.Made made =
              model.use(lane -> model.model().embed(lane, data.withExamples(rows), wanted));
          tokens[0] += made.tokens();
          tokens[1] += made.droppedTokens();
          columns = made.vectors()[0].length;
          if (isArray && from == 0) {
            out.write(header(data.size(), columns));
          }
          write(out, isArray, rows, made.vectors(), field);
        }
        file.commit();
        double seconds = (System.nanoTime() - begin) * 1e-9;
        return new Outcome(data, columns, tokens[0], tokens[1], seconds, output, field);
      }
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT.with(output) + " cannot be written: " + OutputFolder.describe(e), e);
    }
  }

  private static boolean isArray(Path output) {
    String name = output.getFileName().toString().toLowerCase(Locale.ROOT);
    if (!name.endsWith(".npy") && !name.endsWith(".jsonl")) {
      throw new InputException(
          RunOption.OUTPUT.with(output) + ": embeddings are written as .jsonl or .npy");
    }
    return name.endsWith(".npy");
  }

  private static void check(Dataset data) {
    if (data.size() == 0) {
      throw new InputException(data.source() + ": there are no rows to embed");
    }
    for (Example row : data.examples()) {
      if (row.text() == null || row.text().isBlank()) {
        throw new InputException(data.where(row) + ": the text is missing or empty");
      }
      if (row.textPair() != null) {
        throw new InputException(
            data.where(row)
                + " has two texts; say of which the vector is wanted: "
                + data.reading().oneText());
      }
    }
  }

  /** A name for the vectors that no field of the file has. */
  private static String free(Dataset data) {
    String name = FIELD;
    while (isField(data, name)) {
      name = "predicted_" + name;
    }
    return name;
  }

  private static boolean isField(Dataset data, String name) {
    return data.examples().stream().anyMatch(row -> row.fields().containsKey(name));
  }

  private static void write(
      OutputStream out, boolean isArray, List<Example> rows, float[][] vectors, String field)
      throws IOException {
    ObjectMapper json = new ObjectMapper();
    for (int i = 0; i < vectors.length; i++) {
      if (isArray) {
        ByteBuffer bytes =
            ByteBuffer.allocate(vectors[i].length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vectors[i]);
        out.write(bytes.array());
        continue;
      }
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      rows.get(i).fields().forEach((name, value) -> line.set(name, json.valueToTree(value)));
      ArrayNode vector = line.putArray(field);
      for (float value : vectors[i]) {
        vector.add(value);
      }
      out.write(json.writeValueAsBytes(line));
      out.write('\n');
    }
  }

  /** NumPy's header, version 1.0, of an array (rows, columns) of f32. */
  private static byte[] header(int rows, int columns) {
    String shape =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + rows + ", " + columns + "), }";
    int prefix = 10; // magic, version, length
    int length = shape.length() + 1;
    int padding = (NPY_ALIGNMENT - (prefix + length) % NPY_ALIGNMENT) % NPY_ALIGNMENT;
    String text = shape + " ".repeat(padding) + "\n";
    ByteBuffer header = ByteBuffer.allocate(prefix + text.length()).order(ByteOrder.LITTLE_ENDIAN);
    header.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII));
    header.put((byte) 1).put((byte) 0).putShort((short) text.length());
    header.put(text.getBytes(StandardCharsets.US_ASCII));
    return header.array();
  }
}
