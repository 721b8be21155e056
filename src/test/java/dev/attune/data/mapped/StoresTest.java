package dev.attune.data.mapped;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.testkit.FailingFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoresTest {
  private static final int[] NUMBERS = IntStream.range(-70_000, 70_000).toArray();

  @TempDir Path temp;
  private final List<String> notes = new ArrayList<>();

  private Stores stores(FileOps files) {
    return new Stores(() -> temp, files, notes::add);
  }

  private static ObjectNode facts() {
    return JsonNodeFactory.instance.objectNode().put("of", "tests");
  }

  private static void write(Stores stores, String key) {
    try (StoreWriter writer = stores.begin()) {
      IntSink numbers = writer.ints("numbers");
      numbers.add(NUMBERS[0]);
      numbers.addAll(NUMBERS, 1, NUMBERS.length - 1);
      RecordSink texts = writer.records("texts");
      for (String text : List.of("", "a", "twelve bytes", "x".repeat(300_000))) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        texts.add(bytes, bytes.length);
      }
      stores.publish(writer, key, facts());
    }
  }

  private static void check(Store store) {
    assertArrayEquals(NUMBERS, store.ints("numbers").toArray());
    assertEquals(-69_990, store.ints("numbers").get(10));
    int[] part = new int[5];
    store.ints("numbers").copy(100, part, 1, 3);
    assertArrayEquals(new int[] {0, -69_900, -69_899, -69_898, 0}, part);
    Records texts = store.records("texts");
    assertEquals(4, texts.size());
    ByteBuffer third = texts.get(2);
    byte[] bytes = new byte[12];
    third.get(bytes);
    assertEquals("twelve bytes", new String(bytes, StandardCharsets.UTF_8));
    assertEquals(16, texts.sizeBytes(2));
    assertEquals(300_000, texts.sizeBytes(3));
    assertEquals("tests", store.facts().path("of").asText());
  }

  private List<Path> entries() throws IOException {
    try (Stream<Path> entries = Files.list(temp)) {
      return entries.sorted().toList();
    }
  }

  @Test
  void whatWasWrittenIsReadAgain() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    assertNull(stores.find("key"));
    write(stores, "key");
    check(stores.find("key"));
    assertNull(stores.find("other"));
    assertEquals(List.of(temp.resolve("key")), entries());
  }

  @Test
  void aColumnCanBeReadBeforeItsStoreIsPublishedAndStaysReadable() {
    Ints numbers;
    try (StoreWriter writer = stores(FileOps.SYSTEM).begin()) {
      IntSink sink = writer.ints("numbers");
      sink.addAll(NUMBERS, 0, NUMBERS.length);
      numbers = sink.done();
      assertArrayEquals(NUMBERS, numbers.toArray());
    }
    assertArrayEquals(NUMBERS, numbers.toArray()); // the store was never published
  }

  @Test
  void anyDamagedByteIsFoundSaidAndTheStoreDeleted() throws IOException {
    for (String name :
        List.of("numbers.i32", "texts.records", "texts-begins.i32", "manifest.json")) {
      Stores stores = stores(FileOps.SYSTEM);
      write(stores, "key");
      Path file = temp.resolve("key").resolve(name);
      byte[] bytes = Files.readAllBytes(file);
      int at =
          name.equals("manifest.json")
              ? new String(bytes, StandardCharsets.UTF_8).indexOf("tests")
              : bytes.length / 2;
      bytes[at] ^= 4;
      Files.write(file, bytes);
      notes.clear();
      assertNull(stores.find("key"), name);
      assertEquals(1, notes.size(), name);
      assertTrue(notes.get(0).contains("is damaged; what it held is made again"), notes.get(0));
      assertFalse(Files.exists(temp.resolve("key")), name);
    }
  }

  @Test
  void aLargeFileIsComparedBlockByBlockBeforeItIsRead() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    int[] many = IntStream.range(0, 3 * BlockSums.BLOCK_BYTES / Integer.BYTES + 5).toArray();
    try (StoreWriter writer = stores.begin()) {
      writer.ints("numbers").addAll(many, 0, many.length);
      stores.publish(writer, "key", facts());
    }
    Path file = temp.resolve("key").resolve("numbers.i32");
    byte[] bytes = Files.readAllBytes(file);
    bytes[BlockSums.BLOCK_BYTES + 9] ^= 4;
    Files.write(file, bytes);
    int inBlock = BlockSums.BLOCK_BYTES / Integer.BYTES;

    Ints numbers = Store.open(temp.resolve("key"), bytes.length - 1).ints("numbers");
    assertEquals(inBlock - 1, numbers.get(inBlock - 1));
    assertEquals(many.length - 1, numbers.get(many.length - 1));
    int[] part = new int[10];
    numbers.copy(2 * inBlock, part, 0, 10);
    assertEquals(2 * inBlock + 9, part[9]);
    assertTrue(Files.exists(temp.resolve("key").resolve("manifest.json")));
    UncheckedIOException e =
        assertThrows(
            UncheckedIOException.class, () -> numbers.copy(inBlock - 5, new int[10], 0, 10));
    String disowned = " or behind it. " + temp.resolve("key") + " is disowned: what it holds is";
    assertTrue(
        e.getMessage().startsWith(file + " is damaged, at byte 1048576" + disowned),
        e.getMessage());
    assertFalse(Files.exists(temp.resolve("key").resolve("manifest.json")));
    String second =
        assertThrows(UncheckedIOException.class, () -> numbers.get(inBlock)).getMessage();
    assertTrue(second.contains(" is disowned: "), second);

    assertNull(stores.find("key"));
    assertEquals(1, notes.size(), notes::toString);
    assertFalse(Files.exists(temp.resolve("key")));
  }

  @Test
  void damagedSumsAreDamage() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    write(stores, "key");
    Path sums = temp.resolve("key").resolve("texts.records.sums");
    byte[] bytes = Files.readAllBytes(sums);
    bytes[0] ^= 1;
    Files.write(sums, bytes);
    assertNull(stores.find("key"));
    assertTrue(notes.get(0).startsWith(sums + " is damaged"), notes.get(0));
  }

  @Test
  void aFileThatWasCutIsDamaged() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    write(stores, "key");
    Path file = temp.resolve("key").resolve("numbers.i32");
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(Files.size(file) - 4);
    }
    assertNull(stores.find("key"));
    write(stores, "key");
    check(stores.find("key"));
  }

  @Test
  void twoWritersOfOneKeyDoNoHarm() throws IOException {
    Stores one = stores(FileOps.SYSTEM);
    Stores two = stores(FileOps.SYSTEM);
    try (StoreWriter first = one.begin();
        StoreWriter second = two.begin()) {
      first.ints("numbers").add(1);
      second.ints("numbers").add(1);
      two.publish(second, "key", facts());
      one.publish(first, "key", facts());
    }
    assertArrayEquals(new int[] {1}, one.find("key").ints("numbers").toArray());
    assertEquals(List.of(temp.resolve("key")), entries());
  }

  @Test
  void whatAKilledProcessWasWritingIsDeletedByTheNextWriter() throws IOException {
    Path left = Files.createDirectory(temp.resolve("left.tmp"));
    Files.createFile(left.resolve("lock"));
    Files.writeString(left.resolve("ids.i32"), "half");
    Stores stores = stores(FileOps.SYSTEM);
    try (StoreWriter living = stores.begin()) {
      assertFalse(Files.exists(left));
      write(stores, "key"); // which leaves the living one alone
      assertTrue(Files.isDirectory(living.folder()));
    }
    check(stores.find("key"));
  }

  @Test
  void anotherWriterOfThisProcessTakesNoLockAway() throws Exception {
    Stores stores = stores(FileOps.SYSTEM);
    try (StoreWriter living = stores.begin()) {
      write(stores, "key"); // which looks at what is there
      Process other =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  OtherProcess.class.getName(),
                  temp.toString())
              .redirectErrorStream(true)
              .start();
      String said = new String(other.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, other.waitFor(), said);
      assertTrue(Files.isDirectory(living.folder()), "another process has taken it for left");
    }
  }

  /** Begins a store beside others. */
  static final class OtherProcess {
    public static void main(String[] args) {
      new Stores(() -> Path.of(args[0]), FileOps.SYSTEM, note -> {}).begin().close();
    }
  }

  @Test
  void aDamagedStoreThatCannotBeDeletedIsSaidAndNotTaken() throws IOException {
    write(stores(FileOps.SYSTEM), "key");
    Files.writeString(temp.resolve("key").resolve("manifest.json"), "{}");
    assertNull(stores(new FailingFiles(1)).find("key"));
    assertEquals(2, notes.size(), notes::toString);
    assertTrue(notes.get(1).contains("key cannot be deleted"), notes.get(1));
  }

  @Test
  void aFullDiskLeavesNoStoreOrAWholeOne() throws IOException {
    boolean reached = true;
    for (int at = 1; reached; at++) {
      FailingFiles files = new FailingFiles(at);
      try {
        write(stores(files), "key-" + at);
      } catch (RuntimeException e) {
        assertTrue(e.getMessage().contains(temp.toString()), e.getMessage());
      }
      reached = files.reached();
      Path store = temp.resolve("key-" + at);
      if (Files.exists(store)) {
        check(stores(FileOps.SYSTEM).find("key-" + at));
      }
    }
    assertEquals(List.of(), notes);
    try (StoreWriter next = stores(FileOps.SYSTEM).begin()) {
      List<Path> aside = entries().stream().filter(p -> p.toString().endsWith(".tmp")).toList();
      assertEquals(List.of(next.folder()), aside); // what could not be deleted then is now
    }
  }

  @Test
  void aStoreThatNobodyOpensForAMonthGoes() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    write(stores, "old");
    write(stores, "used");
    FileTime then = FileTime.from(Instant.now().minus(Duration.ofDays(31)));
    Files.setLastModifiedTime(temp.resolve("old").resolve("manifest.json"), then);
    Files.setLastModifiedTime(temp.resolve("used").resolve("manifest.json"), then);
    assertNotNull(stores.find("used"));
    write(stores, "new");
    assertEquals(List.of(temp.resolve("new"), temp.resolve("used")), entries());
  }

  @Test
  void aStoreWithoutAManifestGoesAfterAMonthToo() throws IOException {
    Stores stores = stores(FileOps.SYSTEM);
    FileTime then = FileTime.from(Instant.now().minus(Duration.ofDays(31)));
    for (String key : List.of("damaged", "just-damaged")) {
      write(stores, key);
      Files.delete(temp.resolve(key).resolve("manifest.json"));
    }
    Files.setLastModifiedTime(temp.resolve("damaged"), then);
    Path file = Files.writeString(temp.resolve("file"), "of somebody");
    Files.setLastModifiedTime(file, then);
    try (StoreWriter living = stores.begin()) {
      Files.setLastModifiedTime(living.folder(), then);
      write(stores, "new");
      assertTrue(Files.isDirectory(living.folder()));
    }
    assertEquals(List.of(file, temp.resolve("just-damaged"), temp.resolve("new")), entries());
  }

  @Test
  void aFileThatIsGoneIsSaidToBe() throws IOException {
    Path missing = temp.resolve("empty").resolve("manifest.json");
    Files.createDirectories(missing.getParent());
    StoreException e = assertThrows(StoreException.class, () -> Store.open(missing.getParent()));
    assertEquals(
        missing.getParent() + " cannot be read: " + missing + " is missing", e.getMessage());
    Files.writeString(missing, "{\"facts\": ");
    StoreException broken =
        assertThrows(StoreException.class, () -> Store.open(missing.getParent()));
    assertFalse(broken.getMessage().contains("Source"), broken.getMessage());
  }

  @Test
  void aStoreThatCannotBeBegunLeavesNothing() throws IOException {
    write(stores(FileOps.SYSTEM), "old");
    Files.setLastModifiedTime(
        temp.resolve("old/manifest.json"), FileTime.from(Instant.now().minus(Duration.ofDays(40))));
    FileOps undeletable =
        new FileOps() {
          @Override
          public void deleteTree(Path root) throws IOException {
            if (root.endsWith("old")) {
              throw new IOException("not permitted");
            }
            super.deleteTree(root);
          }
        };
    Stores stores =
        new Stores(
            () -> temp,
            undeletable,
            note -> {
              throw new IllegalStateException(note);
            });
    assertThrows(IllegalStateException.class, stores::begin);
    try (Stream<Path> left = Files.list(temp)) {
      assertEquals(List.of(temp.resolve("old")), left.toList());
    }
  }
}
