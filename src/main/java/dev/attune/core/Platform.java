package dev.attune.core;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The operating system and processor that this process runs on, for the choice of a library. */
public final class Platform {
  /** The oldest C library that our Linux libraries load with; the build checks it. */
  public static final String OLDEST_GLIBC = "2.34";

  private Platform() {}

  /** As Maven classifiers of native artifacts name it, such as {@code linux-x86_64}. */
  public static String name() {
    return name(System.getProperty("os.name"), System.getProperty("os.arch"));
  }

  static String name(String osName, String osArch) {
    String os = osName.toLowerCase(Locale.ROOT);
    String system =
        os.startsWith("mac") ? "macosx" : os.startsWith("windows") ? "windows" : word(os);
    String machine =
        switch (osArch.toLowerCase(Locale.ROOT)) {
          case "amd64", "x86_64", "x64" -> "x86_64";
          case "aarch64", "arm64" -> "arm64";
          default -> word(osArch);
        };
    return system + "-" + machine;
  }

  private static String word(String name) {
    return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]+", "");
  }

  /** Whether the C library of this process is musl (Alpine), for which nothing here is built. */
  static boolean isMusl() {
    try {
      return Files.readString(Path.of("/proc/self/maps")).contains("/ld-musl-");
    } catch (IOException e) {
      return false; // not Linux
    }
  }

  /**
   * What to do about a library that the system refuses: a sentence with a blank before it, or
   * nothing.
   *
   * @param refusal what the system's loader says
   */
  static String advice(String refusal) {
    if (isMusl() || refusal.contains("ld-linux-")) {
      return ". This system's C library is musl (Alpine Linux); the native libraries need glibc "
          + OLDEST_GLIBC
          + " or newer: take an image or a system with glibc, such as Debian, Ubuntu or Red Hat";
    }
    if (refusal.contains("GLIBC_") && refusal.contains("not found")) {
      return ". This system's C library is too old; the native libraries need glibc "
          + OLDEST_GLIBC
          + " or newer (Ubuntu 22.04, Debian 12, RHEL 9, Amazon Linux 2023)";
    }
    if (refusal.contains("failed to map segment") || refusal.contains("not permitted")) {
      return ". The file system does not let code be loaded (mounted noexec?); " + Cache.ADVICE;
    }
    return "";
  }
}
