package dev.attune.data;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** Kinds of files that are taken for data but hold no rows that we read, told by first bytes. */
final class ForeignContent {
  private ForeignContent() {}

  /** What a file is and what to do, to follow its name; null where it may be data. */
  static String describe(byte[] head, Path file) {
    String name = file.getFileName().toString();
    if (Magic.holds(head, 0, "PK\3\4")) {
      String parts = new String(head, StandardCharsets.ISO_8859_1);
      boolean workbook = parts.contains("xl/") || parts.contains("[Content_Types].xml");
      return workbook ? workbook() : "is a zip archive. Unpack it: unzip " + name;
    }
    if (Magic.starts(head, 0xD0, 0xCF, 0x11, 0xE0)) {
      return workbook();
    }
    if (Magic.holds(head, 0, "%PDF")) {
      return "is a PDF document. Export its text to a .csv, .jsonl or .txt file";
    }
    if (Magic.starts(head, 0x1F, 0x8B) || Magic.starts(head, 0x28, 0xB5, 0x2F, 0xFD)) {
      return "is compressed twice. Decompress it once (gunzip or unzstd)";
    }
    if (Magic.holds(head, 0, "BZh") && Magic.holds(head, 4, "1AY&SY")) {
      return "is compressed with bzip2. Decompress it (bunzip2 " + name + "), or use gzip or zstd";
    }
    if (Magic.starts(head, 0xFD, '7', 'z', 'X', 'Z')) {
      return "is compressed with xz. Decompress it (xz -d " + name + "), or use gzip or zstd";
    }
    if (Magic.starts(head, '7', 'z', 0xBC, 0xAF)) {
      return "is a 7-Zip archive. Unpack it";
    }
    if (Magic.holds(head, 257, "ustar")) {
      return "is a tar archive. Unpack it: tar xf " + name;
    }
    if (Magic.holds(head, 0, "version https://git-lfs.github.com/spec/")) {
      return "is Git LFS's pointer to the data, not the data. Fetch it: git lfs pull";
    }
    if (Magic.holds(head, 0, "SQLite format 3\0")) {
      return "is an SQLite database. Export a table: sqlite3 -header -csv " + name;
    }
    if (Magic.holds(head, 0, "Obj\1")) {
      return "is an Avro file. Write it as Parquet, CSV or JSONL";
    }
    String begin =
        new String(head, 0, Math.min(head.length, 64), StandardCharsets.ISO_8859_1)
            .strip()
            .toLowerCase(Locale.ROOT);
    boolean page = begin.startsWith("<!doctype html") || begin.startsWith("<html");
    if (page && !name.toLowerCase(Locale.ROOT).contains(".txt")) {
      return "is a web page (HTML), perhaps one that says why the download failed";
    }
    return null;
  }

  private static String workbook() {
    return "is an Excel workbook. Save it as \"CSV UTF-8\" and give that file";
  }

  /** Whether a file is Parquet. */
  static boolean isParquet(byte[] head) {
    return Magic.holds(head, 0, "PAR1");
  }

  /** The format of a file that is no text, whatever its name says; null: none that is read. */
  static Format binary(byte[] head) {
    return isParquet(head)
        ? Format.PARQUET
        : Magic.holds(head, 0, "ARROW1\0") ? Format.ARROW : null;
  }
}
