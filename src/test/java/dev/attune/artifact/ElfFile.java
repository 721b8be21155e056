package dev.attune.artifact;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a 64-bit little-endian ELF library needs of the system: the libraries, and the versions of
 * symbols from each. By the ELF specification and the Linux Standard Base's "Symbol Versioning".
 */
final class ElfFile {
  private static final int SECTION_DYNAMIC = 6; // SHT_DYNAMIC
  private static final int SECTION_NEEDED_VERSIONS = 0x6ffffffe; // SHT_GNU_verneed
  private static final long TAG_NEEDED = 1; // DT_NEEDED

  private final ByteBuffer file;
  private final List<String> libraries = new ArrayList<>();
  private final Map<String, List<String>> versions = new TreeMap<>();

  ElfFile(Path path) throws IOException {
    file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
    if (file.getInt(0) != 0x464c457f || file.get(4) != 2 || file.get(5) != 1) {
      throw new IOException(path + " is no 64-bit little-endian ELF file");
    }
    int count = Short.toUnsignedInt(file.getShort(60)); // e_shnum
    for (int i = 0; i < count; i++) {
      int header = section(i);
      int type = file.getInt(header + 4);
      if (type == SECTION_DYNAMIC) {
        readDynamic(header);
      } else if (type == SECTION_NEEDED_VERSIONS) {
        readNeededVersions(header);
      }
    }
  }

  /** Names of the libraries that are loaded with it. */
  List<String> libraries() {
    return libraries;
  }

  /** By library: the versions of its symbols that are needed, such as {@code GLIBC_2.34}. */
  Map<String, List<String>> versions() {
    return versions;
  }

  private int section(int index) {
    int size = Short.toUnsignedInt(file.getShort(58)); // e_shentsize
    return (int) file.getLong(40) + index * size; // e_shoff
  }

  private int offset(int header) {
    return (int) file.getLong(header + 24); // sh_offset
  }

  private int strings(int header) {
    return offset(section(file.getInt(header + 40))); // sh_link
  }

  private void readDynamic(int header) {
    int strings = strings(header);
    int end = offset(header) + (int) file.getLong(header + 32); // sh_size
    for (int at = offset(header); at < end; at += 16) {
      if (file.getLong(at) == TAG_NEEDED) {
        libraries.add(string(strings + (int) file.getLong(at + 8)));
      }
    }
  }

  private void readNeededVersions(int header) {
    int strings = strings(header);
    int at = offset(header);
    while (true) {
      int count = Short.toUnsignedInt(file.getShort(at + 2)); // vn_cnt
      List<String> names =
          versions.computeIfAbsent(
              string(strings + file.getInt(at + 4)), name -> new ArrayList<>()); // vn_file
      int entry = at + file.getInt(at + 8); // vn_aux
      for (int i = 0; i < count; i++) {
        names.add(string(strings + file.getInt(entry + 8))); // vna_name
        entry += file.getInt(entry + 12); // vna_next
      }
      int next = file.getInt(at + 12); // vn_next
      if (next == 0) {
        return;
      }
      at += next;
    }
  }

  private String string(int at) {
    StringBuilder out = new StringBuilder();
    for (int i = at; file.get(i) != 0; i++) {
      out.append((char) file.get(i));
    }
    return out.toString();
  }
}
