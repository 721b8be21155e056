package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.IntNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.mapped.Stores;
import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows from a store are those that are read into memory. */
class RowCacheTest {
  @TempDir Path temp;
  private final List<String> notes = new ArrayList<>();

  private RowCache cache(FileOps files) {
    return new RowCache(new Stores(() -> temp.resolve("stores"), files, notes::add), 1, 2);
  }

  private RowCache cache() {
    return cache(FileOps.SYSTEM);
  }

  private Path file(String name, String content) throws IOException {
    return Files.writeString(temp.resolve(name), content);
  }

  private int stored() throws IOException {
    try (Stream<Path> entries = Files.list(temp.resolve("stores"))) {
      return (int) entries.count();
    }
  }

  /** Reads into memory, into a store, and from it; all the same. */
  private Dataset same(ReadOptions options, Path... files) {
    List<String> paths = Stream.of(files).map(Path::toString).toList();
    Dataset inMemory = DataReader.read(paths, options);
    assertNull(inMemory.contentKey());
    for (int time = 0; time < 2; time++) {
      Dataset stored = cache().read(paths, options);
      assertTrue(stored.isStored(), files[0].toString());
      assertEquals(inMemory.source(), stored.source());
      assertEquals(inMemory.reading(), stored.reading());
      assertEquals(inMemory.parts(), stored.parts());
      assertEquals(inMemory.examples(), stored.examples());
      for (int i = 0; i < inMemory.size(); i++) {
        assertEquals(
            List.copyOf(inMemory.get(i).fields().entrySet()),
            List.copyOf(stored.get(i).fields().entrySet()));
      }
    }
    return cache().read(paths, options);
  }

  private Dataset same(Path... files) {
    return same(ReadOptions.of(Columns.automatic()), files);
  }

  @Test
  void answersThatAreCompared() throws IOException {
    String turn = "[{\"role\": \"assistant\", \"content\": \"%s\"}]";
    Path file =
        file(
            "pairs.jsonl",
            "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
                + "{\"prompt\": [{\"role\": \"user\", \"content\": \"d\"}], \"chosen\": "
                + turn.formatted("e")
                + ", \"rejected\": "
                + turn.formatted("f")
                + "}\n");
    Dataset stored = same(ReadOptions.of(Columns.automatic().forPreferences()), file);
    assertEquals("c", stored.get(0).rejected().completion());
    assertEquals("a", stored.get(0).rejected().prompt());
    assertEquals("f", stored.get(1).rejected().messages().get(1).content());
  }

  @Test
  void tables() throws IOException {
    same(file("a.csv", "text,label,n\n\"a, \"\"b\"\"\nc\",x,1\nécole 😀,y,\n,x,3\n\n\n"));
    same(file("b.tsv", "sentence\tlabel\nit was \"good\tpos\nbad\tneg\n"));
    same(file("c.csv", "text,label\n\"a\",\"['x', 'y']\"\nb,\"['z']\"\n"));
  }

  @Test
  void jsonOfAnyValue() throws IOException {
    same(
        file(
            "a.jsonl",
            """
            {"text": "a", "label": 1, "n": {"x": [1, 2.5, null, true, 12345678901, 0.1000, -0, 1e400]}}
            {"text": "", "label": false, "more": 123456789012345678901234567890}
            {"text": "c", "label": ["p", "q"]}
            """));
    same(
        file(
            "b.jsonl",
            """
            {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "weight": 1}]}
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": []}
            """));
    same(
        file(
            "c.jsonl",
            """
            {"question": "who", "context": "it is me", "answers": {"text": ["me"], "answer_start": [6]}}
            {"question": "who", "context": "it is me", "answers": {"text": [], "answer_start": []}}
            """));
    same(file("d.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\", \"B-X\"]}\n"));
    same(file("e.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\"}\n"));
    same(
        file(
            "f.json",
            "[{\"text\": \"a\", \"label\": \"x\"}, {\"text\": \"b\", \"label\": \"y\"}]"));
  }

  @Test
  void severalFiles() throws IOException {
    Path a = file("a.csv", "text,label\na,x\nb,y\n");
    Path b = file("b.csv", "text,label\nc,x\n");
    Dataset both = same(a, b);
    assertEquals(b + ", row 2", both.where(both.get(2)));
  }

  @Test
  void rowsThatAreLeftOutAreCountedInTheSameWords() throws IOException {
    ReadOptions skipping = new ReadOptions(Columns.automatic(), true, false, FileOptions.AUTOMATIC);
    Dataset rows = same(skipping, file("a.csv", "text,label\na,x\nonly one field\nb,y,z\nc,y\n"));
    assertEquals(2, rows.size());
    assertEquals("skipped_rows", rows.reading().findings().get(0).code());
  }

  @Test
  void refusalsAreThoseOfMemory() throws IOException {
    Path bad = file("a.csv", "text,label\na,x\nonly one field\n");
    List<String> paths = List.of(bad.toString());
    ReadOptions options = ReadOptions.of(Columns.automatic());
    InputException inMemory =
        assertThrows(InputException.class, () -> DataReader.read(paths, options));
    InputException stored = assertThrows(InputException.class, () -> cache().read(paths, options));
    assertEquals(inMemory.getMessage(), stored.getMessage());
    assertEquals(0, stored());
  }

  @Test
  void whatIsChosenAndChangedStaysInItsStore() throws IOException {
    Dataset rows = same(file("a.csv", "text,label\na,0\nb,1\nc,0\nd,1\n"));
    Dataset chosen = rows.chosen(new int[] {3, 0});
    assertTrue(chosen.isStored());
    assertEquals(List.of("d", "a"), chosen.examples().stream().map(Example::text).toList());
    assertEquals(List.of("a", "b"), rows.first(2).examples().stream().map(Example::text).toList());
    Dataset named = LabelNames.parse("no,yes").applied(rows);
    assertTrue(named.isStored());
    assertEquals(
        List.of("no", "yes", "no", "yes"), named.examples().stream().map(Example::label).toList());
    List<String> keys =
        Stream.of(
                rows,
                chosen,
                rows.first(2),
                rows.first(3),
                named,
                LabelNames.parse("n,y").applied(rows))
            .map(Dataset::contentKey)
            .toList();
    assertEquals(keys.size(), keys.stream().distinct().count());
    assertEquals(chosen.contentKey(), rows.chosen(new int[] {3, 0}).contentKey());
  }

  @Test
  void everyOptionOfReadingAndEveryByteMakesAnotherStore() throws IOException {
    Path a = file("a.csv", "text;label,other\nb,1\n");
    FileOptions semicolons = FileOptions.parse(null, null, "semicolon", null, false);
    List<ReadOptions> all =
        List.of(
            ReadOptions.of(Columns.parse("text=other,label=text;label")),
            ReadOptions.of(Columns.parse("text=other")),
            new ReadOptions(Columns.parse("text=other"), true, false, FileOptions.AUTOMATIC),
            new ReadOptions(Columns.parse("text=other"), true, true, FileOptions.AUTOMATIC),
            new ReadOptions(Columns.parse("text"), true, true, semicolons));
    List<String> keys = new ArrayList<>();
    for (ReadOptions options : all.subList(1, 4)) {
      keys.add(cache().read(List.of(a.toString()), options).contentKey());
    }
    assertEquals(3, keys.stream().distinct().count(), keys::toString);
    assertEquals(3, stored());
    FileTime time = Files.getLastModifiedTime(a);
    Files.writeString(a, "text;label,other\nc,1\n");
    Files.setLastModifiedTime(a, time); // the same size and time: other bytes
    Dataset edited = cache().read(List.of(a.toString()), all.get(1));
    assertFalse(keys.contains(edited.contentKey()));
    assertEquals(4, stored());
  }

  @Test
  void aDamagedStoreIsSaidAndReadAnew() throws IOException {
    Path a = file("a.csv", "text,label\na,x\nb,y\n");
    Dataset before = same(a);
    Path store = temp.resolve("stores").resolve(before.contentKey());
    Path records = store.resolve("examples-1.records");
    byte[] bytes = Files.readAllBytes(records);
    bytes[3] ^= 1;
    Files.write(records, bytes);
    Dataset after = cache().read(List.of(a.toString()), ReadOptions.of(Columns.automatic()));
    assertEquals(DataReader.read(a).examples(), after.examples());
    assertEquals(1, notes.size());
    assertTrue(notes.get(0).contains("examples-1.records is damaged"), notes.get(0));
  }

  @Test
  void aFullDiskIsAnErrorThatNamesTheFolderAndTheWayOut() throws IOException {
    Path a = file("a.csv", "text,label\na,x\nb,y\n");
    boolean reached = true;
    int failed = 0;
    for (int at = 1; reached; at++) {
      FailingFiles files = new FailingFiles(at);
      try {
        Dataset rows =
            cache(files).read(List.of(a.toString()), ReadOptions.of(Columns.automatic()));
        assertEquals(2, rows.size());
      } catch (UncheckedIOException e) { // the disk is at fault, not what was given
        failed++;
        assertTrue(e.getMessage().contains(temp.resolve("stores").toString()), e.getMessage());
        assertTrue(e.getMessage().contains("names another folder"), e.getMessage());
      }
      reached = files.reached();
      if (reached) {
        deleteStores();
      }
    }
    assertTrue(failed > 3, "only " + failed + " operations failed");
  }

  private void deleteStores() throws IOException {
    FileOps.SYSTEM.deleteTree(temp.resolve("stores"));
  }

  @Test
  void aRunningTextIsReadInPartsOfWholeLines() throws IOException {
    StringBuilder text = new StringBuilder("  first\n\n");
    for (int i = 0; i < 40_000; i++) {
      text.append(i % 7 == 0 ? "\n" : "line " + i + " of the text, or part of it\n");
    }
    text.append("the end");
    Path file = file("a.txt", text.toString());
    Dataset parts = cache().read(List.of(file.toString()), ReadOptions.of(Columns.automatic()));
    assertTrue(parts.size() > 3, "only " + parts.size() + " parts");
    assertEquals(1, parts.rows());
    StringBuilder joined = new StringBuilder();
    for (int i = 0; i < parts.size(); i++) {
      assertEquals(i > 0, parts.continues(i));
      joined.append(parts.get(i).text());
    }
    assertEquals(text.toString(), joined.toString());
    assertEquals(text.toString(), DataReader.read(file).get(0).text());
    assertEquals(parts.size(), parts.first(1).size());
    InputException e =
        assertThrows(InputException.class, () -> Split.stratified(parts, 0.1, 1, x -> null));
    assertTrue(e.getMessage().contains("one running text"), e.getMessage());
    assertNotEquals(null, parts.contentKey());
  }

  @Test
  void theFirstOfSeveralRunningTextsAreThoseAlone() throws IOException {
    List<String> paths = new ArrayList<>();
    for (String name : List.of("a.txt", "b.txt", "c.txt")) {
      paths.add(file(name, (name + " has a line\n").repeat(40_000)).toString());
    }
    Dataset all = cache().read(paths, ReadOptions.of(Columns.automatic()));
    assertEquals(3, all.rows());
    Dataset two = all.first(2);
    assertEquals(2, two.rows());
    assertEquals(all.parts().subList(0, 2), two.parts());
    assertTrue(two.size() > 2 && two.size() < all.size(), two.size() + " of " + all.size());
    assertTrue(two.get(two.size() - 1).text().startsWith("b.txt"));
  }

  @Test
  void anInterruptWhileTheFileIsLookedAtIsOne() throws IOException {
    Path a = file("a.csv", "text,label\n" + "some text of a row,x\n".repeat(200_000));
    Thread.currentThread().interrupt();
    assertThrows(
        InterruptedCallException.class,
        () -> cache().read(List.of(a.toString()), ReadOptions.of(Columns.automatic())));
    assertTrue(Thread.interrupted());
  }

  @Test
  void whatIsFoundOutIsSoWithoutAPlaceToKeepIt() throws IOException {
    Path a = file("a.csv", "text,label\na,x\nb,y\n");
    boolean[] gone = {false};
    Stores stores =
        new Stores(
            () -> {
              if (gone[0]) {
                throw new InputException("there is no folder for caches");
              }
              return temp.resolve("stores");
            },
            FileOps.SYSTEM,
            notes::add);
    Dataset rows =
        new RowCache(stores, 1, 2).read(List.of(a.toString()), ReadOptions.of(Columns.automatic()));
    gone[0] = true;
    assertEquals(7, rows.foundOut("number", () -> IntNode.valueOf(7)).asInt());
  }
}
