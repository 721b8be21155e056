package dev.attune.core;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;

/**
 * What a file copied out of the class path must hold, told by size and CRC-32. A JAR keeps both in
 * its directory, so nothing has to be unpacked to compare a copy that is there; and at the start of
 * a process SHA-256 takes 30 to 450 ms for our 8 MB of kernels, CRC-32 under one. It tells a
 * truncated, damaged or other file; against other users stand the permissions of the folder.
 *
 * @param source where it is on the class path
 */
record Content(URL source, long sizeBytes, long crc32) {
  /** Reads what the JAR says; a resource that lies elsewhere is read through. */
  static Content of(URL source) throws IOException {
    URLConnection connection = connect(source);
    if (connection instanceof JarURLConnection jar) {
      // Not cached, so it is ours to close: a redeployed application must not keep its JAR open.
      try (JarFile file = jar.getJarFile()) {
        JarEntry entry = file.getJarEntry(jar.getEntryName());
        if (entry != null && entry.getSize() >= 0 && entry.getCrc() >= 0) {
          return new Content(source, entry.getSize(), entry.getCrc());
        }
      }
      connection = connect(source);
    }
    try (InputStream in = connection.getInputStream()) {
      return read(source, in);
    }
  }

  static long crc32(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return read(null, in).crc32;
    }
  }

  private static Content read(URL source, InputStream in) throws IOException {
    CRC32 crc = new CRC32();
    long sizeBytes = 0;
    byte[] chunk = new byte[1 << 18];
    for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
      crc.update(chunk, 0, count);
      sizeBytes += count;
    }
    return new Content(source, sizeBytes, crc.getValue());
  }

  private static URLConnection connect(URL source) throws IOException {
    URLConnection connection = source.openConnection();
    connection.setUseCaches(false);
    return connection;
  }

  /** A name that no other content has by accident. */
  String key() {
    return String.format(Locale.ROOT, "%08x-%d", crc32, sizeBytes);
  }

  /** Whether the file is there and holds this. */
  boolean isIn(Path file) throws IOException {
    return Files.isRegularFile(file) && Files.size(file) == sizeBytes && crc32(file) == crc32;
  }

  /** Copies it to a file, whole or not at all; replaces what is there. */
  void copyTo(Path target) throws IOException {
    Path aside =
        Files.createTempFile(
            target.toAbsolutePath().getParent(), target.getFileName() + ".", ".tmp");
    try {
      try (InputStream in = connect(source).getInputStream()) {
        Files.copy(in, aside, StandardCopyOption.REPLACE_EXISTING);
      }
      if (!isIn(aside)) {
        throw new IOException(
            source + " did not arrive whole: " + Files.size(aside) + " bytes of " + sizeBytes);
      }
      Files.move(
          aside, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(aside);
    }
  }
}
