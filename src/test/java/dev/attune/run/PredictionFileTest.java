package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What predictions are written as, and that our own reader gets the rows back. */
class PredictionFileTest {
  private static final long SEED = Long.getLong("attune.seed", 20261129L);
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path temp;

  private Dataset read(String name, String content) throws IOException {
    return DataReader.read(Files.writeString(temp.resolve(name), content));
  }

  /** What is written of a file with the same prediction for each row. */
  private String written(String output, Dataset data, String prediction) throws IOException {
    StringWriter out = new StringWriter();
    PredictionFile file = new PredictionFile(Path.of(output), out, data);
    for (Example example : data.examples()) {
      file.write(example, (ObjectNode) JSON.readTree(prediction));
    }
    return out.toString();
  }

  private static final String POSITIVE =
      "{\"predicted_label\": \"good, really\", \"scores\": {\"good, really\": 0.75, \"bad\": 0.25}}";

  @Test
  void aTableHasAColumnForEachScore() throws IOException {
    Dataset data = read("a.csv", "id,text\n007,\"say \"\"hi\"\", you\"\n8,\"two\nlines\"\n");
    assertEquals(
        "id,text,predicted_label,\"scores.good, really\",scores.bad\n"
            + "007,\"say \"\"hi\"\", you\",\"good, really\",0.75,0.25\n"
            + "8,\"two\nlines\",\"good, really\",0.75,0.25\n",
        written("out.csv", data, POSITIVE));
    assertTrue(written("OUT.TSV", data, POSITIVE).startsWith("id\ttext\tpredicted_label\t"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"out.csv", "out.tsv"})
  void ourReaderGetsTheRowsBack(String output) throws IOException {
    Random random = new Random(SEED);
    String[] pieces = {"a", ",", "\"", "\n", "\r\n", " ", "é", "😀", "\t", ";", "", "0.10"};
    for (int round = 0; round < 100; round++) {
      StringBuilder lines = new StringBuilder();
      for (int r = 0; r < 6; r++) {
        Map<String, Object> row = new LinkedHashMap<>();
        for (String name : List.of("text", "a note", "label")) {
          StringBuilder cell = new StringBuilder("x");
          for (int n = random.nextInt(6); n > 0; n--) {
            cell.append(pieces[random.nextInt(pieces.length)]);
          }
          row.put(name, cell.toString());
        }
        lines.append(JSON.writeValueAsString(row)).append('\n');
      }
      Dataset data = read("in.jsonl", lines.toString());
      String table = written(output, data, POSITIVE);
      Dataset back;
      try {
        back = read(output, table);
      } catch (InputException e) {
        assertTrue(e.getMessage().contains("even whether quotes hold tabs"), e::getMessage);
        continue;
      }
      assertEquals(data.size(), back.size());
      for (int i = 0; i < data.size(); i++) {
        Map<String, Object> expected = new LinkedHashMap<>(data.get(i).fields());
        expected.put("predicted_label", "good, really");
        expected.put("scores.good, really", "0.75");
        expected.put("scores.bad", "0.25");
        assertEquals(expected, back.get(i).fields(), "seed " + SEED + ", " + table);
        assertEquals(List.copyOf(expected.keySet()), List.copyOf(back.get(i).fields().keySet()));
      }
    }
  }

  @Test
  void listsOfWordsTagsAndLabelsAreWrittenAsTablesAreRead() throws IOException {
    Dataset words =
        read("a.jsonl", "{\"tokens\": [\"Bob\", \"runs\"], \"tags\": [\"B\", \"O\"]}\n");
    String table = written("out.csv", words, "{\"predicted_tags\": [\"B\", \"O\"]}");
    assertEquals("tokens,tags,predicted_tags\nBob runs,B O,B O\n", table);
    assertEquals(words.get(0).tokens(), read("b.csv", table).get(0).tokens());
    Dataset guessed = read("e.jsonl", "{\"Token\": [\"Bob\"], \"NER\": [\"O\"]}\n");
    assertEquals("Token,NER\nBob,O\n", written("out.csv", guessed, "{}"));
    Dataset lines = read("f.conll", "Bob B\nruns O\n");
    assertEquals("tokens,tags\nBob runs,B O\n", written("out.csv", lines, "{}"));
    Dataset labels =
        read("c.jsonl", "{\"text\": \"a\", \"labels\": [\"x\", \"y z\"], \"n\": {\"k\": [1]}}\n");
    assertEquals(
        "text,labels,n,predicted_labels,scores.x\na,x|y z,\"{\"\"k\"\":[1]}\",x|y z,0.5\n",
        written(
            "out.csv",
            labels,
            "{\"predicted_labels\": [\"x\", \"y z\"], \"scores\": {\"x\": 0.5}}"));
    Dataset odd = read("d.jsonl", "{\"tokens\": [\"New York\"]}\n");
    InputException e =
        assertThrows(
            InputException.class, () -> written("out.csv", odd, "{\"predicted_tags\": [\"O\"]}"));
    assertTrue(e.getMessage().contains("d.jsonl, row 1: the list \"tokens\" does not fit"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"out.csv", "out.jsonl"})
  void fieldsOfTheInputKeepTheirNamesInEveryRow(String output) throws IOException {
    Dataset data =
        read(
            "a.jsonl",
            "{\"text\": \"a\"}\n{\"text\": \"b\", \"predicted_label\": \"old\", \"scores\": 1}\n");
    StringWriter out = new StringWriter();
    PredictionFile file = new PredictionFile(Path.of(output), out, data);
    for (Example example : data.examples()) {
      file.write(example, (ObjectNode) JSON.readTree("{\"predicted_label\": \"new\"}"));
    }
    assertEquals(Map.of("predicted_label", "predicted_predicted_label"), file.renamed());
    assertEquals(
        output.endsWith("csv")
            ? "text,predicted_label,scores,predicted_predicted_label\na,,,new\nb,old,1,new\n"
            : "{\"text\":\"a\",\"predicted_predicted_label\":\"new\"}\n"
                + "{\"text\":\"b\",\"predicted_label\":\"old\",\"scores\":1,"
                + "\"predicted_predicted_label\":\"new\"}\n",
        out.toString());
  }

  @Test
  void numbersOfTheInputStayAsTheyWere() throws IOException {
    Dataset data =
        read("a.jsonl", "{\"text\": \"a\", \"big\": 1e400, \"price\": 0.1000, \"ids\": [1.50]}\n");
    assertEquals(
        "{\"text\":\"a\",\"big\":1e400,\"price\":0.1000,\"ids\":[1.50],\"score\":2.5}\n",
        written("out.jsonl", data, "{\"score\": 2.5}"));
    assertEquals(
        "text,big,price,ids,score\na,1e400,0.1000,[1.50],2.5\n",
        written("out.csv", data, "{\"score\": 2.5}"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"out.csv.gz", "out.parquet", "out.xlsx", "out.json", "out.unknown"})
  void formatsThatAreNotWrittenAreRefused(String output) {
    String message =
        assertThrows(InputException.class, () -> PredictionFile.delimiter(Path.of(output)))
            .getMessage();
    assertTrue(message.contains(output.substring(output.lastIndexOf('.'))), message);
    assertTrue(message.contains(".jsonl, .csv or .tsv"), message);
    assertNull(PredictionFile.delimiter(Path.of("out.JSONL")));
    assertNull(PredictionFile.delimiter(Path.of("out")));
    assertEquals(",", String.valueOf(PredictionFile.delimiter(Path.of("a.CSV"))));
  }
}
