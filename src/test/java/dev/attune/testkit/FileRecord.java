package dev.attune.testkit;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What a process did with the files of a folder, as {@code native/test/file_faults.c} recorded it,
 * and what a loss of power may leave of that.
 */
public final class FileRecord {
  /** What a file system may have on the disk that is not synced, from the kindest to the worst. */
  public enum Loss {
    /** Nothing is lost: as when the process alone is killed. */
    NOTHING,
    /** Names are as they were, files have what was synced and half of the rest. */
    HALF_OF_THE_DATA,
    /** Names are as they were, files have what was synced alone. */
    DATA,
    /** Files have all that was written, names are those of the last sync of each folder. */
    NAMES,
    /** Nothing is there that was not synced. */
    ALL
  }

  private record Operation(char what, Path path, Path other, long number, byte[] bytes) {}

  /** A file, or a folder with its entries; each with what of it is synced. */
  private static final class Node {
    private byte[] content; // null: it is a folder
    private byte[] synced = new byte[0];
    private Map<String, Node> entries = new TreeMap<>();
    private Map<String, Node> syncedEntries = new TreeMap<>();

    static Node file(byte[] content) {
      Node node = new Node();
      node.content = content;
      return node;
    }

    void sync() {
      synced = content;
      syncedEntries = new TreeMap<>(entries);
    }
  }

  private final Path folder;
  private final Node root;
  private final List<Operation> operations;
  private int done;

  private FileRecord(Path folder, Node root, List<Operation> operations) {
    this.folder = folder;
    this.root = root;
    this.operations = operations;
  }

  /**
   * Reads a record.
   *
   * @param folder whose files were recorded
   * @param before what was in it before, all of it synced
   */
  public static FileRecord read(Path file, Path folder, Path before) throws IOException {
    List<Operation> operations = new ArrayList<>();
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(Files.readAllBytes(file)));
    while (in.available() > 0) {
      char what = (char) in.readUnsignedByte();
      int length = Integer.reverseBytes(in.readInt());
      int otherLength = Integer.reverseBytes(in.readInt());
      Path path = path(in, length);
      Path other = path(in, otherLength);
      long number = Long.reverseBytes(in.readLong());
      int size = Math.toIntExact(Long.reverseBytes(in.readLong()));
      operations.add(new Operation(what, path, other, number, in.readNBytes(size)));
    }
    return new FileRecord(folder, tree(before), operations);
  }

  private static Path path(DataInputStream in, int length) throws IOException {
    return Path.of(new String(in.readNBytes(length), StandardCharsets.UTF_8));
  }

  private static Node tree(Path path) throws IOException {
    Node node = Files.isDirectory(path) ? new Node() : Node.file(Files.readAllBytes(path));
    if (node.content == null) {
      try (Stream<Path> entries = Files.list(path)) {
        for (Path entry : entries.toList()) {
          node.entries.put(entry.getFileName().toString(), tree(entry));
        }
      }
    }
    node.sync();
    return node;
  }

  public int size() {
    return operations.size();
  }

  /** How many operations of a kind there are: w for writes, s for syncs, r for renames … */
  public long count(char what) {
    return operations.stream().filter(operation -> operation.what == what).count();
  }

  /** Does the next operation; false where there is none. */
  public boolean advance() {
    if (done == operations.size()) {
      return false;
    }
    Operation next = operations.get(done++);
    Node parent = find(next.path.getParent());
    String name = next.path.getFileName().toString();
    switch (next.what) {
      case 'c' -> parent.entries.put(name, Node.file(new byte[0]));
      case 'd' -> parent.entries.put(name, new Node());
      case 'u' -> parent.entries.remove(name);
      case 'r' ->
          find(next.other.getParent())
              .entries
              .put(next.other.getFileName().toString(), parent.entries.remove(name));
      case 'w' -> {
        Node file = find(next.path);
        int end = Math.toIntExact(next.number + next.bytes.length);
        byte[] content = Arrays.copyOf(file.content, Math.max(end, file.content.length));
        System.arraycopy(next.bytes, 0, content, (int) next.number, next.bytes.length);
        file.content = content;
      }
      case 't' ->
          find(next.path).content = Arrays.copyOf(find(next.path).content, (int) next.number);
      case 's' -> find(next.path).sync();
      default ->
          throw new IllegalStateException("what is written as '" + next.what + "' is not followed");
    }
    return true;
  }

  private Node find(Path path) {
    Node node = root;
    if (!path.equals(folder)) {
      for (Path name : folder.relativize(path)) {
        node = node.entries.get(name.toString());
      }
    }
    return node;
  }

  /** What a loss at this point leaves, by relative path; folders have no content. */
  public Map<String, byte[]> left(Loss loss) {
    Map<String, byte[]> left = new TreeMap<>();
    collect(root, "", loss, left);
    return left;
  }

  private static void collect(Node node, String path, Loss loss, Map<String, byte[]> left) {
    boolean namesAreLost = loss == Loss.NAMES || loss == Loss.ALL;
    (namesAreLost ? node.syncedEntries : node.entries)
        .forEach(
            (name, entry) -> {
              if (entry.content != null) {
                left.put(path + name, content(entry, loss));
              } else {
                left.put(path + name + "/", null);
                collect(entry, path + name + "/", loss, left);
              }
            });
  }

  private static byte[] content(Node file, Loss loss) {
    return switch (loss) {
      case NOTHING, NAMES -> file.content;
      case DATA, ALL -> file.synced;
      case HALF_OF_THE_DATA ->
          Arrays.equals(file.synced, file.content)
              ? file.content
              : Arrays.copyOf(
                  file.content,
                  Math.max(
                      Math.min(file.synced.length, file.content.length), file.content.length / 2));
    };
  }

  /** Writes what is left into a new folder. */
  public static Path write(Map<String, byte[]> left, Path to) throws IOException {
    Files.createDirectories(to);
    for (Map.Entry<String, byte[]> entry : left.entrySet()) {
      Path path = to.resolve(entry.getKey());
      if (entry.getValue() == null) {
        Files.createDirectories(path);
      } else {
        Files.write(path, entry.getValue());
      }
    }
    return to;
  }
}
